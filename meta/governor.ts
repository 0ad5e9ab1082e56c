/**
 * The governor: the child process that serves the meta pages and watches endpoints for all workers. It joins the
 * supervisor, maps the statistics, hears every change of the supervisor's state, and answers on `meta.listen`. It looks
 * from outside: it never calls into the data path, and the service runs on without it. Its entry is governor.ts at the
 * root, which passes in what this layer does not know.
 */

import type { Channel, ChannelMessage } from "../core/channel.ts";
import { systemClock } from "../core/clock.ts";
import type { Log } from "../core/context.ts";
import type {
  EndpointsMessage,
  LogLevel,
  PlanMessage,
  Snapshot,
  StackRequest,
  SupervisorState,
} from "../core/control.ts";
import { createLogging, type Logging } from "../core/log/logging.ts";
import type { Plan } from "../core/manifest/plan.ts";
import { localStatsMemory, openStatsFile, type SlotWriter, type StatsMemory } from "../core/stats/mod.ts";
import { joinSupervisor } from "../core/supervisor/join_supervisor.ts";
import { keepBeating } from "../core/supervisor/keep_beating.ts";
import { needsWatching, type WatchEndpoints } from "../core/upstream/endpoint_feed_source.ts";
import { endpointCacheFolder } from "../core/upstream/endpoint_file.ts";
import { EndpointKeeper } from "../core/upstream/endpoint_file_keeper.ts";
import { sendSnapshots } from "../core/worker/send_snapshots.ts";
import { makeApp } from "./app.ts";
import type { CaptureStack } from "./capture_stacks.ts";
import { endpoints } from "./endpoints.ts";
import { Guard } from "./guard.ts";
import { Observer } from "./observer.ts";
import { recentLogs } from "./recent_logs.ts";
import { makeScrubber } from "./scrubber.ts";
import { type PageServers, servePages } from "./serve_pages.ts";

const tickMs = 1_000;
const rotateMs = 5_000;
const drainMs = 1_000;
const commandTimeoutMs = 5_000;

const capture: CaptureStack = async (inspector, timeoutMs) => {
  const { captureStack } = await import("../core/supervisor/capture_stack.ts");
  return await captureStack(inspector, timeoutMs);
};

/** What a governor is made from. */
export interface GovernorParts {
  /** Loads what watches endpoints; only called where a plan needs it. */
  watchEndpoints(): Promise<WatchEndpoints>;
}

/** Everything that lives as long as the process. */
class Governor {
  readonly #parts: GovernorParts;
  readonly #runtimeFolder: string;
  readonly #channel: Channel;
  readonly #plan: Plan;
  readonly #memory: StatsMemory;
  readonly #observer: Observer;
  readonly #slot: number;
  readonly #writer: SlotWriter;
  readonly #logging: Logging;
  readonly #log: Log;
  #rotating = false;
  #servers: PageServers | undefined;
  #keeper: Promise<EndpointKeeper> | undefined;
  /** Upstreams of the generation that a reload is starting. */
  #upcoming: Plan["upstreams"] = {};

