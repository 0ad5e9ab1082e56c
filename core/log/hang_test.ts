import assert from "node:assert/strict";
import { readRecent } from "./recent_lines.ts";
import { textLines } from "./testdata/start_writer.ts";

Deno.test("Logging has a warning on its way before the loop hangs, on every sink and for other processes", async () => {
  const folder = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("testdata/hang.ts", import.meta.url).href, `${folder}/a.log`, folder],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
  const messages: string[] = [];
  for await (const line of textLines(child.stdout)) {
    messages.push(JSON.parse(line).message);
    if (messages.length === 2) break;
  }
  assert.deepEqual(messages, ["started", "last words"]);
  const file = async () => (await Deno.readTextFile(`${folder}/a.log`)).trimEnd().split("\n").length;
  const recent = async () => (await readRecent(folder, { limit: 9, level: "warning" })).length;
  const limit = performance.now() + 5000;
  while (await file() < 2 || await recent() < 1) {
    assert.ok(
      performance.now() < limit,
      `${await file()} lines in the file, ${await recent()} recent warnings`,
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  clearTimeout(patience);
  child.kill("SIGKILL");
  await child.status;
  await Deno.remove(folder, { recursive: true });
});
