import assert from "node:assert/strict";
import fc from "fast-check";
import { localStatsMemory, SharedInt32 } from "../../core/stats/mod.ts";
import { SharedWindow, WindowCursor } from "./shared_window.ts";
import { HandClock } from "./testdata/policy_host.ts";

const buckets = 5;
const slotMs = 200;

function windowOf(ints = localStatsMemory(1).shared.block("window")) {
  const clock = new HandClock();
  const window = new SharedWindow(ints.slice(0, buckets));
  return { clock, window, cursor: new WindowCursor(clock, slotMs, buckets), ints };
}

Deno.test("SharedWindow.sum() is what was added in the last buckets, by whomever", () => {
  const step = fc.record({ worker: fc.nat(1), add: fc.nat(5), ms: fc.oneof(fc.nat(150), fc.nat(3000)) });
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), fc.nat(1e6), (steps, startMs) => {
    const { clock, ints } = windowOf();
    clock.ms += startMs;
    const workers = [0, 1].map(() => ({
      window: new SharedWindow(ints.slice(0, buckets)),
      cursor: new WindowCursor(clock, slotMs, buckets),
    }));
    const added: { slot: number; n: number }[] = [];
    for (const { worker, add, ms } of steps) {
      clock.ms += ms;
      const slot = Math.floor(clock.epoch() / slotMs);
      const { window, cursor } = workers[worker]!;
      cursor.move(clock.ms);
      if (add > 0) {
        assert.equal(window.add(cursor, add), true);
        added.push({ slot, n: add });
      }
      const expected = added.filter((one) => one.slot > slot - buckets).reduce((sum, { n }) => sum + n, 0);
      for (const { window, cursor } of workers) {
        cursor.move(clock.ms);
        assert.equal(window.sum(cursor), expected);
      }
    }
  }));
});

Deno.test("SharedWindow.undo() takes back what was added, and nothing of a later round", () => {
  const { clock, window, cursor } = windowOf();
  cursor.move(clock.ms);
  window.add(cursor, 3);
  window.undo(cursor);
  assert.equal(window.sum(cursor), 2);
  const late = windowOf(localStatsMemory(1).shared.block("window"));
  late.cursor.move(late.clock.ms);
  late.window.add(late.cursor, 1);
  const others = new WindowCursor(late.clock, slotMs, buckets);
  late.clock.ms += slotMs * buckets;
  others.move(late.clock.ms);
  late.window.add(others, 1);
  late.window.undo(late.cursor);
  assert.equal(late.window.sum(others), 1);
});

Deno.test("SharedWindow.add() of one who fell behind does not begin an old round again", () => {
  const { clock, window, cursor, ints } = windowOf();
  cursor.move(clock.ms);
  const ahead = new WindowCursor(clock, slotMs, buckets);
  clock.ms += slotMs * buckets;
  ahead.move(clock.ms);
  new SharedWindow(ints.slice(0, buckets)).add(ahead, 4);
  assert.equal(window.add(cursor, 1), false);
  assert.equal(window.sum(ahead), 4);
});

Deno.test("SharedWindow counts on when the clock was set back by an hour", () => {
  const { clock, window, cursor } = windowOf();
  for (let n = 0; n < buckets; n++) {
    cursor.move(clock.ms);
    window.add(cursor, 1);
    clock.ms += slotMs;
  }
  clock.base -= 3_600_000;
  cursor.move(clock.ms += 100);
  assert.equal(window.add(cursor, 2), true);
  assert.equal(window.sum(cursor), 2);
});

Deno.test("SharedWindow.add() stops at the end of its bits instead of running into the round", () => {
  const ints = Array.from({ length: buckets }, () => new SharedInt32(new Int32Array(1), 0));
  const { clock, window, cursor } = windowOf(ints);
  cursor.move(clock.ms);
  let added = 0;
  while (window.add(cursor, 2 ** 15)) added += 2 ** 15;
  assert.ok(added >= 980_000 && added < 2 ** 20, `${added}`);
  assert.equal(window.sum(cursor), added);
});
