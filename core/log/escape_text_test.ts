import assert from "node:assert/strict";
import fc from "fast-check";
import { byteBound, cutText, escapeForPeople, quoteText } from "./escape_text.ts";

// deno-lint-ignore no-control-regex -- what must never come out
const bad = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const anyText = fc.string({ unit: "binary", maxLength: 60 });

Deno.test("quoteText() gives JSON that reads back the same and holds no control character", () => {
  fc.assert(fc.property(anyText, (text) => {
    const quoted = quoteText(text);
    assert.equal(JSON.parse(quoted), text);
    assert.ok(!bad.test(quoted));
  }));
});

Deno.test("escapeForPeople() never lets a control character through", () => {
  fc.assert(fc.property(anyText, (text) => assert.ok(!bad.test(escapeForPeople(text)))));
  assert.equal(escapeForPeople('C:\\x "y"\n'), 'C:\\x "y"\\n');
  assert.equal(escapeForPeople("\x1b[31m\u202egnp"), "\\u001b[31m\\u202egnp");
});

Deno.test("byteBound() is never less than the bytes of the text", () => {
  fc.assert(fc.property(anyText, (text) => byteBound(text) >= new TextEncoder().encode(text).length));
});

Deno.test("cutText() leaves no half character when it cuts", () => {
  assert.equal(cutText("abcdef", 6), "abcdef");
  assert.equal(cutText("abcdef", 3), "abc…[3 more]");
  assert.equal(cutText("a💧b", 2), "a…[3 more]");
  assert.ok(cutText("💧".repeat(50), 33).isWellFormed());
});
