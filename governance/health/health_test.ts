/** Ejection, probes and operator, one rule at a time. */
import assert from "node:assert/strict";
import type { Endpoint } from "../../core/endpoint.ts";
import { Scope } from "../../core/scope.ts";
import type { Health, Selector } from "../../core/upstream/contract.ts";
import type { FailureKind } from "../../core/upstream_error.ts";
import { makeSelector } from "../balance/mod.ts";
import { endpointOf, endpointsOf, type TestHost, testHost } from "../balance/testdata/world.ts";
import { makeHealth } from "./mod.ts";

const probe = { path: "/healthz", every: 5000, timeout: 1000, rise: 2, fall: 3 };

class Bench {
  readonly host: TestHost;
  readonly selector: Selector;
  readonly health: Health;

  constructor(endpoints: readonly Endpoint[], health: Record<string, unknown> = {}) {
    this.host = testHost({ health });
    const scope = new Scope("test");
    this.selector = makeSelector(this.host, scope);
    this.health = makeHealth(this.host, this.selector, scope);
    this.update(endpoints);
  }

  update(added: readonly Endpoint[], removed: readonly Endpoint[] = []): void {
    this.selector.update(added, removed, []);
    this.health.update(added, removed);
  }

  get now(): number {
    return this.host.clock.time;
  }

  /** Lets `ms` pass, with ticks; probes end as `good` says. Returns who was probed, and when. */
  pass(ms: number, good: (endpoint: Endpoint) => boolean | undefined = () => true): [Endpoint, number][] {
    const probed: [Endpoint, number][] = [];
    for (const end = this.now + ms; this.now < end;) {
      this.host.clock.time += Math.min(20, end - this.now);
      this.selector.tick(this.now);
      this.health.tick(this.now);
      for (const endpoint of [...this.health.probes]) {
        probed.push([endpoint, this.now]);
        const verdict = good(endpoint);
        if (verdict !== undefined) this.health.probed(endpoint, verdict, verdict ? "" : "connect");
      }
    }
    return probed;
  }

  fails(endpoint: Endpoint, times = 1, failure: FailureKind = "status", latencyMs = 1): void {
    for (let i = 0; i < times; i++) {
      this.health.ended(endpoint, {
        ok: false,
        failure,
        status: failure === "status" ? 500 : 0,
        latencyMs,
        now: this.now,
      });
    }
  }

  works(endpoint: Endpoint): void {
    this.health.ended(endpoint, { ok: true, failure: undefined, status: 404, latencyMs: 1, now: this.now });
  }

  number(name: string): number | undefined {
    return this.host.numbers.get(name);
  }

  /** Passes until `endpoint` is in use again, returns how long that took. */
  untilBack(endpoint: Endpoint): number {
    const from = this.now;
    while (!endpoint.healthy) {
      assert.ok(this.now - from < 1e6, "it never comes back");
      this.pass(20);
    }
    return this.now - from;
  }
}

Deno.test("Health.ended() ejects after so many failures in a row, and tells everybody", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  bench.fails(one!, 4);
  assert.equal(one!.healthy, true);
  bench.fails(one!, 1, "reset");
  assert.deepEqual([one!.healthy, one!.why, one!.ejections], [false, "ejected", 1]);
  assert.equal(one!.cause, "5 failures in a row, the last: reset");
  const forMs = one!.until - bench.now;
  assert.ok(forMs >= 9000 && forMs <= 11_000, `${forMs}`);
  assert.equal(bench.number("weir_upstream_ejections_total{upstream=users,reason=failures}"), 1);
  assert.equal(bench.number("weir_upstream_endpoints{upstream=users,state=usable}"), 1);
  assert.equal(bench.number("weir_upstream_endpoints{upstream=users,state=ejected}"), 1);
  assert.equal(bench.selector.pick({ role: null, key: undefined, tried: [] }, bench.now), two);
  assert.deepEqual(bench.host.lines.map(({ level, fields }) => [level, fields.endpoint, fields.cause]), [
    ["warn", one!.key, one!.cause],
  ]);
});

