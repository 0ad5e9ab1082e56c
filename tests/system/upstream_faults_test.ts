import assert from "node:assert/strict";
import { bestOf } from "./best_of.ts";
import { breaker } from "./upstream_breaker.ts";
import { fallback } from "./upstream_fallback.ts";
import { defaultOn, outage } from "./upstream_outage.ts";
import { posts, restart } from "./upstream_restart.ts";
import { retries } from "./upstream_retries.ts";
import { slowEndpoint } from "./upstream_slow.ts";

Deno.test("retries of all workers stay within their budget when every attempt fails", async () => {
  const figures = await retries({ seconds: 1, clients: 12 });
  assert.deepEqual(figures.map(({ fault }) => fault), ["status 503", "connection refused"]);
  for (const one of figures) {
    assert.ok(one.calls > 150, JSON.stringify(one));
    assert.ok(one.attempts <= one.allowed, JSON.stringify(one));
    // There is a budget, and it is used.
    assert.ok(one.attempts > one.calls * 1.1, JSON.stringify(one));
    assert.deepEqual(Object.keys(one.outcomes), [
      one.fault === "status 503" ? "503" : "503 upstream_connect",
    ]);
  }
});

Deno.test("an endpoint that becomes slow is hardly asked, and has its share again once it is fast", async () => {
  await bestOf(2, async () => {
    const figures = await slowEndpoint({ delayMs: 200, slowMs: 2000, limitMs: 30_000, clients: 16 });
    assert.ok(figures.shareBefore > 0.15, JSON.stringify(figures));
    assert.ok(figures.shareSlow < 0.05, JSON.stringify(figures));
    assert.ok(figures.equalAfterMs <= 30_000, JSON.stringify(figures));
    assert.deepEqual(Object.keys(figures.outcomes), ["200"]);
  });
});

for (
  const { fault, on } of [
    { fault: "status 500", on: [...defaultOn, 500] },
    { fault: "SIGKILL", on: defaultOn },
    { fault: "black hole", on: [...defaultOn, "timeout"] },
  ] as const
) {
  Deno.test(`callers hardly notice one of five endpoints that fails: ${fault}, retry on ${on.join(", ")}`, async () => {
    const figures = await outage({ fault, on, seconds: 2.5, clients: 16 });
    assert.ok(figures.calls > 500, JSON.stringify(figures));
    assert.ok(figures.errors <= 5, JSON.stringify(figures));
    assert.equal(figures.lateErrors, 0, JSON.stringify(figures));
  });
}

Deno.test("no idempotent call fails over 100 restarts of a backend with idle connections in the pools", async () => {
  // Now and then the kernel resets a connection under load that was being made: that one was not idle.
  await bestOf(2, async () => {
    const [idle, load] = await restart({ idle: 80, load: 20, clients: 12 });
    // Connections were there to become stale.
    assert.ok(idle!.idleConnections >= 80 * 2, JSON.stringify(idle));
    assert.ok(load!.idleConnections >= 20 * 8, JSON.stringify(load));
    assert.deepEqual([idle!.failed, load!.failed], [0, 0], JSON.stringify([idle, load]));
  });
});

Deno.test("no POST reaches a backend twice while it is killed and started again", async () => {
  const figures = await posts({ restarts: 4, clients: 12 });
  assert.ok(figures.arrived > figures.answered, `nothing was in flight: ${JSON.stringify(figures)}`);
  assert.equal(figures.twice, 0, JSON.stringify(figures));
});

Deno.test("a breaker over two workers opens, probes when it said it would, and ramps up", async () => {
  await bestOf(3, async () => {
    const figures = await breaker({ openMs: 800, clients: 24 });
    const text = JSON.stringify(figures);
    const isDeclared = (ms: number) => ms >= figures.openMs * 0.9 && ms <= figures.openMs * 1.1 + 60;
    assert.ok(isDeclared(figures.openForMs), text);
    assert.ok(isDeclared(figures.openAgainForMs), text);
    assert.deepEqual([figures.probed, figures.probedAgain], [figures.probes, figures.probes], text);
    assert.deepEqual(Object.keys(figures.whileOpen), ["503 breaker_open"], text);
    const [first, ...rest] = figures.ramp;
    assert.ok(first! > 0.05 && first! < 0.5 && rest.at(-1)! > 0.7, text);
    assert.ok(rest.every((share, n) => share > figures.ramp[n]!), text);
  });
});

Deno.test("an upstream's fallback is asked while it is down, and not before or after", async () => {
  const figures = await fallback({ downMs: 1000, clients: 12 });
  const text = JSON.stringify(figures);
  assert.ok(figures.errors <= 2, text);
  assert.ok(figures.usedAfterMs <= 500 && figures.backAfterMs <= 2000, text);
  assert.deepEqual([figures.early, figures.late], [0, 0], text);
});
