import assert from "node:assert/strict";
import fc from "fast-check";
import { editDistance, suggest } from "./suggest.ts";

Deno.test("editDistance() counts a swap of neighbours as one", () => {
  assert.equal(editDistance("uptsreams", "upstreams"), 1);
  assert.equal(editDistance("upstrems", "upstreams"), 1);
  assert.equal(editDistance("", "abc"), 3);
});

Deno.test("editDistance() is a distance", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(fc.property(word, word, (a, b) => {
    assert.equal(editDistance(a, b), editDistance(b, a));
    assert.equal(editDistance(a, b) === 0, a === b);
    assert.ok(editDistance(a, b) <= Math.max(a.length, b.length));
  }));
});

Deno.test("suggest() finds the word that differs only in case and separators", () => {
  assert.equal(suggest("max_connections", ["connections", "maxConnections"]), "maxConnections");
  assert.equal(suggest("warn", ["trace", "warning"]), "warning");
});

Deno.test("suggest() says nothing when nothing is near", () => {
  assert.equal(suggest("banana", ["listeners", "pools"]), undefined);
  assert.equal(suggest("io", ["cpu"]), undefined);
  assert.equal(suggest("", ["a"]), undefined);
});
