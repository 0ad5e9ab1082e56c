/** Roles, priorities, panic and what changes cost. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint, OutOfUse } from "../../core/endpoint.ts";
import { Scope } from "../../core/scope.ts";
import type { Selector } from "../../core/upstream/contract.ts";
import { makeSelector } from "./mod.ts";
import { WeightedDraw } from "./weighted_draw.ts";
import { endpointOf, endpointsOf, SeededClock, type TestHost, testHost } from "./testdata/world.ts";
import type { Member } from "./member.ts";

function selectorOf(
  endpoints: readonly Endpoint[],
  options: Parameters<typeof testHost>[0] = {},
): { selector: Selector; host: TestHost } {
  const host = testHost(options);
  const selector = makeSelector(host, new Scope("test"));
  selector.update(endpoints, [], []);
  return { selector, host };
}

/** All that 200 picks come to. */
function picked(
  selector: Selector,
  role: string | null = null,
  tried: Endpoint[] = [],
): Set<Endpoint | undefined> {
  const found = new Set<Endpoint | undefined>();
  for (let i = 0; i < 200; i++) found.add(selector.pick({ role, key: undefined, tried }, 1_000_000));
  return found;
}

function set(selector: Selector, endpoint: Endpoint, why: OutOfUse | ""): void {
  endpoint.healthy = why === "";
  endpoint.why = why;
  selector.healthChanged(endpoint);
}

Deno.test("Selector.pick() sends calls without a role to masters and those without one", () => {
  const [plain, master, primary, replica] = endpointsOf(
    {},
    { role: "master" },
    { role: "primary" },
    { role: "replica" },
  );
  const { selector } = selectorOf([plain!, master!, primary!, replica!]);
  assert.deepEqual(picked(selector), new Set([plain, master, primary]));
  assert.deepEqual(picked(selector, "replica"), new Set([replica]));
  assert.deepEqual(picked(selector, "master"), new Set([master]));
  assert.deepEqual(picked(selector, "unheard-of"), new Set([plain, master, primary]));
});

Deno.test("Selector.pick() sends calls without a role to all where none is for them, until one is", () => {
  const replicas = endpointsOf({ role: "replica" }, { role: "analytics" });
  const { selector } = selectorOf(replicas);
  assert.deepEqual(picked(selector), new Set(replicas));
  const [master, late] = endpointsOf({ role: "master" }, { role: "replica" });
  selector.update([master!], [], []);
  assert.deepEqual(picked(selector), new Set([master]));
  selector.update([late!], [master!], []);
  assert.deepEqual(picked(selector), new Set([...replicas, late]));
});

Deno.test("Selector.pick() sends calls with a role elsewhere when none of it is usable, or all were tried", () => {
  const [master, one, two] = endpointsOf({ role: "master" }, { role: "replica" }, { role: "replica" });
  const { selector } = selectorOf([master!, one!, two!]);
  assert.deepEqual(picked(selector, "replica", [one!, two!]), new Set([master]));
  set(selector, one!, "ejected");
  set(selector, two!, "unhealthy");
  assert.deepEqual(picked(selector, "replica"), new Set([master]));
  assert.equal(selector.panic, false);
  set(selector, master!, "unhealthy");
  assert.deepEqual(picked(selector, "replica"), new Set([one, two]));
  assert.equal(selector.panic, true);
});

Deno.test("Selector.pick() asks the lowest priority that has enough usable endpoints, and goes back to it", () => {
  const first = endpointsOf({ priority: 1 }, { priority: 1 }, { priority: 1 }, { priority: 1 });
  const second = endpointsOf({ priority: 5 }, { priority: 5 });
  const { selector } = selectorOf([...second, ...first]);
  assert.deepEqual(picked(selector), new Set(first));
  set(selector, first[0]!, "ejected");
  set(selector, first[1]!, "ejected");
  assert.deepEqual(picked(selector), new Set(first.slice(2)));
  set(selector, first[2]!, "ejected");
  assert.deepEqual(picked(selector), new Set(second));
  set(selector, first[3]!, "ejected");
  assert.deepEqual(picked(selector), new Set(second));
  assert.equal(selector.panic, false);
  for (const endpoint of first) set(selector, endpoint, "");
  assert.deepEqual(picked(selector), new Set(first));
});

Deno.test("Selector.pick() asks the next priority when all of the first were tried", () => {
  const [main, spare] = endpointsOf({ priority: 0 }, { priority: 1 });
  const { selector } = selectorOf([main!, spare!]);
  assert.deepEqual(picked(selector, null, [main!]), new Set([spare]));
  assert.deepEqual(picked(selector, null, [main!, spare!]), new Set([main]));
});

Deno.test("Selector.update() moves an endpoint whose priority or weight changed", () => {
  const [one, two] = endpointsOf({}, {});
  const { selector } = selectorOf([one!, two!]);
  one!.spec = { ...one!.spec, priority: 1 };
  selector.update([], [], [one!]);
  assert.deepEqual(picked(selector), new Set([two]));
  selector.update([], [two!], []);
  assert.deepEqual(picked(selector), new Set([one]));
  selector.update([], [one!], []);
  assert.deepEqual(picked(selector), new Set([undefined]));
});

