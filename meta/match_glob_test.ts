import assert from "node:assert/strict";
import fc from "fast-check";
import { matchGlob } from "./match_glob.ts";

Deno.test("matchGlob() agrees with a regular expression made from the glob", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
  const names = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 });
  fc.assert(fc.property(letters, names, (glob, name) => {
    const source = glob.replaceAll("*", ".*").replaceAll("?", ".");
    const whole = /[*?]/.test(glob);
    assert.equal(matchGlob(glob, name), new RegExp(whole ? `^${source}$` : source).test(name));
  }));
});