Deno.test("Health.ended() counts neither successes in between nor local failures", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  for (let i = 0; i < 10; i++) {
    bench.fails(one!, 4);
    bench.works(one!);
  }
  for (const failure of ["full", "throttle", "deadline", "cancelled", "breaker", "unavailable"] as const) {
    bench.fails(one!, 20, failure);
  }
  assert.equal(one!.healthy, true);
});

Deno.test("Health returns an endpoint on trial, in slow start, and one more failure ejects it for twice as long", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  bench.fails(one!, 5);
  for (const doubled of [10_000, 20_000, 40_000]) {
    const asideMs = bench.untilBack(one!);
    assert.ok(Math.abs(asideMs - doubled) <= 0.1 * doubled + 20, `${asideMs}`);
    assert.deepEqual([one!.why, one!.until, one!.since], ["", 0, bench.now]);
    bench.pass(100);
    bench.fails(one!);
    assert.equal(one!.healthy, false);
  }
  assert.match(one!.cause, /^failed again after its return: status 500$/);
});

Deno.test("Health ends the trial of an endpoint with its first success", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  bench.fails(one!, 5);
  bench.untilBack(one!);
  bench.pass(100);
  bench.works(one!);
  bench.fails(one!, 4);
  assert.equal(one!.healthy, true);
  bench.fails(one!);
  assert.equal(one!.healthy, false);
});

Deno.test("Health does not blame an endpoint for what began before its time aside", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  bench.fails(one!, 5);
  bench.untilBack(one!);
  bench.pass(1000);
  bench.fails(one!, 5, "timeout", 15_000);
  assert.equal(one!.healthy, true);
});

Deno.test("Health does not punish an endpoint further for what panic sends to it", () => {
  const four = endpointsOf({}, {}, {}, {});
  const bench = new Bench(four, { eject: { consecutive: 5, base: 10_000, max: 300_000, share: 1 } });
  bench.fails(four[0]!, 5);
  const { until } = four[0]!;
  bench.pass(1000);
  bench.fails(four[0]!, 50);
  assert.deepEqual([four[0]!.ejections, four[0]!.until], [1, until]);
});

Deno.test("Health puts nobody aside for longer than max", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], { eject: { consecutive: 1, base: 1000, max: 5000, share: 0.5 } });
  for (let i = 0; i < 70; i++) {
    bench.fails(one!);
    const asideMs = one!.until - bench.now;
    assert.ok(asideMs <= 5000 && (i < 3 || asideMs >= 4500), `${asideMs}`);
    bench.untilBack(one!);
    bench.pass(20);
  }
});

Deno.test("Health forgives ejections after quiet times", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  bench.fails(one!, 5);
  bench.untilBack(one!);
  bench.pass(20);
  bench.fails(one!);
  bench.untilBack(one!);
  bench.works(one!);
  assert.equal(one!.ejections, 2);
  bench.pass(41_000);
  assert.equal(one!.ejections, 1);
  bench.pass(21_000);
  assert.equal(one!.ejections, 0);
  bench.fails(one!, 5);
  assert.ok(one!.until - bench.now <= 11_000);
});

Deno.test("Health puts at most a share aside, but always one, and never the last one", () => {
  const ten = Array.from({ length: 10 }, () => endpointOf());
  const bench = new Bench(ten, { eject: { consecutive: 5, base: 10_000, max: 300_000, share: 0.3 } });
  for (const endpoint of ten) bench.fails(endpoint, 9);
  assert.equal(ten.filter(({ healthy }) => !healthy).length, 3);
  const three = endpointsOf({}, {}, {});
  const few = new Bench(three, { eject: { consecutive: 5, base: 10_000, max: 300_000, share: 0.1 } });
  for (const endpoint of three) few.fails(endpoint, 9);
  assert.equal(three.filter(({ healthy }) => !healthy).length, 1);
  const two = endpointsOf({}, {});
  const all = new Bench(two, { eject: { consecutive: 5, base: 10_000, max: 300_000, share: 1 } });
  for (const endpoint of two) all.fails(endpoint, 9);
  assert.deepEqual(two.map(({ healthy }) => healthy), [false, true]);
  const [only] = endpointsOf({});
  const single = new Bench([only!]);
  single.fails(only!, 100);
  assert.equal(only!.healthy, true);
});