Deno.test("Selector.panic ignores health below the share, says so once, and ends it", () => {
  const endpoints = Array.from({ length: 10 }, () => endpointOf());
  const { selector, host } = selectorOf(endpoints);
  for (const endpoint of endpoints.slice(0, 5)) set(selector, endpoint, "ejected");
  selector.tick(0);
  assert.deepEqual([selector.panic, picked(selector).size], [false, 5]);
  for (const endpoint of endpoints.slice(5, 8)) {
    set(selector, endpoint, "unhealthy");
    selector.tick(0);
  }
  assert.deepEqual([selector.panic, picked(selector).size], [true, 10]);
  assert.equal(host.numbers.get("weir_upstream_panic{upstream=users}"), 1);
  set(selector, endpoints[0]!, "operator");
  assert.deepEqual(picked(selector), new Set(endpoints.slice(1)));
  for (const endpoint of endpoints) set(selector, endpoint, "");
  selector.tick(0);
  assert.equal(host.numbers.get("weir_upstream_panic{upstream=users}"), 0);
  assert.deepEqual(host.lines.map(({ level }) => level), ["warn", "info"]);
});

Deno.test("Selector.panic never is with panic 0: nobody is picked where nobody is usable", () => {
  const endpoints = endpointsOf({}, {}, {});
  const { selector } = selectorOf(endpoints, { health: { panic: 0 } });
  set(selector, endpoints[0]!, "ejected");
  set(selector, endpoints[1]!, "ejected");
  assert.deepEqual(picked(selector), new Set([endpoints[2]]));
  set(selector, endpoints[2]!, "ejected");
  assert.deepEqual([selector.panic, picked(selector)], [false, new Set([undefined])]);
});

Deno.test("Selector.panic does not miss endpoints that people took out", () => {
  const endpoints = Array.from({ length: 10 }, () => endpointOf());
  const { selector } = selectorOf(endpoints);
  for (const endpoint of endpoints.slice(0, 9)) set(selector, endpoint, "operator");
  assert.deepEqual([selector.panic, picked(selector)], [false, new Set([endpoints[9]])]);
  set(selector, endpoints[9]!, "operator");
  assert.deepEqual(picked(selector), new Set([undefined]));
});

Deno.test("Selector.update() starts the first set at full weight, also under slow start", () => {
  const endpoints = endpointsOf({}, {});
  const { selector } = selectorOf(endpoints, { balance: "roundRobin" });
  const counts = new Map<unknown, number>();
  for (let i = 0; i < 100; i++) {
    const endpoint = selector.pick({ role: null, key: undefined, tried: [] }, 1_000_000);
    counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  }
  assert.deepEqual([...counts.values()], [50, 50]);
});

Deno.test("roundRobin is smooth, and workers begin elsewhere", () => {
  const endpoints = endpointsOf({ weight: 3 }, { weight: 1 });
  const { selector } = selectorOf(endpoints, { balance: "roundRobin" });
  const order = Array.from(
    { length: 40 },
    () => selector.pick({ role: null, key: undefined, tried: [] }, 0) === endpoints[1] ? "b" : "a",
  ).join("");
  assert.match(order, /^a{0,3}(baaa){9}ba{0,3}$/);
  const many = Array.from({ length: 20 }, () => endpointOf());
  const firsts = new Set([1, 2, 3, 4, 5, 6].map((seed) => {
    const { selector } = selectorOf(many, { balance: "roundRobin", seed });
    return selector.pick({ role: null, key: undefined, tried: [] }, 0);
  }));
  assert.ok(firsts.size >= 4);
});

Deno.test("WeightedDraw draws each as often as its share says", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(weights, fc.integer(), (given, seed) => {
      const mean = given.reduce((a, b) => a + b) / given.length;
      const members = given.map((weight) => ({ share: weight / mean })) as Member[];
      const draw = new WeightedDraw(new SeededClock(seed));
      draw.rebuild(members);
      const counts = given.map(() => 0);
      for (let i = 0; i < 20_000; i++) counts[draw.first()]!++;
      counts.forEach((count, i) => {
        const due = given[i]! / (mean * given.length);
        assert.ok(Math.abs(count / 20_000 - due) < 0.02, `${count / 20_000}, due ${due}`);
      });
    }),
    { numRuns: 30 },
  );
});

for (const balance of ["p2c", "roundRobin", { ringHash: { key: "client" } }]) {
  const name = typeof balance === "string" ? balance : "ringHash";
  Deno.test(`Selector with ${name} takes 10,000 endpoints at once, and changes of single ones, in milliseconds`, () => {
    const host = testHost({ balance });
    const selector = makeSelector(host, new Scope("test"));
    const endpoints = Array.from({ length: 10_000 }, (_, i) => endpointOf({ weight: 1 + i % 3 }));
    const picking = { role: null, key: "k", tried: [] };
    const from = performance.now();
    selector.update(endpoints, [], []);
    selector.pick(picking, 0);
    const addedMs = performance.now() - from;
    const since = performance.now();
    // A burst: a thousand that flap, come and go between two picks.
    for (let i = 0; i < 1000; i++) {
      set(selector, endpoints[i]!, i % 2 ? "ejected" : "");
      selector.update([endpointOf()], [endpoints[9999 - i]!], []);
    }
    selector.pick(picking, 0);
    const burstMs = performance.now() - since;
    console.log(
      `${name}: 10,000 added in ${addedMs.toFixed(1)} ms, 3000 changes in ${burstMs.toFixed(1)} ms`,
    );
    // A multiple of what it takes, for machines that are busy; a rebuild per change would take seconds.
    assert.ok(addedMs < 250 && burstMs < 250, `${addedMs} ms, ${burstMs} ms`);
  });
}
