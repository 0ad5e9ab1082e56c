import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import { Endpoint, type EndpointSpec } from "../endpoint.ts";
import { localStatsMemory, readEndpoints, readUpstreams } from "../stats/mod.ts";
import type { Breakers, BreakerState } from "./contract.ts";
import { type ShownUpstream, UpstreamRows } from "./upstream_rows.ts";

const clock = { epoch: () => 1_000_000 } as Clock;

function setUp(more: Partial<ShownUpstream> = {}) {
  const memory = localStatsMemory(1);
  const rows = new UpstreamRows(memory.slot(0).writer({ role: "worker", id: 1 }), clock);
  const endpoints = new Map<string, Endpoint>();
  const shown: ShownUpstream = {
    name: "users",
    endpoints,
    pools: new Map(),
    source: { source: "static", updatedAt: 500, error: "", cached: false },
    selector: { panic: false },
    breakers: undefined,
    retry: { left: () => 7.5 },
    throttle: undefined,
    ...more,
  };
  const add = (address: string, role: string | null = null) => {
    const spec: EndpointSpec = { address, weight: 2, role, priority: 1 };
    const endpoint = new Endpoint(endpoints.size, spec);
    endpoints.set(endpoint.key, endpoint);
    return endpoint;
  };
  return { memory, rows, shown, endpoints, add };
}

Deno.test("tick() shows every endpoint as it is, once a second", () => {
  const { memory, rows, shown, add } = setUp();
  const ejected = add("10.0.0.1:80", "replica");
  Object.assign(ejected, { healthy: false, why: "ejected", until: 130_000, cause: "5 failures in a row" });
  Object.assign(ejected, { attempts: 9, failures: 6, ewmaMs: 4, inflight: 2 });
  const stopped = add("10.0.0.2:80");
  Object.assign(stopped, { healthy: false, why: "operator", until: Infinity, cause: "it burns" });
  const pool = { idle: 1, size: 3, waiters: 4, waitingSince: 99_000 };
  const pools = new Map([[ejected, pool]]);
  rows.tick({ ...shown, pools }, 100_000);
  const [first, second] = readEndpoints(memory).rows;
  assert.deepEqual(first, {
    slot: 0,
    worker: "1",
    upstream: "users",
    address: "10.0.0.1:80",
    role: "replica",
    state: "ejected",
    until: 1_030_000,
    cause: "5 failures in a row",
    weight: 2,
    priority: 1,
    ewmaMs: 4,
    inflight: 2,
    idle: 1,
    busy: 2,
    waiters: 4,
    attempts: 9,
    failures: 6,
    oldestMs: 1000,
  });
  assert.deepEqual([second!.state, second!.until, second!.cause], ["operator", 0, "it burns"]);
  Object.assign(stopped, { healthy: true, why: "", until: 0 });
  rows.tick(shown, 100_999);
  assert.equal(readEndpoints(memory).rows[1]!.state, "operator");
  rows.tick(shown, 101_000);
  assert.deepEqual(readEndpoints(memory).rows.map(({ state, cause, busy }) => [state, cause, busy]), [
    ["ejected", "5 failures in a row", 0],
    ["usable", "", 0],
  ]);
});

Deno.test("tick() keeps a removed endpoint until its last reply is there, also beside one of the same address", () => {
  const { memory, rows, shown, endpoints, add } = setUp();
  const old = add("10.0.0.1:80");
  old.inflight = 1;
  rows.tick(shown, 0);
  old.removed = true;
  endpoints.clear();
  rows.tick(shown, 1000);
  assert.deepEqual(readEndpoints(memory).rows.map(({ state }) => state), ["removed"]);
  add("10.0.0.1:80");
  rows.tick(shown, 2000);
  assert.deepEqual(readEndpoints(memory).rows.map(({ state }) => state).sort(), ["removed", "usable"]);
  old.inflight = 0;
  rows.tick(shown, 3000);
  assert.deepEqual(readEndpoints(memory).rows.map(({ state }) => state), ["usable"]);
  rows.end();
  assert.equal(readEndpoints(memory).total, 0);
});

Deno.test("tick() shows the upstream with its breakers that are not closed", () => {
  const states: Record<string, BreakerState["state"]> = { users: "open", GET: "closed", PUT: "forcedOpen" };
  for (let n = 0; n < 9; n++) states[`m${n}`] = "halfOpen";
  const list = () =>
    Object.keys(states).map((key) => ({ key, state: () => ({ state: states[key] }) as BreakerState }));
  const breakers = { per: "method", list } as unknown as Breakers;
  const throttle = { inflight: 3, waiting: 2 } as ShownUpstream["throttle"];
  const source = { source: "dns users.internal", updatedAt: 12, error: "no such name", cached: true };
  const { memory, rows, shown } = setUp({ breakers, throttle, source, selector: { panic: true } });
  rows.tick(shown, 0);
  assert.deepEqual(readUpstreams(memory).rows, [{
    slot: 0,
    worker: "1",
    upstream: "users",
    ...source,
    panic: true,
    breakers:
      "open, PUT forcedOpen, m0 halfOpen, m1 halfOpen, m2 halfOpen, m3 halfOpen, m4 halfOpen, m5 halfOpen and 3 more",
    retryLeft: 7.5,
    throttleInflight: 3,
    throttleWaiting: 2,
  }]);
});
