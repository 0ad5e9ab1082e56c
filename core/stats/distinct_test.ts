import assert from "node:assert/strict";
import { Distinct, distinctBytes, estimateDistinct, mergeRegisters } from "./distinct.ts";

function registersOf(texts: Iterable<string>): Uint8Array {
  const registers = new Uint8Array(distinctBytes);
  const distinct = new Distinct(registers, 0);
  for (const text of texts) distinct.add(text);
  return registers;
}

function* texts(count: number, make: (n: number) => string): Generator<string> {
  for (let n = 0; n < count; n++) yield make(n);
}

const shapes: Record<string, (n: number) => string> = {
  numbers: (n) => `${n}`,
  addresses: (n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
  users: (n) => `user-${n.toString(36).padStart(8, "0")}`,
  long: (n) => `https://example.org/${"x".repeat(40)}/${n}`,
};

for (const [name, make] of Object.entries(shapes)) {
  Deno.test(`Distinct errs by 10 % at most when it counts ${name}`, () => {
    for (const count of [1, 10, 100, 1000, 5000, 10_000, 100_000]) {
      const estimate = estimateDistinct(registersOf(texts(count, make)));
      assert.ok(Math.abs(estimate - count) <= Math.max(1, count * 0.1), `${estimate} for ${count}`);
    }
  });
}

Deno.test("Distinct counts a text once when it is added often", () => {
  assert.equal(estimateDistinct(registersOf(texts(10_000, (n) => `${n % 5}`))), 5);
});

Deno.test("mergeRegisters() of overlapping halves equals the registers of all", () => {
  const a = registersOf(texts(6000, (n) => `${n}`));
  const b = registersOf(texts(6000, (n) => `${n + 3000}`));
  mergeRegisters(a, 0, b, 0);
  assert.deepEqual(a, registersOf(texts(9000, (n) => `${n}`)));
});

Deno.test("estimateDistinct() is 0 when nothing was added", () => {
  assert.equal(estimateDistinct(new Uint8Array(distinctBytes)), 0);
});
