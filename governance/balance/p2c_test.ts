/** How p2c and leastRequests treat slow, failing and unknown endpoints, in simulations. */
import assert from "node:assert/strict";
import { Scope } from "../../core/scope.ts";
import { failureFactor, Latency } from "./latency.ts";
import { makeSelector } from "./mod.ts";
import {
  answers,
  type Behaviour,
  endpointOf,
  endpointsOf,
  shareOf,
  testHost,
  World,
} from "./testdata/world.ts";

function worldOf(balance = "p2c", seed = 1): World {
  const host = testHost({ balance, seed });
  return new World(host, makeSelector(host, new Scope("test")));
}

/** Most answers near `ms`, some many times slower. */
function longTailed(ms: number): Behaviour {
  return (_now, random) => ({ ms: -Math.log(1 - random()) * ms });
}

for (const [rate, seed] of [[50, 1], [500, 2], [3000, 3]] as const) {
  Deno.test(`p2c at ${rate} calls/s avoids 1 of 4 slowed by 200 ms within 2 s, and takes it back within 30 s`, () => {
    const world = worldOf("p2c", seed);
    const endpoints = endpointsOf({}, {}, {}, {});
    const slow = endpoints[0]!;
    world.add(endpoints, answers(5));
    world.run(10_000, rate);
    world.behaviour.set(slow, (now, random) => ({ ms: answers(5)(now, random).ms + 200 }));
    world.run(2000, rate);
    const during = shareOf(world.run(30_000, rate), slow);
    assert.ok(during < 0.05, `${during} while slow`);
    world.behaviour.set(slow, answers(5));
    world.run(30_000, rate);
    const after = shareOf(world.run(60_000, rate), slow);
    assert.ok(Math.abs(after - 0.25) <= 0.025, `${after} afterwards`);
  });
}

Deno.test("p2c avoids a slow one of two, where every pair has it", () => {
  const world = worldOf();
  const [slow, fast] = endpointsOf({}, {});
  world.add([slow!, fast!], answers(5));
  world.behaviour.set(slow!, answers(200));
  world.run(2000, 200);
  assert.ok(shareOf(world.run(20_000, 200), slow!) < 0.05);
});

Deno.test("p2c avoids a heavy one that is slow, although it is drawn twice most of the time", () => {
  const world = worldOf();
  const [heavy, light] = endpointsOf({ weight: 9 }, { weight: 1 });
  world.add([heavy!, light!], answers(5));
  world.behaviour.set(heavy!, answers(200));
  world.run(2000, 200);
  assert.ok(shareOf(world.run(20_000, 200), heavy!) < 0.05);
});

Deno.test("p2c gives equal endpoints with long-tailed latencies shares within ± 10 %", () => {
  for (const rate of [100, 2000]) {
    const world = worldOf();
    const endpoints = endpointsOf({}, {}, {}, {}, {});
    world.add(endpoints, longTailed(10));
    const told = world.run(120_000, rate);
    for (const endpoint of endpoints) {
      const share = shareOf(told, endpoint);
      assert.ok(Math.abs(share - 0.2) <= 0.02, `${share} at ${rate}/s`);
    }
  }
});

Deno.test("p2c is not attracted by an endpoint that fails fast", () => {
  const world = worldOf();
  const endpoints = endpointsOf({}, {}, {}, {});
  world.add(endpoints, answers(20));
  world.behaviour.set(endpoints[0]!, () => ({ ms: 0.2, ok: false }));
  const share = shareOf(world.run(20_000, 500), endpoints[0]!);
  assert.ok(share < 0.05, `${share}`);
});

Deno.test("p2c tries an endpoint without answers like the others and does not flood it while it has none", () => {
  const world = worldOf();
  const endpoints = endpointsOf({}, {}, {});
  world.add(endpoints, answers(5));
  world.run(10_000, 300);
  const silent = endpointOf();
  world.add([silent], () => ({ ms: 1e9 }));
  const picks = world.run(2000, 300).picks.get(silent)!;
  assert.ok(picks >= 1 && picks <= 8, `${picks}`);
});

