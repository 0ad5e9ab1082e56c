import assert from "node:assert/strict";
import fc from "fast-check";
import {
  childTraceparent,
  formatBaggage,
  parseBaggage,
  traceIdOf,
  validTraceparent,
} from "./trace_context.ts";

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("validTraceparent() takes what the recommendation allows, and nothing else", () => {
  assert.equal(validTraceparent(trace), trace);
  // A later version may say more behind what is known.
  assert.equal(validTraceparent(`cc${trace.slice(2)}-what-the-future-will-be`), trace);
  assert.equal(validTraceparent(`cc${trace.slice(2, -2)}ff`), trace);
  for (
    const wrong of [
      "",
      `${trace}-`,
      `${trace}-00`,
      trace.toUpperCase(),
      ` ${trace}`,
      `ff${trace.slice(2)}`,
      trace.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32)),
      trace.replace("b7ad6b7169203331", "0".repeat(16)),
      trace.slice(0, -1),
      `cc${trace.slice(2)}.future`,
      "x".repeat(10_000),
    ]
  ) assert.equal(validTraceparent(wrong), undefined, wrong);
});

Deno.test("childTraceparent() stays in the trace, or makes one of the id", () => {
  const child = childTraceparent("id", trace, () => 0.5);
  assert.equal(child, "00-0af7651916cd43dd8448eb211c80319c-8000000080000000-01");
  assert.equal(childTraceparent("id", trace, () => 0).slice(36, 52), "0000000000000001");
  fc.assert(fc.property(fc.string(), (id) => {
    const made = childTraceparent(id, undefined);
    assert.equal(validTraceparent(made), made);
    assert.equal(traceIdOf(made), traceIdOf(childTraceparent(id, undefined)));
  }));
  assert.notEqual(traceIdOf(childTraceparent("a", undefined)), traceIdOf(childTraceparent("b", undefined)));
  const uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
  assert.equal(traceIdOf(childTraceparent(uuid, undefined)), "7c9e6679742540de944be07fc1f90ae7");
});

Deno.test("formatBaggage() writes what parseBaggage() reads", () => {
  const key = fc.stringMatching(/^[a-z][a-zA-Z0-9._-]{0,20}$/);
  fc.assert(fc.property(fc.dictionary(key, fc.string({ unit: "grapheme" }), { maxKeys: 20 }), (meta) => {
    const text = formatBaggage(meta);
    assert.match(text, /^[\x21-\x7e]*$/);
    assert.deepEqual(parseBaggage(text) ?? {}, { ...meta });
  }));
});

Deno.test("parseBaggage() passes over what makes no sense", () => {
  assert.deepEqual(parseBaggage("a=1 ; secret;b=2 , c = x%20y,=,novalue,d=%zz,bad key=1,__proto__=1"), {
    a: "1",
    c: "x y",
  });
  assert.equal(parseBaggage(""), undefined);
  assert.equal(parseBaggage(`a=${"x".repeat(9000)}`), undefined);
  assert.equal(
    Object.keys(parseBaggage(Array.from({ length: 100 }, (_, n) => `k${n}=1`).join())!).length,
    64,
  );
  assert.equal(formatBaggage({ "not a token": "1", "ключ": "2" }), "");
  assert.ok(
    formatBaggage(Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`k${n}`, "x".repeat(500)])))
      .length < 8192,
  );
});
