/** The recovery throttle, alone and with everything around it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Scope } from "../../core/scope.ts";
import { makeSelector } from "../balance/mod.ts";
import { answers, endpointOf, SeededClock, shareOf, testHost, World } from "../balance/testdata/world.ts";
import { makeHealth } from "./mod.ts";
import { Recovery } from "./recovery.ts";

/** Share of 2000 calls that are let in. */
function admitted(recovery: Recovery, panic = false): number {
  let n = 0;
  for (let i = 0; i < 2000; i++) n += Number(recovery.admits(panic));
  return n / 2000;
}

Deno.test("Recovery lets in usable / wanted after an outage of all, until nothing changes for 3 s", () => {
  const recovery = new Recovery(new SeededClock());
  recovery.count(10, 10, 0);
  recovery.count(0, 10, 1000);
  assert.equal(admitted(recovery), 1);
  recovery.count(1, 10, 5000);
  assert.ok(Math.abs(admitted(recovery) - 0.1) < 0.03);
  assert.equal(admitted(recovery, true), 1, "never in panic");
  recovery.tick(7900);
  recovery.count(4, 10, 7900);
  assert.ok(Math.abs(admitted(recovery) - 0.4) < 0.04);
  recovery.tick(10_899);
  assert.equal(recovery.active, true);
  recovery.tick(10_900);
  assert.deepEqual([recovery.active, admitted(recovery)], [false, 1]);
});

Deno.test("Recovery is over when 80 % are back, and after a minute whatever happens", () => {
  const recovery = new Recovery(new SeededClock());
  recovery.count(0, 10, 0);
  recovery.count(7, 10, 2000);
  assert.equal(recovery.active, true);
  recovery.count(8, 10, 2100);
  assert.equal(recovery.active, false);
  recovery.count(0, 10, 10_000);
  for (let now = 20_000; now <= 80_000; now += 1000) recovery.count(1 + now / 1000 % 2, 10, now);
  assert.equal(recovery.active, false);
});

Deno.test("Recovery never starts after an outage of some, a short one, or of a single endpoint", () => {
  const recovery = new Recovery(new SeededClock());
  recovery.count(10, 10, 0);
  recovery.count(1, 10, 1000);
  recovery.count(2, 10, 9000);
  assert.equal(recovery.active, false);
  recovery.count(0, 10, 10_000);
  recovery.count(1, 10, 10_900);
  assert.equal(recovery.active, false);
  const single = new Recovery(new SeededClock());
  single.count(1, 1, 0);
  single.count(0, 1, 1000);
  single.count(1, 1, 90_000);
  assert.equal(single.active, false);
});

Deno.test("Recovery lets everything in while nobody is usable, and always ends", () => {
  const step = fc.record({ usable: fc.nat(6), wanted: fc.nat(6), ms: fc.nat(4000) });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const recovery = new Recovery(new SeededClock());
    let now = 0;
    for (const { usable, wanted, ms } of steps) {
      now += ms;
      recovery.count(Math.min(usable, wanted), wanted, now);
      if (Math.min(usable, wanted) === 0) assert.equal(admitted(recovery), 1);
    }
    recovery.tick(now + 3000);
    assert.equal(recovery.active, false);
  }));
});

Deno.test("Health.admits() gives the first of ten that is back its share and not the load of all", () => {
  const probe = { path: "/", every: 500, timeout: 100, rise: 2, fall: 2 };
  const host = testHost({ health: { probe, panic: 0, slowStart: 0 } });
  const scope = new Scope("test");
  const selector = makeSelector(host, scope);
  const world = new World(host, selector, makeHealth(host, selector, scope));
  const endpoints = Array.from({ length: 10 }, () => endpointOf());
  world.add(endpoints, answers(5));
  world.health!.update(endpoints, []);
  world.run(2000, 500);
  for (const endpoint of endpoints) world.probe.set(endpoint, () => false);
  assert.ok(world.run(5000, 500).nobody > 1500);
  world.probe.delete(endpoints[0]!);
  while (!endpoints[0]!.healthy) world.run(20, 500);
  const told = world.run(2500, 500);
  assert.equal(shareOf(told, endpoints[0]!), 1);
  const share = told.picks.get(endpoints[0]!)! / told.calls;
  assert.ok(share > 0.05 && share < 0.15, `${share}`);
  world.run(1000, 500);
  assert.equal(world.run(2000, 500).refused, 0);
  assert.deepEqual(host.lines.slice(-2).map(({ message }) => message), [
    "endpoints come back after all were out: calls are let in by degrees",
    "all calls are let in again",
  ]);
});
