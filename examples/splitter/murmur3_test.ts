import assert from "node:assert/strict";
import { KeyBytes, murmur3 } from "./murmur3.ts";

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));

Deno.test("murmur3() gives the published answers for bytes", () => {
  const vectors: Array<[string, number, number]> = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["ffffffff", 0, 0x76293b50],
    ["21436587", 0, 0xf55b516b],
    ["21436587", 0x5082edee, 0x2362f9de],
    ["214365", 0, 0x7e4a8634],
    ["2143", 0, 0xa0f7b07a],
    ["21", 0, 0x72661cf4],
    ["00000000", 0, 0x2362f9de],
    ["000000", 0, 0x85f0b427],
    ["0000", 0, 0x30f4c306],
    ["00", 0, 0x514e28b7],
  ];
  for (const [hex, seed, expected] of vectors) {
    const bytes = bytesOf(hex);
    assert.equal(murmur3(bytes, bytes.length, seed), expected, `${hex} under ${seed}`);
  }
});

Deno.test("KeyBytes.hash() gives the published answers for texts, ASCII or not", () => {
  const key = new KeyBytes(64);
  const vectors: Array<[string, number]> = [
    ["a", 0x7fa09ea6],
    ["ab", 0x74875592],
    ["abc", 0xc84a62dd],
    ["abcd", 0xf0478627],
    ["Hello, world!", 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0x2fa826cd],
    ["ππππππππ", 0xd58063c1],
  ];
  for (const [text, expected] of vectors) {
    key.set(text);
    assert.equal(key.hash(0x9747b28c), expected, text);
  }
});

Deno.test("KeyBytes.set() refuses a text that is too long for its room", () => {
  assert.throws(() => new KeyBytes(4).set("abcde"), RangeError);
});

Deno.test("murmur3() spreads sequential user ids evenly over 100 slots", () => {
  const users = 100_000;
  const counts = new Float64Array(100);
  const key = new KeyBytes(16);
  for (let i = 0; i < users; i++) {
    key.set(String(i));
    counts[Math.floor(key.hash(12345) / 2 ** 32 * 100)]++;
  }
  const expected = users / 100;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 99 degrees of freedom: a uniform hash exceeds 148.2 once in 1,000 seeds.
  assert.ok(chiSquare < 148.2, `chi-square ${chiSquare}`);
});

Deno.test("murmur3() under two seeds is independent", () => {
  const users = 100_000;
  const cells = new Float64Array(100);
  const key = new KeyBytes(16);
  for (let i = 0; i < users; i++) {
    key.set(`user-${i}`);
    const row = Math.floor(key.hash(1) / 2 ** 32 * 10);
    const column = Math.floor(key.hash(2) / 2 ** 32 * 10);
    cells[row * 10 + column]++;
  }
  const expected = users / 100;
  const chiSquare = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert.ok(chiSquare < 148.2, `chi-square ${chiSquare}`);
});