Deno.test("Health never ejects the only endpoint that calls without a role have", () => {
  const [master, one, two] = endpointsOf({ role: "master" }, { role: "replica" }, { role: "replica" });
  const bench = new Bench([master!, one!, two!], {
    eject: { consecutive: 5, base: 10_000, max: 300_000, share: 1 },
  });
  for (const endpoint of [master!, one!, two!]) bench.fails(endpoint, 9);
  assert.deepEqual([master!.healthy, one!.healthy, two!.healthy], [true, false, false]);
});

Deno.test("Health with eject false ejects nobody", () => {
  const endpoints = endpointsOf({}, {});
  const bench = new Bench(endpoints, { eject: null });
  bench.fails(endpoints[0]!, 100);
  assert.equal(endpoints[0]!.healthy, true);
});

Deno.test("Health starts the first set at once, and those that join later slowly", () => {
  const bench = new Bench([]);
  const first = endpointsOf({}, {});
  bench.update(first);
  assert.deepEqual(first.map(({ since }) => since), [-Infinity, -Infinity]);
  bench.pass(1000);
  const late = endpointOf();
  bench.update([late]);
  assert.equal(late.since, bench.now);
});

Deno.test("Health.probes take an endpoint out after `fall` bad ones and back after `rise` good ones", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], { probe });
  let bad = 0;
  const down = (endpoint: Endpoint) => endpoint !== one || (bad++, false);
  while (one!.healthy && bad < 10) bench.pass(20, down);
  assert.deepEqual([bad, one!.why, one!.until], [3, "unhealthy", Infinity]);
  assert.equal(one!.cause, "3 bad probes in a row, the last: connect");
  assert.equal(bench.number("weir_upstream_ejections_total{upstream=users,reason=probes}"), 1);
  let good = 0;
  while (!one!.healthy && good < 10) bench.pass(20, (endpoint) => (endpoint === one && good++, true));
  assert.deepEqual([good, one!.since, one!.why], [2, bench.now, ""]);
  assert.deepEqual(bench.host.lines.map(({ level }) => level), ["warn", "info"]);
});

Deno.test("Health.probes do not oscillate with an endpoint that is well every other time", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], { probe });
  let n = 0;
  bench.pass(200_000, (endpoint) => endpoint !== one || n++ % 2 === 0);
  assert.ok(n > 30);
  assert.deepEqual(bench.host.lines, []);
});

Deno.test("Health.probes end a time aside after `rise` good ones, on trial", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], {
    probe: { ...probe, every: 1000 },
    eject: { consecutive: 5, base: 60_000, max: 300_000, share: 0.5 },
  });
  bench.pass(3000);
  bench.fails(one!, 5);
  const backMs = bench.untilBack(one!);
  assert.ok(backMs > 800 && backMs < 2500, `${backMs}`);
  bench.pass(20);
  bench.fails(one!);
  assert.equal(one!.healthy, false);
});

Deno.test("Health does not try on callers what its probe says is down", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], { probe: { ...probe, fall: 1000 } });
  bench.fails(one!, 5);
  bench.pass(60_000, (endpoint) => endpoint !== one);
  assert.equal(one!.why, "ejected");
  assert.ok(one!.until > bench.now);
  assert.ok(bench.untilBack(one!) < 11_000);
});

