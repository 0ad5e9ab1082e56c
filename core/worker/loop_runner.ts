/**
 * One loop in this worker: starts its runs when loop_schedule.ts says so and, where it is `on: oneWorker`, while the lease
 * is held (loop_lease.ts); bounds them, counts them, tells of their failures, and shows each in the table of requests in
 * flight. A run is a call like that of a listener, with the same context.
 */
import type { Clock } from "../clock.ts";
import type { Context, Log } from "../context.ts";
import type { LoopPlan } from "../manifest/plan.ts";
import { Phase } from "../protocol.ts";
import type { LoopFigures, SlotWriter } from "../stats/mod.ts";
import { type CallHost, type CallPeer, RequestCall } from "./call.ts";
import type { LoopLease } from "./loop_lease.ts";
import { LoopSchedule } from "./loop_schedule.ts";
import { LoopSeries } from "./loop_series.ts";

/** A loop's code; what it returns is awaited and means nothing. */
export type LoopHandler = (context: Context) => unknown;

/** What a runner is made from. */
export interface LoopRunnerParts {
  name: string;
  plan: LoopPlan;
  handler: LoopHandler;
  /** `loops.<name>`. */
  log: Log;
  stats: SlotWriter;
  clock: Clock;
  /** Undefined: it runs in every worker. */
  lease: LoopLease | undefined;
  /** What its calls share with those of listeners. */
  host: Pick<CallHost, "userStats" | "config" | "pool" | "upstreamHandle" | "streamHandle">;
  /** A loop that is `fatal` failed: the worker is to end. */
  onFatal(cause: string, error: unknown): void;
}

/** First runs in every worker are spread over this share of `every`, and this time at most, ms. */
const spreadShare = 0.1;
const mostSpreadMs = 10_000;
/** The runtime's timers take no more than 2³¹ ms. */
const longestTimerMs = 2 ** 30;

const peer: CallPeer = {
  address: "",
  client: "",
  tls: false,
  row: -1,
  requests: 0,
  gone: false,
  left: false,
  watchers: undefined,
  peerLeft: () => false,
};

