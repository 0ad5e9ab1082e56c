import assert from "node:assert/strict";
import fc from "fast-check";
import { LoopSchedule } from "./loop_schedule.ts";

const second = { everyMs: 1000, timeoutMs: 0 };

Deno.test("begin() keeps to the grid when a timer comes a little late", () => {
  const schedule = new LoopSchedule(second, 500);
  const starts: number[] = [];
  for (let n = 0; n < 5; n++) {
    const now = schedule.dueAt + 20;
    assert.ok(schedule.isDue(now));
    starts.push(now);
    assert.equal(schedule.begin(now), 0);
    assert.equal(schedule.end(now + 300, true), 0);
  }
  assert.deepEqual(starts, [520, 1520, 2520, 3520, 4520]);
});

Deno.test("begin() begins a new grid when it comes very late, and counts the beats that passed", () => {
  const schedule = new LoopSchedule(second, 0);
  assert.equal(schedule.begin(3700), 3);
  schedule.end(3710, true);
  assert.equal(schedule.dueAt, 4700);
});

Deno.test("end() skips the beats that came while a run took longer than every", () => {
  const schedule = new LoopSchedule(second, 0);
  schedule.begin(0);
  assert.ok(!schedule.isDue(1500), "no second run beside the first");
  assert.equal(schedule.end(2400, true), 2);
  assert.equal(schedule.dueAt, 3000);
  schedule.begin(3000);
  assert.equal(schedule.end(4000, true), 0, "the beat that comes as it ends is taken");
  assert.equal(schedule.dueAt, 4000);
});

Deno.test("end() makes the next run wait twice as long after each failure, a minute at most, and not after success", () => {
  const schedule = new LoopSchedule(second, 0);
  const waits: number[] = [];
  let now = 0;
  for (let n = 0; n < 8; n++) {
    schedule.begin(now);
    schedule.end(now + 10, false);
    waits.push((schedule.dueAt - now) / 1000);
    now = schedule.dueAt;
  }
  assert.deepEqual(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
  assert.equal(schedule.failures, 8);
  schedule.begin(now);
  schedule.end(now + 10, true);
  assert.deepEqual([schedule.failures, schedule.dueAt - now], [0, 1000]);
  const slow = new LoopSchedule({ everyMs: 3_600_000, timeoutMs: 0 }, 0);
  slow.begin(0);
  slow.end(5, false);
  assert.equal(slow.dueAt, 3_600_000, "back-off is never shorter than every");
});

Deno.test("expire() says once that a run is past its timeout, and the next waits for its end", () => {
  const schedule = new LoopSchedule({ everyMs: 1000, timeoutMs: 400 }, 0);
  schedule.begin(0);
  assert.equal(schedule.wakeAt, 400);
  assert.ok(!schedule.expire(399));
  assert.ok(schedule.expire(400));
  assert.ok(!schedule.expire(500));
  assert.deepEqual([schedule.late, schedule.failures, schedule.wakeAt], [true, 1, Infinity]);
  assert.ok(!schedule.isDue(1e9), "it has not ended");
  schedule.end(5500, true);
  assert.deepEqual([schedule.late, schedule.failures, schedule.dueAt], [false, 1, 6000]);
});

Deno.test("LoopSchedule never starts two runs closer than every but for the lateness of timers, and loses no beat", () => {
  const run = fc.record({ lateMs: fc.nat(3000), tookMs: fc.nat(5000), ok: fc.boolean() });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.array(run, { maxLength: 40 }), (everyMs, runs) => {
      const schedule = new LoopSchedule({ everyMs, timeoutMs: 0 }, 0);
      let last = -Infinity;
      let endedAt = 0;
      for (const { lateMs, tookMs, ok } of runs) {
        const now = Math.max(endedAt, schedule.dueAt + lateMs);
        assert.ok(now - last >= everyMs * 0.9 - 1e-6, `${now - last} ms after a start, every ${everyMs}`);
        schedule.begin(now);
        endedAt = now + tookMs;
        const skipped = schedule.end(endedAt, ok);
        assert.ok(skipped <= tookMs / everyMs + 0.1 && schedule.dueAt >= endedAt);
        if (ok) assert.ok(schedule.dueAt - endedAt <= everyMs);
        last = now;
      }
    }),
  );
});