Deno.test("p2c spreads over many endpoints that each get less than a call per second", () => {
  const world = worldOf();
  const endpoints = Array.from({ length: 1000 }, () => endpointOf());
  const slow = endpoints.slice(0, 100);
  world.add(endpoints, answers(5));
  for (const endpoint of slow) world.behaviour.set(endpoint, answers(300));
  world.run(20_000, 500);
  const told = world.run(60_000, 500);
  const share = slow.reduce((sum, endpoint) => sum + shareOf(told, endpoint), 0);
  assert.ok(share < 0.03, `${share} for a tenth of the endpoints`);
});

Deno.test("leastRequests keeps what is in flight at a slow endpoint near that of the others", () => {
  const world = worldOf("leastRequests");
  const endpoints = Array.from({ length: 10 }, () => endpointOf());
  world.add(endpoints, answers(10));
  world.behaviour.set(endpoints[0]!, answers(200));
  world.run(5000, 2000);
  let [slow, all] = [0, 0];
  for (let i = 0; i < 200; i++) {
    world.run(50, 2000);
    slow += endpoints[0]!.inflight;
    all += endpoints.reduce((sum, { inflight }) => sum + inflight, 0) / endpoints.length;
  }
  assert.ok(slow <= 2 * all, `${slow / 200} against ${all / 200} on average`);
});

Deno.test("Latency takes a spike at once and forgives it within 10 s", () => {
  const latency = new Latency();
  const endpoint = endpointOf();
  const ended = (latencyMs: number, now: number, ok = true) =>
    latency.observe(endpoint, { ok, failure: ok ? undefined : "status", status: 0, latencyMs, now });
  for (let now = 0; now < 1000; now += 10) ended(5, now);
  assert.equal(endpoint.ewmaMs, 5);
  ended(1000, 1000);
  assert.equal(endpoint.ewmaMs, 1000);
  for (let now = 1010; now <= 11_000; now += 10) ended(5, now);
  assert.ok(endpoint.ewmaMs > 5 && endpoint.ewmaMs < 60, `${endpoint.ewmaMs}`);
});

Deno.test("Latency does not take a fast failure for a fast answer, and a timeout for a slow one", () => {
  const latency = new Latency();
  const endpoint = endpointOf();
  latency.observe(endpoint, { ok: true, failure: undefined, status: 200, latencyMs: 8, now: 0 });
  for (let now = 1; now < 20_000; now += 1000) {
    latency.observe(endpoint, { ok: false, failure: "refused", status: 0, latencyMs: 0.1, now });
  }
  assert.equal(endpoint.ewmaMs, 8);
  assert.ok(endpoint.failing > 0.95 && failureFactor(endpoint) > 400);
  latency.observe(endpoint, { ok: false, failure: "timeout", status: 0, latencyMs: 1000, now: 20_000 });
  assert.equal(endpoint.ewmaMs, 1000);
});

Deno.test("p2c gives an endpoint of which one answer in a hundred fails about its share", () => {
  const world = worldOf();
  const endpoints = endpointsOf({}, {}, {}, {});
  world.add(endpoints, answers(10));
  world.behaviour.set(endpoints[0]!, (now, random) => ({ ...answers(10)(now, random), ok: random() > 0.01 }));
  const share = shareOf(world.run(60_000, 500), endpoints[0]!);
  assert.ok(share > 0.2 && share < 0.26, `${share}`);
});

Deno.test("p2c takes an endpoint back that does not fail any more", () => {
  const world = worldOf();
  const endpoints = endpointsOf({}, {}, {}, {});
  world.add(endpoints, answers(10));
  world.behaviour.set(endpoints[0]!, () => ({ ms: 1, ok: false }));
  world.run(10_000, 500);
  world.behaviour.set(endpoints[0]!, answers(10));
  world.run(20_000, 500);
  const share = shareOf(world.run(60_000, 500), endpoints[0]!);
  assert.ok(Math.abs(share - 0.25) <= 0.025, `${share}`);
});
