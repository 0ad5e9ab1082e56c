import assert from "node:assert/strict";
import { decode, encode, ExtData } from "@msgpack/msgpack";
import fc from "fast-check";
import { msgpack } from "./msgpack_codec.ts";

const bytesOf = (value: unknown) => new Uint8Array(encode(value));

Deno.test("msgpack.decode() reads what the library writes, in every form", () => {
  const sizes = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536];
  const lengths = sizes.flatMap((size): unknown[] => [
    "x".repeat(size),
    new Uint8Array(size),
    Array.from({ length: size }, (_, index) => index),
    Object.fromEntries(Array.from({ length: size }, (_, index) => [`k${index}`, null])),
    new ExtData(7, new Uint8Array(size)),
  ]);
  const extensions = [1, 2, 4, 8, 16].map((size) => new ExtData(7, new Uint8Array(size)));
  const numbers = [0, -1, -32, -33, -129, -40_000, -(2 ** 40), 127, 128, 300, 70_000, 2 ** 40, 1.5, NaN];
  for (const value of [...lengths, ...extensions, ...numbers, null, true, false, new Date(1e12)]) {
    for (const nested of [value, [value, 1], { a: value, b: 2 }]) {
      const bytes = bytesOf(nested);
      assert.deepEqual(msgpack.decode(bytes), decode(bytes));
    }
  }
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const bytes = bytesOf(value);
    assert.deepEqual(msgpack.decode(bytes), decode(bytes));
  }));
});

Deno.test("msgpack.decode() makes no room for what a message announces and does not hold", () => {
  const wrong = [
    "dd00ffffff".repeat(30),
    "dd01f00000c0",
    "ddffffffff",
    "dc0003c0c0",
    "dfffffffff",
    "de0001c0",
    "93c0c0",
    "82c0c0c0",
    "dcffff".repeat(2000),
    "92c67fffffff00c0",
    "92d900",
    "",
  ];
  for (const digits of wrong) {
    assert.throws(() => msgpack.decode(Uint8Array.fromHex(digits)), {
      name: "RangeError",
      message: "Cannot decode: the message announces more than it holds",
    }, digits.slice(0, 40));
  }
});
