import assert from "node:assert/strict";
import fc from "fast-check";
import { testHost } from "../retry/testdata/policy_host.ts";
import { makeThrottle } from "./mod.ts";

function throttleOf(throttle: { concurrency: number; queue: number; wait: number }) {
  const host = testHost({ throttle });
  return { host, clock: host.clock, throttle: makeThrottle(host)! };
}

Deno.test("makeThrottle() makes none where the plan has none", () => {
  assert.equal(makeThrottle(testHost({})), undefined);
});

Deno.test("enter() lets in as many as may run, makes as many wait as may, and refuses the rest", async () => {
  const { throttle, clock, host } = throttleOf({ concurrency: 2, queue: 1, wait: 100 });
  assert.deepEqual([throttle.enter(clock.ms), throttle.enter(clock.ms)], [true, true]);
  const turn = throttle.enter(clock.ms);
  assert.ok(turn instanceof Promise);
  assert.equal(throttle.enter(clock.ms), false);
  assert.deepEqual([throttle.inflight, throttle.waiting], [2, 1]);
  assert.equal(host.value("weir_upstream_throttled_total", { cause: "full" }), 1);
  throttle.tick(clock.ms);
  assert.equal(host.value("weir_upstream_throttle_waiting"), 1);
  throttle.leave();
  assert.equal(await turn, true);
  assert.deepEqual([throttle.inflight, throttle.waiting], [2, 0]);
  throttle.tick(clock.ms);
  assert.equal(host.value("weir_upstream_throttle_waiting"), 0);
});

Deno.test("enter() refuses at once where nobody may wait", () => {
  for (const given of [{ queue: 0, wait: 100 }, { queue: 10, wait: 0 }]) {
    const { throttle, clock } = throttleOf({ concurrency: 1, ...given });
    throttle.enter(clock.ms);
    assert.equal(throttle.enter(clock.ms), false);
  }
});

Deno.test("leave() gives no place to who has waited too long, also before the next tick", async () => {
  const { throttle, clock, host } = throttleOf({ concurrency: 1, queue: 5, wait: 100 });
  throttle.enter(clock.ms);
  const late = throttle.enter(clock.ms);
  clock.ms += 60;
  const next = throttle.enter(clock.ms);
  clock.ms += 40;
  throttle.leave();
  assert.deepEqual([await late, await next], [false, true]);
  assert.equal(host.value("weir_upstream_throttled_total", { cause: "late" }), 1);
});

Deno.test("enter() finds the place of who has waited too long in a full queue", async () => {
  const { throttle, clock } = throttleOf({ concurrency: 1, queue: 1, wait: 100 });
  throttle.enter(clock.ms);
  const late = throttle.enter(clock.ms);
  clock.ms += 100;
  const next = throttle.enter(clock.ms);
  assert.ok(next instanceof Promise);
  assert.equal(await late, false);
});

Deno.test("a throttle keeps its bounds, serves in order and settles everybody exactly once and in time", async () => {
  const step = fc.record({
    what: fc.constantFrom("enter", "enter", "enter", "leave", "leave", "tick"),
    ms: fc.nat(40),
  });
  const plan = fc.record({
    concurrency: fc.integer({ min: 1, max: 4 }),
    queue: fc.nat(5),
    wait: fc.nat(100),
  });
  await fc.assert(fc.asyncProperty(plan, fc.array(step, { maxLength: 120 }), async (given, steps) => {
    const { throttle, clock } = throttleOf(given);
    const told: { id: number; turn: boolean }[] = [];
    const since: number[] = [];
    let running = 0;
    for (const { what, ms } of steps) {
      clock.ms += ms;
      if (what === "tick") throttle.tick(clock.ms);
      else if (what === "leave" && running > 0) {
        running--;
        throttle.leave();
      } else if (what === "enter") {
        const room = throttle.inflight < given.concurrency;
        const turn = throttle.enter(clock.ms);
        if (room) assert.equal(turn, true);
        if (turn === true) running++;
        else if (turn !== false) {
          const id = since.push(clock.ms) - 1;
          turn.then((mine) => {
            if (mine) running++;
            told.push({ id, turn: mine });
            assert.ok(!mine || clock.ms - since[id]! < given.wait, "nobody is served too late");
            assert.ok(mine || clock.ms - since[id]! >= given.wait, "nobody is sent away early");
          });
        }
      }
      for (let i = 0; i < 3; i++) await Promise.resolve();
      assert.equal(throttle.inflight, running);
      assert.ok(running <= given.concurrency && throttle.waiting <= (given.wait > 0 ? given.queue : 0));
      assert.ok(throttle.waiting === 0 || running === given.concurrency, "nobody waits beside a free place");
    }
    clock.ms += 101;
    throttle.tick(clock.ms);
    for (let i = 0; i < 3; i++) await Promise.resolve();
    assert.equal(throttle.waiting, 0);
    assert.deepEqual(told.map(({ id }) => id), since.map((_, id) => id));
  }));
});