Deno.test("Health.probes come soon, about every `every`, and not in phase", () => {
  const endpoints = Array.from({ length: 200 }, () => endpointOf());
  const bench = new Bench(endpoints, { probe });
  const first = bench.pass(1100);
  assert.equal(new Set(first.map(([endpoint]) => endpoint)).size, 200);
  const times = new Map<Endpoint, number[]>();
  for (const [endpoint, at] of bench.pass(100_000)) {
    times.set(endpoint, [...times.get(endpoint) ?? [], at]);
  }
  for (const at of times.values()) {
    assert.ok(Math.abs(at.length - 20) <= 2);
    for (let i = 1; i < at.length; i++) assert.ok(Math.abs(at[i]! - at[i - 1]! - 5000) <= 540);
  }
  // After a hundred seconds they are spread over the whole period and not a fifth of it, as in the beginning.
  const perSecond = [0, 0, 0, 0, 0];
  for (const at of times.values()) perSecond[Math.floor(at.at(-1)! / 1000) % 5]!++;
  assert.ok(Math.max(...perSecond) < 100, perSecond.join());
});

Deno.test("Health.probes are bounded per tick, and one that is lost is asked for again", () => {
  const endpoints = Array.from({ length: 10_000 }, () => endpointOf());
  const bench = new Bench(endpoints, { probe: { ...probe, every: 10, timeout: 10 } });
  const times = new Map(endpoints.map((endpoint) => [endpoint, 0]));
  for (let i = 0; i < 400; i++) {
    bench.host.clock.time += 20;
    bench.health.tick(bench.now);
    assert.ok(bench.health.probes.length <= 64);
    for (const endpoint of bench.health.probes) {
      times.set(endpoint, times.get(endpoint)! + 1);
      bench.health.probed(endpoint, true, "");
    }
  }
  // 25,000 probes, far fewer than are wanted: everybody's turn comes.
  assert.ok(Math.min(...times.values()) >= 2 && Math.max(...times.values()) <= 3);
  const [one] = endpointsOf({});
  const lost = new Bench([one!], { probe });
  assert.ok(lost.pass(60_000, () => undefined).length >= 5);
});

Deno.test("Health.eject() keeps an endpoint out until it is restored, whatever probes and time say", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], { probe });
  bench.health.eject(one!, "disk swap, ask Ida");
  assert.deepEqual([one!.healthy, one!.why, one!.until, one!.cause], [
    false,
    "operator",
    Infinity,
    "disk swap, ask Ida",
  ]);
  bench.pass(1_000_000);
  assert.equal(one!.why, "operator");
  assert.equal(bench.number("weir_upstream_endpoints{upstream=users,state=operator}"), 1);
  bench.health.restore(one!, "new disk");
  assert.deepEqual([one!.healthy, one!.why, one!.cause, one!.since], [true, "", "new disk", bench.now]);
  bench.health.restore(one!, "again");
  assert.equal(bench.host.lines.length, 2);
});

Deno.test("Health.restore() gives an ejected or unhealthy endpoint a clean slate", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!]);
  bench.fails(one!, 5);
  bench.health.restore(one!, "fixed");
  assert.deepEqual([one!.healthy, one!.ejections], [true, 0]);
  bench.pass(20);
  bench.fails(one!, 4);
  assert.equal(one!.healthy, true);
  bench.pass(100_000);
  assert.equal(bench.host.lines.length, 2);
});

Deno.test("Health.update() forgets endpoints that are gone", () => {
  const [one, two] = endpointsOf({}, {});
  const bench = new Bench([one!, two!], { probe });
  bench.fails(one!, 5);
  bench.update([], [one!]);
  assert.equal(bench.number("weir_upstream_endpoints{upstream=users,state=ejected}"), 0);
  assert.ok(bench.pass(30_000).every(([endpoint]) => endpoint === two));
  bench.health.eject(one!, "too late");
  bench.health.probed(one!, false, "connect");
  assert.equal(bench.number("weir_upstream_endpoints{upstream=users,state=operator}"), 0);
});
