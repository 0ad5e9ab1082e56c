/** What every balancer keeps to, through the selector as callers use it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint } from "../../core/endpoint.ts";
import { Scope } from "../../core/scope.ts";
import { makeSelector } from "./mod.ts";
import { answers, endpointOf, endpointsOf, shareOf, testHost, World } from "./testdata/world.ts";

const balancers: Record<string, unknown> = {
  p2c: "p2c",
  leastRequests: "leastRequests",
  roundRobin: "roundRobin",
  random: "random",
  ringHash: { ringHash: { key: "client" } },
};

function worldOf(balance: unknown, seed = 1, health: Record<string, unknown> = {}): World {
  const host = testHost({ balance, seed, health });
  const world = new World(host, makeSelector(host, new Scope("test")));
  let keys = 0;
  world.key = () => `key ${keys++}`;
  return world;
}

function outOfUse(world: World, endpoint: Endpoint, why: "ejected" | "operator" = "ejected"): void {
  endpoint.healthy = false;
  endpoint.why = why;
  world.selector.healthChanged(endpoint);
}

for (const [name, balance] of Object.entries(balancers)) {
  Deno.test(`${name} gives weights 3:1 shares of 75 and 25 %, idle and busy`, () => {
    for (const [rate, ms] of [[200, 1], [400, 20], [1000, 40]] as const) {
      const world = worldOf(balance);
      const [heavy, light] = endpointsOf({ weight: 3 }, { weight: 1 });
      world.add([light!, heavy!], answers(ms));
      const share = shareOf(world.run(10_000 / rate * 1000, rate), heavy!);
      // A ring has so many points, and the bound on loads hands over more of the light one's keys than of the heavy one's.
      const tolerance = name === "ringHash" ? 0.05 : 0.02;
      assert.ok(Math.abs(share - 0.75) <= tolerance, `${share} at ${rate} calls/s of ${ms} ms`);
    }
  });

  Deno.test(`${name} gives equal endpoints shares within ± 10 % of each other`, () => {
    const world = worldOf(balance);
    const endpoints = endpointsOf({}, {}, {}, {});
    world.add(endpoints, answers(10));
    const told = world.run(60_000, 500);
    for (const endpoint of endpoints) {
      const share = shareOf(told, endpoint);
      assert.ok(Math.abs(share - 0.25) <= 0.025, `${share}`);
    }
  });

  Deno.test(`${name} keeps to uneven weights of many endpoints`, () => {
    const world = worldOf(balance);
    const weights = [5, 1.5, 1, 1, 0.25, 0.25, 8, 3];
    const endpoints = weights.map((weight) => endpointOf({ weight }));
    const sum = weights.reduce((a, b) => a + b);
    world.add(endpoints, answers(5));
    const told = world.run(60_000, 1000);
    endpoints.forEach((endpoint, i) => {
      const share = shareOf(told, endpoint);
      const due = weights[i]! / sum;
      assert.ok(Math.abs(share - due) <= 0.02 + 0.05 * due, `${share}, due ${due}`);
    });
  });

  Deno.test(`${name} picks none of the tried while there is another, and one of them where there is none`, () => {
    const world = worldOf(balance);
    // Weights under which a draw by chance does not find the other.
    const endpoints = endpointsOf({ weight: 1000 }, { weight: 1000 }, { weight: 0.01 });
    world.add(endpoints);
    const tried = endpoints.slice(0, 2);
    for (let i = 0; i < 300; i++) {
      assert.equal(world.selector.pick({ role: null, key: `${i}`, tried }, 1_000_000), endpoints[2]);
      assert.ok(world.selector.pick({ role: null, key: `${i}`, tried: endpoints }, 1_000_000));
    }
  });

  Deno.test(`${name} picks who is usable, and only those, through all changes`, () => {
    const step = fc.record({
      what: fc.constantFrom("add", "add", "remove", "out", "back", "weigh", "pick", "pick", "pick"),
      n: fc.nat(50),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), fc.integer(), (steps, seed) => {
      const world = worldOf(balance, seed, { panic: 0 });
      const { selector, host } = world;
      const set: Endpoint[] = [];
      for (const { what, n } of steps) {
        const one = set[n % Math.max(1, set.length)];
        host.clock.time += n;
        if (what === "add") {
          const fresh = endpointOf({ weight: 1 + n / 10 });
          if (n % 2) fresh.since = host.clock.time;
          set.push(fresh);
          selector.update([fresh], [], []);
        } else if (what === "pick") {
          const usable = set.filter(({ healthy }) => healthy);
          const key = n % 5 === 0 ? undefined : `${n}`;
          const tried = usable.filter((_, i) => n >> i & 1);
          const picked = selector.pick({ role: null, key, tried }, host.clock.time);
          if (usable.length === 0) assert.equal(picked, undefined);
          else assert.ok(usable.includes(picked!));
          if (usable.length > tried.length) assert.ok(!tried.includes(picked!));
        } else if (!one) continue;
        else if (what === "remove") {
          set.splice(set.indexOf(one), 1);
          selector.update([], [one], []);
        } else if (what === "weigh") {
          one.spec = { ...one.spec, weight: 0.1 + n };
          selector.update([], [], [one]);
        } else {
          one.healthy = what === "back";
          one.why = one.healthy ? "" : "ejected";
          selector.healthChanged(one);
        }
      }
    }));
  });

  Deno.test(`${name} slow start begins at a tenth and ends at the full share`, () => {
    const world = worldOf(balance);
    const old = endpointsOf({}, {}, {});
    world.add(old);
    world.run(1000, 500);
    const fresh = endpointOf();
    fresh.since = world.host.clock.time;
    world.add([fresh]);
    // A quarter of the way up on average: its weight is 0.1 to 0.28 in relation to 1 of each of the others.
    const first = shareOf(world.run(2000, 1000), fresh);
    assert.ok(first > 0.02 && first < 0.1, `${first} at first`);
    world.run(10_000, 500);
    const last = shareOf(world.run(10_000, 1000), fresh);
    assert.ok(Math.abs(last - 0.25) < 0.025, `${last} at last`);
  });

  Deno.test(`${name} spreads over all in panic but those that people took out`, () => {
    const world = worldOf(balance);
    const endpoints = Array.from({ length: 10 }, () => endpointOf());
    world.add(endpoints);
    outOfUse(world, endpoints[0]!, "operator");
    for (const endpoint of endpoints.slice(1, 6)) outOfUse(world, endpoint);
    assert.equal(world.selector.panic, true);
    const told = world.run(5000, 1000);
    assert.equal(told.picks.get(endpoints[0]!), undefined);
    for (const endpoint of endpoints.slice(1)) {
      assert.ok(shareOf(told, endpoint) > 0.07, `${shareOf(told, endpoint)}`);
    }
  });
}
