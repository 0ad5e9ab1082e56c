import assert from "node:assert/strict";
import fc from "fast-check";
import { compareVersions } from "./version.ts";

Deno.test("compareVersions() orders as semver does", () => {
  // The order of semver.org §11, with the shortened spellings that applications send.
  const ascending = [
    "0.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "v1.0.1",
    "1.9",
    "1.10",
    "2",
    "2.0.0.1",
    "20260131",
  ];
  for (let i = 0; i < ascending.length; i++) {
    for (let j = 0; j < ascending.length; j++) {
      assert.equal(
        compareVersions(ascending[i], ascending[j]),
        Math.sign(i - j),
        `${ascending[i]} ${ascending[j]}`,
      );
    }
  }
});

Deno.test("compareVersions() treats missing parts as 0 and ignores build data", () => {
  assert.equal(compareVersions("2", "2.0.0"), 0);
  assert.equal(compareVersions("2.1+a", "v2.1.0+b"), 0);
});

Deno.test("compareVersions() answers NaN when either text is no version", () => {
  for (const text of ["", "latest", "1..2", "1.", "-1", "1.2.x", "1".repeat(65)]) {
    assert.ok(Number.isNaN(compareVersions(text, "1.0")), text);
    assert.ok(Number.isNaN(compareVersions("1.0", text)), text);
  }
});

Deno.test("compareVersions() is antisymmetric and agrees with the order of number triples", () => {
  const triple = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30));
  fc.assert(fc.property(triple, triple, (a, b) => {
    const expected = Math.sign(a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    assert.equal(compareVersions(a.join("."), b.join(".")), expected);
    assert.equal(compareVersions(b.join("."), a.join(".")) + expected, 0);
  }));
});
