import assert from "node:assert/strict";
import fc from "fast-check";
import { readText, textBytes, writeText } from "./fixed_text.ts";

Deno.test("readText() returns what writeText() wrote, cut at a character", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.integer({ min: 0, max: 40 }),
      (text, max) => {
        const bytes = new Uint8Array(60).fill(0xee);
        const written = writeText(bytes, 10, max, text);
        const read = readText(bytes, 10, max, written);
        assert.ok(text.startsWith(read), `${read} of ${text}`);
        if (textBytes(text) <= max) assert.equal(read, text);
        assert.ok(
          bytes.subarray(0, 10).every((b) => b === 0xee) && bytes.subarray(10 + max).every((b) => b === 0xee),
        );
      },
    ),
  );
});

Deno.test("readText() clamps a length that makes no sense", () => {
  const bytes = new TextEncoder().encode("abcdef");
  assert.equal(readText(bytes, 0, 4, 1e9), "abcd");
  assert.equal(readText(bytes, 0, 4, -5), "");
});

Deno.test("textBytes() counts UTF-8", () => assert.equal(textBytes("é€"), 5));
