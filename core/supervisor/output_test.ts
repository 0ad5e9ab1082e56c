import assert from "node:assert/strict";
import { ChildOutput } from "./child_output.ts";
import { Output } from "./output.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A target that takes nothing until it is told to. */
class Stuck {
  text = "";
  #waiting: Array<() => void> = [];
  #open = false;

  async write(part: Uint8Array): Promise<number> {
    if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.text += new TextDecoder().decode(part);
    return part.length;
  }

  open(): void {
    this.#open = true;
    for (const resolve of this.#waiting) resolve();
  }
}

Deno.test("Output drops what nobody reads, counts it, and says so when somebody does", async () => {
  const target = new Stuck();
  const output = new Output(target, 10);
  output.write(bytes("first\n"));
  output.write(bytes("too long\n"));
  output.write(bytes("abc\n"));
  output.write(bytes("x\n"));
  assert.equal(output.dropped, 2);
  await output.flush(1);
  assert.equal(String(target.text), "", "flush() does not wait for ever");
  target.open();
  await output.flush(5000);
  assert.equal(String(target.text), "first\nabc\n2 writes of output dropped: nobody read them\n");
  output.write(bytes("again\n"));
  await output.flush(5000);
  assert.match(String(target.text), /again\n$/);
});

Deno.test("Output survives a reader that is gone for good", async () => {
  const output = new Output({ write: () => Promise.reject(new Deno.errors.BrokenPipe()) }, 10);
  for (let n = 0; n < 5; n++) {
    output.write(bytes("12345\n"));
    await output.flush(5000);
  }
  assert.equal(output.dropped, 0, "what was queued is let go, so there is room again");
});

Deno.test("ChildOutput passes on whole lines, keeps the tail, and takes the inspector's address out", async () => {
  const output = new ChildOutput();
  const lines: string[] = [];
  const parts = [
    "Debugger listening on ws://127.0.0.1:1/uuid\nVisit chrome://inspect to connect to the debugger.\none\ntw",
    "o\nDebugger session started.\nthe Debugger is mine to name\nx",
    "y".repeat(70_000),
    "\nlast without end",
  ];
  await output.read(ReadableStream.from(parts.map(bytes)), "stderr", (part) => {
    lines.push(new TextDecoder().decode(part));
  });
  assert.equal(output.inspector, "ws://127.0.0.1:1/uuid");
  const text = lines.join("");
  assert.ok(text.startsWith("one\ntwo\nthe Debugger is mine to name\nxyyy"));
  assert.ok(text.endsWith("y\nlast without end\n"));
  assert.ok(
    lines.every((line) => line.endsWith("\n") || line.length >= 64 * 1024),
    "only overlong lines are cut",
  );
  assert.equal(output.tail.length, 4096);
  assert.doesNotMatch(text, /ws:|chrome:|session started/);
});

Deno.test("ChildOutput keeps no tail of stdout", async () => {
  const output = new ChildOutput();
  await output.read(ReadableStream.from([bytes("a\n")]), "stdout", () => {});
  assert.equal(output.tail, "");
});
