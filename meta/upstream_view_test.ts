import assert from "node:assert/strict";
import type { WorkerEndpoint, WorkerUpstream } from "../core/stats/mod.ts";
import { attention } from "./attention.ts";
import { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";
import { discoveryProblem, endpointViews, upstreamView } from "./upstream_view.ts";

function row(more: Partial<WorkerEndpoint> = {}): WorkerEndpoint {
  return {
    slot: 0,
    worker: "1",
    upstream: "users",
    address: "10.0.0.1:80",
    role: "",
    state: "usable",
    until: 0,
    cause: "",
    weight: 1,
    priority: 0,
    ewmaMs: 0,
    inflight: 1,
    idle: 2,
    busy: 3,
    waiters: 4,
    attempts: 5,
    failures: 6,
    oldestMs: 7,
    ...more,
  };
}

function told(more: Partial<WorkerUpstream> = {}): WorkerUpstream {
  return {
    slot: 0,
    worker: "1",
    upstream: "users",
    source: "static",
    updatedAt: 1000,
    error: "",
    cached: false,
    panic: false,
    breakers: "",
    retryLeft: 5,
    throttleInflight: 1,
    throttleWaiting: 2,
    ...more,
  };
}

function look(endpoints: WorkerEndpoint[], upstreams: WorkerUpstream[]): Sight {
  return {
    now: 0,
    plan: { upstreams: { users: {} }, listeners: {}, streams: {}, workers: { memory: 0 } },
    state: { ready: true, children: [], exits: [], lastReload: null },
    streams: () => [],
    endpoints: () => endpoints,
    upstreams: () => upstreams,
    loops: () => [],
    series: () => [],
    slots: () => [],
    inflight: () => ({ total: 0, rows: [] }),
  } as unknown as Sight;
}

Deno.test("endpointViews() adds up the workers, and shows the worst of what they say", () => {
  const [one, two] = endpointViews([
    row({ slot: 1, worker: "2", ewmaMs: 4 }),
    row({ ewmaMs: 2, state: "ejected", until: 900, cause: "5 failures in a row", oldestMs: 70 }),
    row({ address: "10.0.0.2:80", role: "replica", priority: 1 }),
  ]);
  assert.deepEqual(
    [one!.key, one!.state, one!.agreeing, one!.workers.length, one!.until, one!.cause],
    ["10.0.0.1:80", "ejected", 1, 2, 900, "5 failures in a row"],
  );
  assert.deepEqual(
    [
      one!.ewmaMs,
      one!.inflight,
      one!.idle,
      one!.busy,
      one!.waiters,
      one!.attempts,
      one!.failures,
      one!.oldestMs,
    ],
    [3, 2, 4, 6, 8, 10, 12, 70],
  );
  assert.deepEqual([two!.key, two!.role, two!.ewmaMs], ["10.0.0.2:80 replica", "replica", null]);
});

Deno.test("endpointViews() puts lower priority numbers first, then sorts by address", () => {
  const rows = ["c", "a", "b"].map((address, n) => row({ address, priority: n === 0 ? 0 : 2 }));
  assert.deepEqual(endpointViews(rows).map(({ key }) => key), ["c", "a", "b"]);
});

Deno.test("upstreamView() brings together what the workers say", () => {
  const sight = look(
    [row(), row({ slot: 1, worker: "2", state: "unhealthy" }), row({ address: "10.0.0.2:80" })],
    [
      told(),
      told({ slot: 1, worker: "2", updatedAt: 500, error: "gone", cached: true, panic: true, retryLeft: 3 }),
    ],
  );
  const view = upstreamView(sight, new SeriesIndex([]), "users");
  assert.deepEqual([view.usable, view.endpoints.length, view.panicking], [1, 2, 1]);
  assert.deepEqual([view.source, view.updatedAt, view.error, view.cached], ["static", 500, "gone", true]);
  assert.deepEqual([view.retryLeft, view.throttleInflight, view.throttleWaiting], [3, 2, 4]);
  assert.deepEqual([view.calls, view.failed, view.inFlight, view.latency], [null, null, null, undefined]);
  assert.equal(discoveryProblem(view), "gone; kept from an earlier run");
});

Deno.test("upstreamView() of an upstream that no worker has told of says nothing", () => {
  const view = upstreamView(look([], []), new SeriesIndex([]), "users");
  assert.deepEqual([view.updatedAt, view.retryLeft, discoveryProblem(view)], [0, null, ""]);
});

Deno.test("attention() names upstreams in trouble, and is silent about those that are well", () => {
  assert.deepEqual(attention(look([row()], [told()])), []);
  assert.deepEqual(attention(look([], [])), []);
  const endpoints = [
    row({ state: "operator", cause: "slow disk" }),
    row({ slot: 1, worker: "2", state: "operator" }),
  ];
  const found = attention(look(
    [...endpoints, row({ slot: 1, worker: "2", address: "10.0.0.2:80" })],
    [told({ panic: true, breakers: "GET open" }), told({ slot: 1, worker: "2", updatedAt: 0 })],
  ));
  assert.deepEqual(found.map(({ tone, text }) => `${tone} ${text}`), [
    "bad users: worker 1 can use no endpoint",
    "bad users: so few endpoints are healthy that health is ignored",
    "bad users: breaker GET open",
    "warn users: discovery: no answer yet",
    "warn users: 10.0.0.1:80 was taken out of use by hand: slow disk",
  ]);
  for (const { href } of found) assert.equal(href, "/upstreams/users");
});
