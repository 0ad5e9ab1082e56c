/**
 * One worker in the caller's own process: no children, no meta pages, nobody who replaces it. For tests, debuggers and
 * profilers. Binds every address itself, also those that a supervisor would accept on.
 */
import { type Clock, systemClock } from "../clock.ts";
import { createLogging } from "../log/mod.ts";
import type { Plan } from "../manifest/plan.ts";
import { localStatsMemory } from "../stats/mod.ts";
import { createEndpointFeed } from "../upstream/endpoint_feed.ts";
import { needsWatching, type WatchEndpoints } from "../upstream/endpoint_feed_source.ts";
import { startWorker, type WorkerInit } from "../worker/worker.ts";

/** What a worker is put together from: the protocols and the filters there are. */
export interface WorkerParts extends Pick<WorkerInit, "protocols" | "filters" | "upstreams"> {
  /** Loads what watches endpoints in this process; asked for only where there is something to watch. */
  watchEndpoints?: () => Promise<WatchEndpoints>;
}

/** A worker in this process. */
export interface InProcess {
  readonly plan: Plan;
  readonly addresses: Record<string, string[]>;
  /** Finishes what is in flight, within `workers.drain`; resolves with the number of connections that were cut. */
  drain(): Promise<number>;
}

/** Starts it; resolves when it listens. Rejects, with everything freed, when any part cannot be made. */
export async function runInProcess(
  plan: Plan,
  parts: WorkerParts,
  options: { clock?: Clock; terminal?: boolean } = {},
): Promise<InProcess> {
  const clock = options.clock ?? systemClock;
  const logging = createLogging(plan.logs, {
    process: { service: plan.service, role: "worker", id: 1, pid: Deno.pid },
    clock,
    ...(options.terminal === undefined ? {} : { terminal: options.terminal }),
  });
  const memory = localStatsMemory(1);
  const place = { id: 1, slot: 0, generation: 1, alone: true };
  const { watchEndpoints, ...built } = parts;
  const endpoints = createEndpointFeed({
    plan,
    runtimeFolder: null,
    cacheFolder: null,
    clock,
    log: logging.logger("upstreams"),
    watchEndpoints: needsWatching(plan) ? await watchEndpoints?.() : undefined,
  });
  const worker = await startWorker({ plan, ...place, ...built, endpoints, memory, logging, clock });
  return {
    plan,
    addresses: worker.addresses,
    async drain() {
      const left = await worker.drain({ keepAcceptingMs: 0, drainMs: plan.workers.drain, steer: null });
      await worker.close();
      await endpoints.close();
      await logging.close();
      return left;
    },
  };
}
