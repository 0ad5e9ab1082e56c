import assert from "node:assert/strict";
import fc from "fast-check";
import { fieldTexts } from "./field_text.ts";
import { Redaction } from "./redaction.ts";

const redaction = new Redaction(["authorization", "*.password"]);
// deno-lint-ignore no-explicit-any -- tests look into it freely
function parsed(fields: Record<string, unknown>, maxBytes = 15_000): any {
  const { entries } = fieldTexts(fields, redaction, maxBytes);
  return Object.fromEntries(entries.map(([name, json]) => [name, JSON.parse(json)]));
}

Deno.test("fieldTexts() writes plain values as JSON does", () => {
  const at = new Date(0);
  assert.deepEqual(
    parsed({
      a: 1,
      b: "x\ny",
      c: true,
      d: null,
      e: [1, { f: 2 }],
      g: at,
      h: new URL("http://a/"),
      i: undefined,
    }),
    { a: 1, b: "x\ny", c: true, d: null, e: [1, { f: 2 }], g: at.toISOString(), h: "http://a/" },
  );
});

Deno.test("fieldTexts() finds a form for what JSON refuses", () => {
  const circle: Record<string, unknown> = { name: "c" };
  circle.self = circle;
  const bad = {
    get boom(): never {
      throw new Error("no");
    },
  };
  const hostile = new Proxy({}, {
    ownKeys() {
      throw new TypeError("trap");
    },
  });
  assert.deepEqual(
    parsed({
      big: 10n,
      nan: NaN,
      fn: function f() {},
      symbol: Symbol("s"),
      circle,
      bad,
      hostile,
      map: new Map([["k", 1]]),
      set: new Set([1, 2]),
      bytes: new Uint8Array(5),
    }),
    {
      big: "10",
      nan: "NaN",
      fn: "[function f]",
      symbol: "Symbol(s)",
      circle: { name: "c", self: "[circular]" },
      bad: { boom: "[getter threw]" },
      hostile: "[unreadable: TypeError]",
      map: [["k", 1]],
      set: [1, 2],
      bytes: "[5 bytes]",
    },
  );
});

Deno.test("fieldTexts() writes errors with stack, own fields and a bounded chain of causes", () => {
  const root = Object.assign(new TypeError("root\nfake"), { code: "E1", password: "canary" });
  const { error } = parsed({ error: new Error("top", { cause: root }) });
  assert.equal(error.name, "Error");
  assert.match(error.stack, /field_text_test/);
  assert.deepEqual([error.cause.name, error.cause.message, error.cause.code, error.cause.password], [
    "TypeError",
    "root\nfake",
    "E1",
    "[redacted]",
  ]);
  const loop = new Error("loop");
  loop.cause = loop;
  assert.equal(parsed({ loop }).loop.cause, "[further causes]");
  let deep = new Error("0");
  for (let i = 1; i < 50; i++) deep = new Error(String(i), { cause: deep });
  assert.match(JSON.stringify(parsed({ deep })), /further causes/);
  assert.equal(parsed({ all: new AggregateError([new Error("a"), 5]) }).all.errors[1], 5);
});

Deno.test("fieldTexts() hides secrets in objects, headers, maps and lists of pairs", () => {
  const secret = "canary-7f3a";
  const text = JSON.stringify(parsed({
    authorization: secret,
    headers: new Headers({ authorization: secret, accept: "x" }),
    map: new Map([["Authorization", secret]]),
    pairs: [["authorization", secret]],
    deep: { users: [{ password: secret }] },
    params: new URLSearchParams({ password: secret }),
  }));
  assert.ok(!text.includes(secret), text);
  assert.ok(text.includes("accept"));
});

Deno.test("fieldTexts() keeps to its bound whatever it is given", () => {
  const big = "\u0001💧é".repeat(100_000);
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, big]));
  let deep: unknown = big;
  for (let i = 0; i < 1000; i++) deep = { deep, list: Array(1000).fill(deep) };
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, maxDepth: 4 }), (any) => {
      const { entries } = fieldTexts({ any, big, wide, deep }, redaction, 4000);
      for (const [, json] of entries) JSON.parse(json);
      const bytes = new TextEncoder().encode(JSON.stringify(entries)).length;
      assert.ok(bytes < 8000, `${bytes} bytes`);
    }),
    { numRuns: 50 },
  );
  assert.equal(fieldTexts({ big }, redaction, 4000).truncated, true);
  assert.equal(fieldTexts({ a: 1 }, redaction, 4000).truncated, false);
});
