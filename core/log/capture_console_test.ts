import assert from "node:assert/strict";
import type { Log } from "../context.ts";
import { captureConsole } from "./capture_console.ts";

function record(): { lines: string[]; log: Log } {
  const lines: string[] = [];
  const to = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Log = {
    debug: to("debug"),
    info: to("info"),
    warn: to("warn"),
    error: to("error"),
    child: () => log,
  };
  return { lines, log };
}

Deno.test("captureConsole() turns console calls into lines of their level until it is undone", () => {
  const former = { ...console };
  const { lines, log } = record();
  const restore = captureConsole(log);
  console.log("%s is %d", "x", 5, { a: { b: [1] } });
  console.info("i");
  console.warn("w");
  console.error("e");
  console.debug("d");
  console.group("inside");
  console.count("n");
  console.groupEnd();
  console.dir({ a: 1 });
  console.assert(false, "wrong");
  console.table([{ a: 1 }]);
  restore();
  assert.deepEqual(lines.slice(0, 9), [
    "info x is 5 { a: { b: [ 1 ] } }",
    "info i",
    "warn w",
    "error e",
    "debug d",
    "info inside",
    "info   n: 1",
    "info { a: 1 }",
    "warn Assertion failed: wrong",
  ]);
  assert.match(lines[9]!, /\(index\)/);
  assert.equal(lines.length, 10);
  assert.equal(console.log, former.log);
  assert.equal(console.table, former.table);
});

Deno.test("captureConsole() bounds what is shown and survives what cannot be shown", () => {
  const { lines, log } = record();
  const restore = captureConsole(log);
  console.log("x".repeat(1_000_000));
  console.log(Array(100_000).fill("element"));
  console.log({
    [Symbol.for("nodejs.util.inspect.custom")]() {
      throw new RangeError("no");
    },
  });
  restore();
  assert.ok(lines.slice(0, 2).every((line) => line.length < 8300));
  assert.equal(lines[2], "info [cannot be shown: RangeError]");
});
