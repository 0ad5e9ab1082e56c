/** Outages, simulated: what callers see while endpoints fail, flap and come back. */
import assert from "node:assert/strict";
import { Scope } from "../../core/scope.ts";
import { makeSelector } from "../balance/mod.ts";
import { answers, type Behaviour, endpointOf, shareOf, testHost, World } from "../balance/testdata/world.ts";
import { Agenda } from "./agenda.ts";
import { makeHealth } from "./mod.ts";

function worldOf(count: number, options: Parameters<typeof testHost>[0] = {}): World {
  const host = testHost(options);
  const scope = new Scope("test");
  const selector = makeSelector(host, scope);
  const world = new World(host, selector, makeHealth(host, selector, scope));
  world.add(Array.from({ length: count }, () => endpointOf()), answers(5));
  return world;
}

const broken: Behaviour = () => ({ ms: 1, ok: false });

for (const balance of ["p2c", "leastRequests", "roundRobin", "random"]) {
  Deno.test(`1 of 5 that fails costs 5 calls with ${balance}, then none until its time aside is over, then one each time`, () => {
    const world = worldOf(5, { balance });
    const [bad] = [...world.behaviour.keys()];
    world.run(2000, 500);
    // What is under way must not succeed in between.
    world.run(50, 0.001);
    world.behaviour.set(bad!, broken);
    const first = world.run(8000, 500);
    // One more may be on its way when the fifth failure comes.
    assert.ok(first.errors >= 5 && first.errors <= 6, `${first.errors}`);
    const later = world.run(192_000, 500);
    // Back after 10, 20, 40, 80 and 160 s aside.
    assert.ok(later.errors >= 3 && later.errors <= 8, `${later.errors} later`);
    world.behaviour.set(bad!, answers(5));
    world.run(400_000, 100);
    assert.equal(bad!.healthy, true);
    const share = shareOf(world.run(60_000, 500), bad!);
    assert.ok(Math.abs(share - 0.2) <= 0.02, `${share}`);
  });
}

Deno.test("an endpoint is out after one failure upon its return, also where sessions to it are pooled (markdown is on by default)", () => {
  const world = worldOf(2);
  const [bad] = [...world.behaviour.keys()];
  world.behaviour.set(bad!, broken);
  world.run(10_000, 100);
  assert.equal(bad!.why, "ejected");
  const errors = world.run(100_000, 100).errors;
  assert.ok(errors <= 5, `${errors}: one for each return and not one every ten seconds`);
});

Deno.test("all failing: panic, traffic flows to all, and all is well when they work again", () => {
  const world = worldOf(5, { health: { eject: { consecutive: 5, base: 10_000, max: 300_000, share: 1 } } });
  const endpoints = [...world.behaviour.keys()];
  for (const endpoint of endpoints) world.behaviour.set(endpoint, broken);
  world.run(5000, 500);
  assert.equal(world.selector.panic, true);
  const during = world.run(5000, 500);
  assert.deepEqual([during.nobody, during.refused], [0, 0]);
  for (const endpoint of endpoints) assert.ok(shareOf(during, endpoint) > 0.1);
  for (const endpoint of endpoints) world.behaviour.set(endpoint, answers(5));
  world.run(200, 500);
  assert.equal(world.run(600_000, 50).errors, 0);
  assert.equal(world.selector.panic, false);
  assert.ok(endpoints.every(({ healthy, ejections }) => healthy && ejections === 0));
});

Deno.test("an endpoint that flaps is out for longer and longer and does not swing with every flap", () => {
  const world = worldOf(4);
  const [flapping] = [...world.behaviour.keys()];
  world.behaviour.set(
    flapping!,
    (now, random) => now % 10_000 < 5000 ? answers(5)(now, random) : broken(now, random),
  );
  const told = world.run(600_000, 200);
  const swings = world.host.lines.filter(({ fields }) => fields.endpoint === flapping!.key).length;
  // Sixty flaps.
  assert.ok(swings <= 24, `${swings} changes`);
  assert.ok(told.errors <= 60, `${told.errors} errors of ${told.calls}`);
});

Deno.test("a primary tier that dies hands over to the next, and gets its traffic back", () => {
  const probe = { path: "/", every: 1000, timeout: 500, rise: 2, fall: 3 };
  const host = testHost({ health: { probe } });
  const scope = new Scope("test");
  const selector = makeSelector(host, scope);
  const world = new World(host, selector, makeHealth(host, selector, scope));
  const [first, second] = [0, 1].map((priority) => [0, 1, 2].map(() => endpointOf({ priority })));
  world.add([...first!, ...second!], answers(5));
  world.run(2000, 200);
  for (const endpoint of first!) {
    world.behaviour.set(endpoint, broken);
    world.probe.set(endpoint, () => false);
  }
  world.run(5000, 200);
  const during = world.run(10_000, 200);
  assert.equal(during.errors, 0);
  assert.ok(first!.every((endpoint) => !during.picks.has(endpoint)));
  for (const endpoint of first!) {
    world.behaviour.set(endpoint, answers(5));
    world.probe.delete(endpoint);
  }
  world.run(5000, 200);
  const after = world.run(10_000, 200);
  assert.ok(second!.every((endpoint) => !after.picks.has(endpoint)));
});

Deno.test("Agenda gives back what was planned in the order of time", () => {
  const agenda = new Agenda<number>();
  const times = Array.from({ length: 500 }, (_, i) => (i * 7919) % 503);
  for (const at of times) agenda.add(at, at);
  assert.equal(agenda.nextAt, 0);
  const out = times.map(() => agenda.shift());
  assert.deepEqual(out, times.toSorted((a, b) => a - b));
  assert.deepEqual([agenda.size, agenda.nextAt, agenda.shift()], [0, Infinity, undefined]);
});
