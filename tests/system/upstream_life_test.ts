import assert from "node:assert/strict";
import { bestOf } from "./best_of.ts";
import { commands } from "./upstream_commands.ts";
import { deadline } from "./upstream_deadline.ts";
import { redisConnections } from "./upstream_redis.ts";
import { requiredUpstream, warmStart } from "./upstream_start.ts";

Deno.test("connections to all endpoints are there before the first request", async () => {
  const { connections, requests, workers, warm } = await warmStart({ warm: 2 });
  assert.deepEqual([connections, requests], [[workers * warm, workers * warm], 0]);
});

Deno.test("a service whose required upstream is down says so, serves nothing, and is ready once it comes", async () => {
  const figures = await requiredUpstream({ failures: 1 });
  assert.match(figures.message, /Cannot reach upstreams\.users, which is required: none of 1 endpoints/);
  assert.equal(figures.acceptedBefore, false);
  assert.ok(figures.readyAfterMs < 15_000, JSON.stringify(figures));
  assert.equal(figures.status, 200);
});

Deno.test("deadline and departure of a client reach the upstream, by route and by handler", async () => {
  await bestOf(3, async () => {
    for (const figures of await deadline({ deadlineMs: 300 })) {
      const text = JSON.stringify(figures);
      assert.ok(figures.toldMs > 200 && figures.toldMs <= 300, text);
      assert.deepEqual([figures.status, figures.reason], [504, "deadline"], text);
      assert.ok(figures.answeredMs >= 295 && figures.answeredMs < 500, text);
      assert.ok(figures.abandonedMs < 200, text);
      assert.ok(figures.leftMs < 500, text);
    }
  });
});

Deno.test("what operators say of an upstream holds in all workers within a second, and is shown", async () => {
  await bestOf(2, async () => {
    const figures = await commands({ clients: 12 });
    assert.deepEqual(figures.map(({ command }) => command), ["eject", "restore", "open", "close"]);
    for (const one of figures) {
      assert.ok(one.effectMs <= 1000, JSON.stringify(one));
      // Figures of pages are written once a second.
      assert.ok(one.shownMs <= 2000, JSON.stringify(one));
    }
  });
});

Deno.test("1,000 requests at once take one connection to Redis per worker", async () => {
  const figures = await redisConnections({ concurrent: 1000, pauseMs: 700 });
  const { workers, connections, established, counted, outcomes } = figures;
  assert.deepEqual([connections, established, counted], [workers, workers, 1000], JSON.stringify(figures));
  assert.deepEqual(outcomes, { "200": 1000 });
});
