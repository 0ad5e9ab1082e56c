import assert from "node:assert/strict";
import fc from "fast-check";
import { Ring, ringMemory } from "./ring.ts";

function put(ring: Ring, body: Uint8Array): boolean {
  const at = ring.reserve(body.length + 4);
  if (at === -1) return false;
  ring.i32[at >> 2] = body.length;
  ring.bytes.set(body, at + 4);
  ring.commit();
  return true;
}

function take(ring: Ring): Uint8Array | undefined {
  const at = ring.peek();
  if (at === -1) return undefined;
  const length = ring.i32[at >> 2]!;
  const body = ring.bytes.slice(at + 4, at + 4 + length);
  ring.release();
  return body;
}

Deno.test("Ring gives back what was put, in order, around its end and at every size near its bounds", () => {
  fc.assert(fc.property(
    fc.integer({ min: 6, max: 9 }).map((bits) => 2 ** bits),
    fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), { maxLength: 200 }),
    fc.integer({ min: 0, max: 255 }),
    (capacity, steps, seed) => {
      const memory = ringMemory(capacity);
      const producer = new Ring(memory);
      const consumer = new Ring(memory);
      const expected: Uint8Array[] = [];
      let next = seed;
      for (const [share, takes] of steps) {
        const body = new Uint8Array(Math.floor(share * (producer.maxBody - 4 + 1))).map(() => next++);
        if (put(producer, body)) expected.push(body);
        else {assert.ok(
            expected.length > 0,
            `no room for ${body.length} bytes in an empty ring of ${capacity}`,
          );}
        if (takes) assert.deepEqual(take(consumer), expected.shift());
      }
      while (expected.length > 0) assert.deepEqual(take(consumer), expected.shift());
      assert.equal(take(consumer), undefined);
    },
  ));
});

Deno.test("Ring counters survive their wrap at 2^32", () => {
  const memory = ringMemory(64);
  const control = new Int32Array(memory, 0, 2);
  control.fill(-64);
  const producer = new Ring(memory);
  const consumer = new Ring(memory);
  for (let i = 0; i < 64; i++) {
    assert.ok(put(producer, Uint8Array.of(i)));
    assert.ok(put(producer, Uint8Array.of(i, i)));
    assert.deepEqual(take(consumer), Uint8Array.of(i));
    assert.deepEqual(take(consumer), Uint8Array.of(i, i));
  }
  assert.ok(control[0]! > 0);
});

Deno.test("Ring.reserve() refuses what does not fit and takes it when the consumer made room", () => {
  const memory = ringMemory(64);
  const producer = new Ring(memory);
  const consumer = new Ring(memory);
  const body = new Uint8Array(20);
  assert.ok(put(producer, body));
  assert.ok(put(producer, body));
  assert.equal(put(producer, body), false);
  take(consumer);
  assert.ok(put(producer, body));
});

Deno.test("Ring.taken() is false until the record was released", () => {
  const memory = ringMemory(64);
  const producer = new Ring(memory);
  const consumer = new Ring(memory);
  const at = producer.reserve(4);
  const mark = producer.reserved;
  producer.commit();
  assert.equal(consumer.peek(), at);
  assert.equal(producer.taken(mark), false);
  consumer.release();
  assert.equal(producer.taken(mark), true);
});

Deno.test("ringMemory() refuses sizes that are no power of two", () => {
  for (const size of [0, 63, 100, 2 ** 31, NaN]) assert.throws(() => ringMemory(size), RangeError);
});
