/** A worker in the test's own process whose only route is a proxy, with the plainest policies there can be. */
import assert from "node:assert/strict";
import { systemClock } from "../../../../core/clock.ts";
import type { Endpoint } from "../../../../core/endpoint.ts";
import { createLogging } from "../../../../core/log/logging.ts";
import { compile } from "../../../../core/manifest/mod.ts";
import { localStatsMemory } from "../../../../core/stats/mod.ts";
import type { UpstreamParts } from "../../../../core/upstream/contract.ts";
import { startWorker, type Worker } from "../../../../core/worker/worker.ts";
import { httpUpstream } from "../../client/mod.ts";
import { http } from "../../mod.ts";
import { freePorts } from "../../../../tests/provision.ts";

/** Takes turns, believes everybody to be well, tries once. */
function plainParts(): UpstreamParts {
  return {
    protocols: [httpUpstream],
    selector: () => {
      let endpoints: Endpoint[] = [];
      let turn = 0;
      return {
        panic: false,
        pick: () => endpoints[turn++ % endpoints.length],
        update(added, removed) {
          endpoints = [...endpoints.filter((one) => !removed.includes(one)), ...added];
        },
        started() {},
        ended() {},
        healthChanged() {},
        tick() {},
      };
    },
    health: () => ({
      probes: [],
      update() {},
      ended() {},
      eject() {},
      restore() {},
      admits: () => true,
      tick() {},
      probed() {},
    }),
    retry: () => ({ deposit() {}, next: () => -1, left: () => 0 }),
    hedge: () => undefined,
    breakers: () => undefined,
    throttle: () => undefined,
  };
}

/** What can be asked of {@link serveProxy}. */
export interface ProxyKeys {
  /** Keys of the route, beside its upstream. */
  route?: Record<string, unknown>;
  /** Keys of the listener. */
  listener?: Record<string, unknown>;
  /** Keys of the upstream. */
  upstream?: Record<string, unknown>;
}

/** A running proxy. */
export interface ServedProxy extends AsyncDisposable {
  readonly worker: Worker;
  readonly port: number;
  readonly url: string;
}

/** Serves on a free port what comes from `endpoints` (`127.0.0.1:port`). */
export async function serveProxy(endpoints: readonly string[], keys: ProxyKeys = {}): Promise<ServedProxy> {
  const { plan, diagnostics } = compile({
    service: "test",
    meta: false,
    listeners: {
      api: {
        protocol: "http",
        listen: `127.0.0.1:${freePorts(1, { from: 21_600, to: 22_399 })[0]}`,
        routes: [{ upstream: "users", ...keys.route }],
        ...keys.listener,
      },
    },
    upstreams: { users: { protocol: "http", discover: { static: [...endpoints] }, ...keys.upstream } },
    logs: { level: "error" },
  });
  assert.ok(plan, JSON.stringify(diagnostics));
  const logging = createLogging(plan.logs, {
    process: { role: "worker", id: 1, pid: Deno.pid, service: "test" },
    clock: systemClock,
    console: { write: (lines) => Promise.resolve({ written: lines.length }), close() {} },
  });
  const worker = await startWorker({
    plan,
    id: 1,
    slot: 0,
    generation: 1,
    memory: localStatsMemory(2),
    logging,
    protocols: [http],
    filters: [],
    upstreams: plainParts(),
    alone: true,
  });
  const address = worker.addresses.api![0]!;
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  return {
    worker,
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await worker.close();
      await logging.close();
    },
  };
}