/** See the module's header. */
export class LoopRunner {
  readonly name: string;
  readonly #parts: LoopRunnerParts;
  readonly #schedule: LoopSchedule;
  readonly #series: LoopSeries;
  readonly #index: number;
  readonly #host: CallHost;
  readonly #idle = Promise.withResolvers<void>();
  #count = 0;
  #call: RequestCall | undefined;
  #timer: (() => void) | undefined;
  /** It may run here. */
  #mine: boolean;
  #stopping = false;
  #closed = false;
  /** The current run was told to end. */
  #aborted = false;
  readonly #figures: LoopFigures = {
    state: "standby",
    failures: 0,
    runs: 0,
    errors: 0,
    startedAt: 0,
    durationMs: -1,
    nextAt: 0,
    error: "",
    errorAt: 0,
  };

  constructor(parts: LoopRunnerParts) {
    const { name, plan, clock, stats, log, host } = parts;
    this.name = name;
    this.#parts = parts;
    this.#mine = parts.lease === undefined;
    const spreadMs = this.#mine ? Math.min(plan.every * spreadShare, mostSpreadMs) * clock.random() : 0;
    this.#schedule = new LoopSchedule(
      { everyMs: plan.every, timeoutMs: plan.timeout },
      clock.now() + spreadMs,
    );
    this.#series = new LoopSeries(name, stats);
    this.#index = stats.intern(`loops.${name}`);
    this.#host = {
      log,
      userStats: host.userStats,
      config: host.config,
      inflight: stats.inflight,
      pool: host.pool,
      upstreamHandle: host.upstreamHandle,
      streamHandle: host.streamHandle,
      get epochOffset() {
        return clock.epoch() - clock.now();
      },
      get now() {
        return clock.now();
      },
      identify: (id) => ({ id: id as string }),
      nextRequestId: () => "",
    };
  }

  /** From now on it runs. Called once. */
  start(): void {
    this.look(this.#parts.clock.now());
    this.#arm();
    this.#publish();
  }

  /** Looks at its lease; to be called every `leasePeriodMs` where it has one. */
  look(now: number): void {
    const { lease, plan, clock } = this.#parts;
    if (!lease || this.#closed) return;
    const running = this.#schedule.running;
    const change = lease.look(now, !running && !this.#stopping);
    if (change === "taken") {
      this.#mine = true;
      // The beats of whoever ran it before go on.
      const since = lease.lastStart === 0 ? Infinity : Math.max(0, clock.epoch() - lease.lastStart);
      this.#schedule.moveTo(now + Math.max(0, plan.every - since));
      this.#parts.log.info("runs in this worker now");
    } else if (change === "lost") {
      this.#mine = false;
      this.#abort();
      this.#parts.log.warn("another worker has taken it: this one was silent for too long", { running });
    } else if (this.#mine && !running && lease.wanted) this.#yield();
    else return;
    this.#arm();
    this.#publish();
  }

  /** No further run; the one that runs is told to end. Resolves when it has. */
  stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#timer?.();
      if (this.#schedule.running) this.#abort();
      else this.#rest();
      this.#publish();
    }
    return this.#idle.promise;
  }

  /** Whether a run goes on. */
  get running(): boolean {
    return this.#schedule.running;
  }

  /** Stops, and touches nothing any more, also when the current run ends. */
  close(): void {
    this.stop();
    this.#closed = true;
  }

  #yield(): void {
    this.#mine = false;
    this.#parts.lease!.release();
  }

  /** Nothing runs and nothing will. */
  #rest(): void {
    this.#parts.lease?.release();
    this.#mine = false;
    this.#idle.resolve();
  }

  #arm(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (this.#stopping || !(this.#mine || this.#schedule.running)) return;
    const { wakeAt } = this.#schedule;
    if (wakeAt === Infinity) return;
    const delayMs = Math.max(0, Math.min(longestTimerMs, Math.ceil(wakeAt - this.#parts.clock.now())));
    this.#timer = this.#parts.clock.after(delayMs, () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    const now = this.#parts.clock.now();
    if (this.#schedule.expire(now)) this.#expired();
    else if (this.#schedule.isDue(now)) {
      const { lease } = this.#parts;
      if (!lease || lease.held) return this.#run(now);
      this.look(now);
    }
    this.#arm();
  }

  #run(now: number): void {
    const { clock, handler, stats, plan, lease } = this.#parts;
    this.#series.skipped(this.#schedule.begin(now));
    const epoch = clock.epoch();
    const id = `loop-${this.name}-${++this.#count}`;
    const row = stats.inflight.begin(this.#index, -1, epoch, id);
    stats.inflight.phase(row, Phase.serving);
    lease?.started(epoch);
    const deadlineAt = plan.timeout > 0 ? now + plan.timeout : Infinity;
    const call = new RequestCall(this.#host, { ...peer }, id, id, now, deadlineAt, row);
    this.#call = call;
    this.#aborted = false;
    this.#figures.startedAt = epoch;
    this.#figures.runs = this.#count;
    this.#publish();
    let result: unknown;
    try {
      result = handler(call);
    } catch (error) {
      return this.#end(call, { error });
    }
    if (!isThenable(result)) return this.#end(call);
    Promise.resolve(result).then(() => this.#end(call), (error) => this.#end(call, { error }));
    this.#arm();
  }

  /** Its time is over: it is told so, and counts as failed. */
  #expired(): void {
    const { log, plan } = this.#parts;
    const error = `no end within ${plan.timeout} ms`;
    this.#series.timeout();
    this.#failed(error);
    log.error("a run is past its timeout", { run: this.#call!.text, timeoutMs: plan.timeout });
    this.#abort("deadline");
    this.#publish();
    if (plan.fatal) this.#fatal(error, error);
  }

  #abort(reason: "deadline" | "drain" = "drain"): void {
    const call = this.#call;
    if (!call) return;
    if (reason === "drain") this.#aborted = true;
    // Whoever asks for the signal later must find it aborted.
    void call.signal;
    call.release(reason);
  }

  #end(call: RequestCall, failure?: { error: unknown }): void {
    if (this.#closed) return;
    const { log, stats, clock, plan } = this.#parts;
    const now = clock.now();
    const tookMs = now - call.startedAt;
    const schedule = this.#schedule;
    const late = schedule.late;
    call.ended = true;
    stats.inflight.end(call.row);
    call.row = -1;
    call.release();
    this.#call = undefined;
    // What fails because it was told to end has not failed.
    const stopped = this.#aborted && failure !== undefined;
    const failed = failure !== undefined && !late && !stopped;
    this.#series.skipped(schedule.end(now, !failed));
    this.#series.duration(tookMs);
    this.#figures.durationMs = tookMs;
    if (late) {
      log.warn("a run has ended after its timeout", { run: call.text, ms: Math.round(tookMs), ...failure });
    } else if (failed) {
      this.#series.error();
      this.#failed(textOf(failure.error));
      const nextInMs = Math.round(schedule.dueAt - now);
      log.error("a run failed", { ...failure, run: call.text, failures: schedule.failures, nextInMs });
      if (plan.fatal) this.#fatal(textOf(failure.error), failure.error);
    } else this.#series.ok();
    if (this.#stopping) this.#rest();
    else if (this.#mine && this.#parts.lease?.wanted) this.#yield();
    this.#arm();
    this.#publish();
  }

  #failed(error: string): void {
    this.#figures.errors++;
    this.#figures.error = error;
    this.#figures.errorAt = this.#parts.clock.epoch();
  }

  #fatal(cause: string, error: unknown): void {
    if (!this.#stopping) this.#parts.onFatal(`loops.${this.name} failed: ${cause}`, error);
  }

  #publish(): void {
    if (this.#closed) return;
    const { clock, stats } = this.#parts;
    const schedule = this.#schedule;
    const figures = this.#figures;
    const planned = this.#mine && !schedule.running && !this.#stopping;
    figures.state = schedule.running
      ? schedule.late ? "late" : "running"
      : this.#stopping
      ? "stopped"
      : !this.#mine
      ? "standby"
      : schedule.failures > 0
      ? "backingOff"
      : "waiting";
    figures.failures = schedule.failures;
    figures.nextAt = planned ? clock.epoch() + Math.max(0, schedule.dueAt - clock.now()) : 0;
    stats.loops.set(this.name, figures);
    this.#series.now(figures);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return "an error that cannot be shown";
  }
}
