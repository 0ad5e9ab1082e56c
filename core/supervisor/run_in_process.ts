/**
 * One worker in the caller's own process, and what ships its streams: no children, no meta pages, nobody who replaces
 * it. For tests, debuggers and profilers. Binds every address itself, also those that a supervisor would accept on.
 */
import { type Clock, systemClock } from "../clock.ts";
import { createLogging } from "../log/mod.ts";
import type { Plan } from "../manifest/plan.ts";
import { localStatsMemory, type StatsMemory } from "../stats/mod.ts";
import type { MakeSink } from "../stream/contract.ts";
import type { Shipper } from "../stream/shipper.ts";
import { createEndpointFeed } from "../upstream/endpoint_feed.ts";
import { needsWatching, type WatchEndpoints } from "../upstream/endpoint_feed_source.ts";
import { startWorker, type WorkerInit } from "../worker/worker.ts";

/** What a worker is put together from: the protocols and the filters there are. */
export interface WorkerParts extends Pick<WorkerInit, "protocols" | "filters" | "upstreams"> {
  /** Loads what watches endpoints in this process; asked for only where there is something to watch. */
  watchEndpoints?: () => Promise<WatchEndpoints>;
  /** Loads what sends the records of streams; asked for only where there are some. */
  sinks?: () => Promise<Readonly<Record<string, () => Promise<MakeSink>>>>;
}

/** For shipping what is left where the worker has used up `workers.drain`, ms. */
const leastShippingMs = 2000;

/** A worker in this process. */
export interface InProcess {
  readonly plan: Plan;
  readonly addresses: Record<string, string[]>;
  /**
   * Finishes what is in flight, within `workers.drain`, and ships what is in the spools in what is left of it; resolves with
   * the number of connections that were cut.
   */
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
  const memory = localStatsMemory(2);
  const place = { id: 1, slot: 0, generation: 1, alone: true };
  const { watchEndpoints, sinks, ...built } = parts;
  const endpoints = createEndpointFeed({
    plan,
    runtimeFolder: null,
    cacheFolder: null,
    clock,
    log: logging.logger("upstreams"),
    watchEndpoints: needsWatching(plan) ? await watchEndpoints?.() : undefined,
  });
  const worker = await startWorker({ plan, ...place, ...built, endpoints, memory, logging, clock });
  const shipping = await ship(plan, sinks, memory, clock, options).catch(async (error) => {
    await worker.close();
    await endpoints.close();
    await logging.close();
    throw error;
  });
  return {
    plan,
    addresses: worker.addresses,
    async drain() {
      const until = clock.now() + plan.workers.drain;
      const left = await worker.drain({ keepAcceptingMs: 0, drainMs: plan.workers.drain, steer: null });
      await worker.close();
      await shipping?.drain(Math.max(leastShippingMs, until - clock.now()));
      await endpoints.close();
      await logging.close();
      return left;
    },
  };
}

/** What a shipper process does, beside the worker. Loaded only where there are streams. */
async function ship(
  plan: Plan,
  sinks: WorkerParts["sinks"],
  memory: StatsMemory,
  clock: Clock,
  options: { terminal?: boolean },
): Promise<Pick<Shipper, "drain"> | undefined> {
  if (Object.keys(plan.streams).length === 0) return undefined;
  if (sinks === undefined) throw new TypeError("Cannot ship streams: nothing is given to send records with");
  const { startShipper } = await import("../stream/shipper.ts");
  const stats = memory.slot(1).writer({ role: "shipper", id: "shipper", generation: 1 });
  // Logs of its own: what it says of a stream must not go into that stream.
  const logging = createLogging(plan.logs, {
    process: { service: plan.service, role: "shipper", id: 1, pid: Deno.pid },
    clock,
    ...options,
  });
  const close = async () => {
    await logging.close();
    stats.close();
  };
  let shipper: Shipper;
  try {
    shipper = startShipper({
      plan,
      sinks: await sinks(),
      publish: (stream, figures) => stats.streams.set(stream, figures),
      stats,
      clock,
      logger: (name) => logging.logger(name),
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async drain(drainMs) {
      const left = await shipper.drain(drainMs);
      const records = Object.fromEntries(Object.entries(left).filter(([, count]) => count > 0));
      if (Object.keys(records).length > 0) {
        logging.logger("streams").warn("records stay in the spool", { records });
      }
      await close();
      return left;
    },
  };
}
