import assert from "node:assert/strict";
import { WatchedFile } from "./watched_file.ts";

class FakeFile {
  text = "one";
  mtimeMs = 1;
  missing = false;
  readonly texts: string[] = [];
  readonly errors: string[] = [];

  change(text: string): void {
    this.text = text;
    this.mtimeMs++;
  }

  async watch(): Promise<WatchedFile> {
    const stat = () =>
      this.missing
        ? Promise.reject(new Error("gone"))
        : Promise.resolve({ mtime: new Date(this.mtimeMs), size: this.text.length, ino: 1 });
    return new WatchedFile("f", await WatchedFile.mark("f", stat), {
      stat,
      read: () => this.missing ? Promise.reject(new Error("gone")) : Promise.resolve(this.text),
      onText: (text) => {
        if (text === "bad") throw new SyntaxError("bad text");
        this.texts.push(text);
      },
      onError: (error) => this.errors.push(error.message),
    });
  }
}

Deno.test("WatchedFile.look() reads a change once it has settled, and once only", async () => {
  const file = new FakeFile();
  const watched = await file.watch();
  await watched.look();
  file.change("half");
  await watched.look();
  file.change("whole");
  await watched.look();
  assert.deepEqual(file.texts, []);
  await watched.look();
  await watched.look();
  assert.deepEqual(file.texts, ["whole"]);
});

Deno.test("WatchedFile.look() reports a bad version once and follows the next good one", async () => {
  const file = new FakeFile();
  const watched = await file.watch();
  file.change("bad");
  for (let i = 0; i < 4; i++) await watched.look();
  assert.deepEqual(file.errors, ["bad text"]);
  file.change("good");
  for (let i = 0; i < 4; i++) await watched.look();
  assert.deepEqual(file.texts, ["good"]);
});

Deno.test("WatchedFile.look() reports a file that is gone once and reads it when it is back", async () => {
  const file = new FakeFile();
  const watched = await file.watch();
  file.missing = true;
  for (let i = 0; i < 4; i++) await watched.look();
  assert.deepEqual(file.errors, ["gone"]);
  file.missing = false;
  for (let i = 0; i < 4; i++) await watched.look();
  assert.deepEqual(file.texts, ["one"]);
});
