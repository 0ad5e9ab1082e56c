/**
 * Entry of a worker process: joins the supervisor, gets the Plan, becomes the I/O kernel and serves until it is told to
 * drain. Loads neither the YAML parser nor the schema library.
 */
import type { ChannelMessage } from "./core/channel.ts";
import { systemClock } from "./core/clock.ts";
import type { Drain, Failed, LogLevel, SteerAway, UpstreamCommand } from "./core/control.ts";
import { captureConsole, createLogging } from "./core/log/mod.ts";
import type { Plan } from "./core/manifest/plan.ts";
import { localStatsMemory, openStatsFile } from "./core/stats/mod.ts";
import { createEndpointFeed, type WorkerEndpointFeed } from "./core/upstream/endpoint_feed.ts";
import { endpointCacheFolder } from "./core/upstream/endpoint_file.ts";
import { RequiredUpstreamError } from "./core/upstream/required_upstream_error.ts";
import { joinSupervisor } from "./core/supervisor/join_supervisor.ts";
import { sendSnapshots } from "./core/worker/send_snapshots.ts";
import { askForShortSlices } from "./core/worker/short_slices.ts";
import { startWorker, type Worker } from "./core/worker/worker.ts";
import { protocols, serverFilters, upstreamParts } from "./protocols.ts";

let worker: Worker | undefined;
let ending = false;
let feed: WorkerEndpointFeed | undefined = undefined;
const early: ChannelMessage[] = [];

const { channel, plan: told } = await joinSupervisor((message) => {
  // A worker that starts may wait for endpoints.
  if (message.type === "endpoints" && feed) feed.heard(message);
  else if (worker) obey(worker, message);
  else early.push(message);
});
const plan = told.plan as Plan;
const { id, slot, generation } = told.worker;
const memory = told.stats.path === null ? localStatsMemory(slot + 1) : openStatsFile(told.stats.path);
const stats = memory.slot(slot).writer({ role: "worker", id, generation });
const logging = createLogging(plan.logs, {
  process: { role: "worker", id, pid: Deno.pid, service: plan.service },
  clock: systemClock,
  directory: told.runtimeFolder,
  stats,
  terminal: told.terminal ?? false,
});
const log = logging.logger("worker");
captureConsole(logging.logger("console"));

// What nobody caught is a defect of user code, and no reason to drop the requests of everybody else.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  log.error("unhandled rejection", { error: event.reason });
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  log.error("uncaught error", { error: event.error });
});

feed = createEndpointFeed({
  plan,
  runtimeFolder: told.runtimeFolder,
  cacheFolder: endpointCacheFolder(plan),
  clock: systemClock,
  log: logging.logger("upstreams"),
});

try {
  worker = await startWorker({
    plan,
    id,
    slot,
    generation,
    memory,
    stats,
    logging,
    protocols,
    filters: serverFilters,
    upstreams: upstreamParts,
    endpoints: feed,
    onFatal: (cause, error) => worker && end(worker, cause, error),
  });
} catch (error) {
  const temporary = error instanceof RequiredUpstreamError;
  const text = error instanceof Error
    ? (temporary ? error.message : error.stack ?? error.message)
    : String(error);
  log.error("cannot start", temporary ? { cause: text } : { error });
  await logging.close();
  await channel.send({ type: "failed", error: text, temporary } satisfies Failed);
  Deno.exit(1);
}
// A sibling that never stops must not make this one wait a whole slice whenever it wakes. Not before it serves: those who
// do so already go first. The pool's threads are there by now, and keep the slices of those who compute.
askForShortSlices(0.1);
if (told.stats.path === null) sendSnapshots(channel, stats, slot);
adoptHandedSockets(worker);
for (const message of early.splice(0)) obey(worker, message);
channel.send({ type: "ready", addresses: worker.addresses });

function obey(worker: Worker, message: ChannelMessage): void {
  switch (message.type) {
    case "drain":
      stop(worker, message as unknown as Drain);
      return;
    case "steerAway":
      return worker.steerAway(message as unknown as SteerAway);
    case "unsteer":
      return worker.unsteer();
    case "endpoints":
      return feed?.heard(message);
    case "upstreamCommand":
      return worker.upstreams?.obey(message as unknown as UpstreamCommand);
    case "reopenLogs":
      return logging.reopen();
    case "logLevel": {
      const { logger, level, ttlMs } = message as unknown as LogLevel;
      try {
        return logging.setLevel(logger, level, ttlMs);
      } catch (error) {
        return log.warn("level not set", { error });
      }
    }
  }
}

/** Ends for a cause of its own, in order; whoever supervises it starts another. */
async function end(worker: Worker, cause: string, error: unknown): Promise<void> {
  if (ending) return;
  ending = true;
  log.error("the worker ends", { cause });
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  channel.send({ type: "failed", error: text, cause });
  await worker.drain({ keepAcceptingMs: 0, drainMs: plan.workers.drain, steer: null }).catch((error) =>
    log.error("drain failed", { error })
  );
  await logging.close();
  Deno.exit(1);
}

async function stop(worker: Worker, drain: Drain): Promise<void> {
  if (ending) return;
  ending = true;
  const onUnbound = () => void channel.send({ type: "unbound" });
  const left = await worker.drain({ ...drain, onUnbound }).catch((error) => {
    log.error("drain failed", { error });
    return 0;
  });
  await logging.close();
  await channel.send({ type: "drained", left });
  Deno.exit(0);
}

/** Sockets that the supervisor accepted arrive over the runtime's IPC pipe, where there is one. */
async function adoptHandedSockets(worker: Worker): Promise<void> {
  if (!Deno.env.has("WEIR_IPC")) return;
  const { default: process } = await import("node:process");
  process.on("message", (message: { type?: string; listener?: string }, socket: unknown) => {
    if (message.type !== "socket") return;
    if (socket) worker.adopt(String(message.listener), socket);
    channel.send({ type: "took" });
  });
}
