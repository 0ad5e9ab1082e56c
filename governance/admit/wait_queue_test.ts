import assert from "node:assert/strict";
import fc from "fast-check";
import { StandStill } from "../../core/worker/testdata/stand_still.ts";
import { WaitQueue } from "./wait_queue.ts";

interface Told {
  id: number;
  turn: boolean;
  atMs: number;
}

function queueOf(capacity: number, waitMs: number) {
  const clock = new StandStill();
  const queue = new WaitQueue(capacity, waitMs, clock);
  const told: Told[] = [];
  const stale = new Set<number>();
  let ids = 0;
  const push = () => {
    const id = ids++;
    const wake = (turn: boolean) => void told.push({ id, turn, atMs: clock.now() });
    return queue.push({ since: clock.now(), wake, stale: () => stale.has(id) });
  };
  return { clock, queue, told, stale, push };
}

Deno.test("WaitQueue lets nobody wait longer than its limit, with one timer", () => {
  const { clock, queue, told, push } = queueOf(10, 100);
  push();
  clock.pass(40);
  push();
  assert.equal(clock.timers, 1);
  clock.pass(59);
  assert.deepEqual(told, []);
  clock.pass(1);
  assert.deepEqual(told.map(({ id, turn }) => [id, turn]), [[0, false]]);
  clock.pass(40);
  assert.deepEqual(told.map(({ id }) => id), [0, 1]);
  assert.deepEqual([queue.size, clock.timers], [0, 0]);
});

Deno.test("WaitQueue takes no more than its capacity, and none at capacity 0", () => {
  const { push } = queueOf(2, 100);
  assert.deepEqual([push(), push(), push()], [true, true, false]);
  assert.equal(queueOf(0, 0).push(), false);
});

Deno.test("WaitQueue.shift() passes over who needs no turn any more", () => {
  const { queue, told, stale, push } = queueOf(10, 100);
  for (let i = 0; i < 3; i++) push();
  stale.add(0).add(1);
  queue.shift()!.wake(true);
  assert.deepEqual(told.map(({ id, turn }) => [id, turn]), [[0, false], [1, false], [2, true]]);
  assert.equal(queue.shift(), undefined);
});

Deno.test("WaitQueue tells everybody exactly once, in order, in time, and keeps no timer", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ what: "push", n: 0 }) },
    { weight: 2, arbitrary: fc.constant({ what: "shift", n: 0 }) },
    { weight: 2, arbitrary: fc.nat(60).map((n) => ({ what: "pass", n })) },
    { weight: 1, arbitrary: fc.nat(40).map((n) => ({ what: "stale", n })) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 8 }), (steps, capacity) => {
      const { clock, queue, told, stale, push } = queueOf(capacity, 50);
      const began: number[] = [];
      for (const { what, n } of steps) {
        if (what === "push") {
          const room = queue.size < capacity;
          const at = clock.now();
          assert.equal(push(), room);
          began.push(room ? at : NaN);
        } else if (what === "shift") queue.shift()?.wake(true);
        else if (what === "stale") stale.add(n);
        else clock.pass(n);
        assert.ok(queue.size <= capacity);
        assert.equal(clock.timers, queue.size > 0 ? 1 : 0);
      }
      clock.pass(51);
      assert.deepEqual([queue.size, clock.timers], [0, 0]);
      const accepted = began.flatMap((at, id) => Number.isNaN(at) ? [] : [id]);
      assert.deepEqual(told.map(({ id }) => id), accepted);
      for (const { id, turn, atMs } of told) {
        assert.ok(atMs - began[id]! <= 51, "nobody waits longer");
        if (!turn && !stale.has(id)) assert.ok(atMs - began[id]! >= 50, "nobody is sent away early");
      }
    }),
  );
});

Deno.test("WaitQueue.clear() sends everybody away", () => {
  const { clock, queue, told, push } = queueOf(4, 100);
  push();
  push();
  queue.clear();
  assert.deepEqual([told.map(({ turn }) => turn), queue.size, clock.timers], [[false, false], 0, 0]);
});
