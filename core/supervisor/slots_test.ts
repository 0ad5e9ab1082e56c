import assert from "node:assert/strict";
import fc from "fast-check";
import { Slots } from "./slots.ts";

Deno.test("Slots gives a stable id its old slot back when it is free", () => {
  const slots = new Slots(4);
  const first = slots.take("worker 1");
  slots.take("worker 2");
  const second = slots.take("worker 1");
  assert.notEqual(first, second, "two living processes never share a slot");
  slots.release(first);
  slots.take("worker 3");
  assert.equal(slots.take("worker 1"), first);
});

Deno.test("Slots says -1 when all are taken", () => {
  const slots = new Slots(1);
  assert.equal(slots.take("worker 1"), 0);
  assert.equal(slots.take("worker 2"), -1);
});

Deno.test("Slots never gives one slot to two living processes", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(5)), { maxLength: 80 }), (steps) => {
    const slots = new Slots(6);
    const living: number[] = [];
    for (const [starts, n] of steps) {
      if (starts) {
        const slot = slots.take(`worker ${n}`);
        if (slot < 0) assert.equal(living.length, 6);
        else {
          assert.ok(!living.includes(slot));
          living.push(slot);
        }
      } else if (living.length > 0) slots.release(living.splice(n % living.length, 1)[0]!);
    }
  }));
});