  constructor(channel: Channel, message: PlanMessage, parts: GovernorParts) {
    const plan = message.plan as Plan;
    this.#parts = parts;
    this.#runtimeFolder = message.runtimeFolder;
    this.#channel = channel;
    this.#plan = plan;
    this.#memory = openMemory(message, plan);
    this.#slot = message.worker.slot;
    this.#writer = this.#memory.slot(this.#slot).writer({
      role: "governor",
      // Not its number: slots of equal ids are one worker to those who read them.
      id: "governor",
      generation: message.worker.generation,
    });
    this.#logging = createLogging(plan.logs, {
      process: { service: plan.service, role: "governor", id: message.worker.id, pid: Deno.pid },
      clock: systemClock,
      directory: message.runtimeFolder,
      stats: this.#writer,
      terminal: message.terminal,
    });
    this.#log = this.#logging.logger("meta");
    this.#observer = new Observer({
      plan,
      memory: this.#memory,
      startedAt: Date.now(),
      capture,
      logs: (filter) => recentLogs(message.runtimeFolder, filter),
      command: (request, timeoutMs) => channel.request({ ...request }, timeoutMs),
    });
  }

  /** Binds, reports ready, and starts to tick. Rejects when the pages cannot be served. */
  async start(): Promise<void> {
    this.#watchUpstreams();
    if (this.#plan.meta !== null) {
      const { listen, token } = this.#plan.meta;
      const guard = new Guard({ listen, token: token ?? "", hostname: Deno.hostname() });
      const app = makeApp({
        endpoints,
        guard,
        look: () => this.#observer.look(Date.now()),
        scrub: makeScrubber(this.#plan),
        onError: (path, error) => this.#log.error("cannot make a page", { path, error }),
        onCommand: (path) => this.#log.info("command", { path }),
      });
      this.#servers = await servePages(listen, (request) => app.fetch(request));
    }
    this.#tick();
    keepBeating(this.#writer, this.#plan.workers.hang);
    setInterval(() => this.#tick(), tickMs);
    this.#rotate();
    setInterval(() => this.#rotate(), rotateMs);
    this.#writer.state("ready");
    // Its heartbeat reaches the supervisor this way too; a silent process is taken for one that hangs.
    if (this.#memory.path === undefined) sendSnapshots(this.#channel, this.#writer, this.#slot);
    this.#channel.send({ type: "ready", addresses: { meta: this.#servers?.addresses ?? [] } });
  }

  /** Everything the supervisor says after the plan. */
  heard(message: ChannelMessage): unknown {
    if (message.type === "state") return this.#observer.heard(message as unknown as SupervisorState);
    if (message.type === "snapshot") return this.#apply(message as unknown as Snapshot);
    if (message.type === "watchUpstreams") {
      this.#upcoming = message.upstreams as Plan["upstreams"];
      return this.#watchUpstreams();
    }
    if (message.type === "stack") return this.#stack(message as unknown as StackRequest);
    if (message.type === "logLevel") return this.#setLevel(message as unknown as LogLevel);
    if (message.type === "reopenLogs") return this.#logging.reopen();
    if (message.type === "drain") return this.#drain();
  }

  /** Says why starting failed, here and to the supervisor, and exits. */
  async fail(error: unknown): Promise<never> {
    const text = error instanceof Error ? error.message : String(error);
    this.#log.error(text);
    await this.#logging.close();
    await this.#channel.send({ type: "failed", error: text });
    Deno.exit(1);
  }

  /** Watches the endpoints of the plan's upstreams and of those to come. Never rejects. */
  async #watchUpstreams(): Promise<void> {
    const upcoming = this.#upcoming;
    const needed = needsWatching(this.#plan) || needsWatching({ upstreams: upcoming });
    if (!needed && this.#keeper === undefined) return;
    try {
      this.#keeper ??= this.#makeKeeper();
      const keeper = await this.#keeper;
      if (upcoming === this.#upcoming) keeper.watch(this.#plan.upstreams, upcoming);
    } catch (error) {
      this.#keeper = undefined;
      this.#log.error("cannot watch the endpoints of upstreams", { error });
    }
  }

  async #makeKeeper(): Promise<EndpointKeeper> {
    return new EndpointKeeper({
      watchEndpoints: await this.#parts.watchEndpoints(),
      runtimeFolder: this.#runtimeFolder,
      cacheFolder: endpointCacheFolder(this.#plan),
      clock: systemClock,
      log: this.#logging.logger("upstreams"),
      tell: (message: EndpointsMessage) => this.#channel.send({ ...message }),
    });
  }

  #tick(): void {
    this.#observer.tick(Date.now(), performance.now());
  }

  /** This process rotates for all: exactly one must. */
  async #rotate(): Promise<void> {
    if (this.#rotating) return;
    this.#rotating = true;
    try {
      const { rotateIfNeeded } = await import("../core/log/rotate.ts");
      const { rotated, errors } = await rotateIfNeeded(this.#plan.logs);
      for (const error of errors) this.#log.error("cannot rotate a log file", { error });
      if (rotated.length > 0) await this.#channel.request({ type: "reopenLogs" }, commandTimeoutMs);
    } catch (error) {
      this.#log.error("cannot have the log files reopened", { error });
    } finally {
      this.#rotating = false;
    }
  }

  #setLevel({ logger, level, ttlMs }: LogLevel): void {
    this.#logging.setLevel(logger, level, ttlMs);
  }

  #apply({ slot, bytes }: Snapshot): void {
    if (this.#memory.path !== undefined) return;
    try {
      this.#memory.applySnapshot(slot, Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0)));
    } catch (error) {
      this.#log.warn("cannot take a snapshot", { slot, error });
    }
  }

  #stack({ inspector, timeoutMs }: StackRequest): ReturnType<CaptureStack> {
    return capture(inspector, Math.min(Math.max(timeoutMs, 1), 10_000));
  }

  async #drain(): Promise<void> {
    this.#writer.state("draining");
    await this.#keeper?.then((keeper) => keeper.close()).catch((error) =>
      this.#log.warn("endpoints are not watched to the end", { error })
    );
    await this.#servers?.close(drainMs);
    await this.#logging.close();
    this.#writer.close();
    await this.#channel.send({ type: "drained", left: 0 });
    Deno.exit(0);
  }
}

/** The mapped file, or where there is none a memory of our own that snapshots fill: two generations and room to spare. */
function openMemory({ stats, worker }: PlanMessage, { workers }: Plan): StatsMemory {
  if (stats.path !== null) return openStatsFile(stats.path);
  return localStatsMemory(Math.min(256, Math.max(64, 2 * workers.count + 8, worker.slot + 1)));
}

/** Joins, starts and stays; where that fails, says so and exits. The whole life of a governor process. */
export async function runGovernor(parts: GovernorParts): Promise<void> {
  const early: ChannelMessage[] = [];
  let hear: (message: ChannelMessage) => unknown = (message) => void early.push(message);
  const { channel, plan } = await joinSupervisor((message) => hear(message));
  let governor: Governor;
  try {
    governor = new Governor(channel, plan, parts);
  } catch (error) {
    // No statistics or no logs: there is nothing to show, and nobody to tell but the supervisor.
    await channel.send({ type: "failed", error: error instanceof Error ? error.message : String(error) });
    Deno.exit(1);
  }
  hear = (message) => governor.heard(message);
  for (const message of early) governor.heard(message);
  try {
    await governor.start();
  } catch (error) {
    await governor.fail(error);
  }
}
