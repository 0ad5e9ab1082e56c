import assert from "node:assert/strict";
import { localStatsMemory } from "../../core/stats/mod.ts";
import { HandClock, testHost } from "../retry/testdata/policy_host.ts";
import { makeHedge } from "./mod.ts";

const byPercentile = { hedge: { after: { percentile: 0.99 }, budget: 0.01 } };

Deno.test("makeHedge() makes none where the plan has none", () => {
  assert.equal(makeHedge(testHost({})), undefined);
});

Deno.test("delayMs() is the fixed time where one is given", () => {
  const hedge = makeHedge(testHost({ hedge: { after: 50, budget: 0.01 } }))!;
  assert.equal(hedge.delayMs(), 50);
  hedge.observe(1000);
  assert.equal(hedge.delayMs(), 50);
});

Deno.test("delayMs() is Infinity before 100 calls were seen, then their percentile, then Infinity again", () => {
  const host = testHost(byPercentile);
  const hedge = makeHedge(host)!;
  for (let n = 1; n <= 100; n++) {
    assert.equal(hedge.delayMs(), Infinity);
    hedge.deposit(host.clock.ms);
    hedge.observe(n);
  }
  assert.ok(hedge.delayMs() >= 99 && hedge.delayMs() < 99 * 1.07, `${hedge.delayMs()}`);
  host.clock.ms += 60_000;
  hedge.deposit(host.clock.ms);
  assert.equal(hedge.delayMs(), Infinity);
});

Deno.test("take() allows the share of the calls over all workers, and counts both answers", () => {
  const clock = new HandClock();
  const { shared } = localStatsMemory(1);
  const hosts = [0, 1, 2].map(() => testHost(byPercentile, { clock, shared }));
  const hedges = hosts.map((host) => makeHedge(host)!);
  let taken = 0;
  for (let n = 0; n < 30_000; n++) {
    clock.ms += 1;
    hedges[n % 3]!.deposit(clock.ms);
    if (n % 3 === 0 && hedges[n % 2]!.take(clock.ms)) taken++;
  }
  assert.ok(taken <= 300 && taken >= 290, `${taken}`);
  const sum = (name: string) => hosts.reduce((all, host) => all + host.value(name), 0);
  assert.equal(sum("weir_upstream_hedges_total"), taken);
  assert.equal(sum("weir_upstream_hedges_refused_total"), 10_000 - taken);
});

Deno.test("hedging by the 99th percentile cuts the tail within its budget", () => {
  const clock = new HandClock();
  const host = testHost(byPercentile, { clock });
  const hedge = makeHedge(host)!;
  // One call in 100 takes a second longer; a second attempt is as likely to be quick as any.
  const attemptMs = (n: number) => 5 + (n % 7) + (n % 100 === 99 ? 1000 : 0);
  const latencies: number[] = [];
  let hedges = 0;
  for (let n = 0; n < 20_000; n++) {
    clock.ms += 2;
    hedge.deposit(clock.ms);
    const delayMs = hedge.delayMs();
    let ms = attemptMs(n);
    hedge.observe(ms);
    if (ms > delayMs && hedge.take(clock.ms)) {
      hedges++;
      ms = Math.min(ms, delayMs + attemptMs(n + 1));
    }
    if (n >= 1000) latencies.push(ms);
  }
  latencies.sort((a, b) => a - b);
  const p995 = latencies[Math.floor(latencies.length * 0.995)]!;
  assert.ok(p995 < 100, `${p995} ms, and 1005 without`);
  assert.ok(hedges <= 200, `${hedges}`);
});
