import assert from "node:assert/strict";
import { murmur2 } from "./murmur2.ts";

/** Keys and hashes of the tests of Kafka's Java client (UtilsTest.testMurmur2). */
const known: ReadonlyArray<[string, number]> = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

Deno.test("murmur2() is the hash of Kafka's own clients", () => {
  for (const [key, hash] of known) {
    assert.equal(murmur2(new TextEncoder().encode(key)), hash & 0x7fffffff, key);
  }
});
