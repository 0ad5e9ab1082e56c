import assert from "node:assert/strict";
import fc from "fast-check";
import { matchesGlob } from "./glob.ts";

Deno.test("matchesGlob() matches whole texts", () => {
  const cases: Array<[string, string, boolean]> = [
    ["tv-*", "tv-lg", true],
    ["tv-*", "tv-", true],
    ["tv-*", "atv-lg", false],
    ["*@example.com", "anna@example.com", true],
    ["*@example.com", "anna@example.com.evil", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["*a*b*", "xxaxxbxx", true],
    ["*a*b*", "xxbxxaxx", false],
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*1", "*1", true],
    ["a.c", "abc", false],
  ];
  for (const [pattern, text, expected] of cases) {
    assert.equal(matchesGlob(pattern, text), expected, `${pattern} ${text}`);
  }
});

Deno.test("matchesGlob() agrees with a regular expression on random patterns", () => {
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 10 });
  fc.assert(
    fc.property(pattern, text, (pattern, text) => {
      const expression = new RegExp("^" + pattern.replaceAll("*", ".*").replaceAll("?", ".") + "$");
      assert.equal(matchesGlob(pattern, text), expression.test(text));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("matchesGlob() needs no more than pattern × text steps", () => {
  const started = performance.now();
  assert.equal(matchesGlob("*a".repeat(60) + "b", "a".repeat(1000)), false);
  // A backtracking matcher would not end within the life of this machine.
  assert.ok(performance.now() - started < 1000);
});
