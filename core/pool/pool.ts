/**
 * A named pool of threads: the bounded queue in front of them, the time limits, and the replacement of threads that are
 * stuck or lost. Handlers that would block the I/O thread run here.
 *
 * One call at a time per thread, in pools of both kinds: "threads: 10" means ten calls run at once, as users of blocking
 * code expect. Calls overlap on a thread only where one awaits another pool: it then gives its turn to the next call, so a
 * thread is never held by a call that waits for a thread, and nested pools cannot deadlock (A calls B calls A included).
 * The kinds differ in how an idle thread waits: a `cpu` thread blocks for up to 2 ms at a time, because it wakes faster
 * that way; an `io` thread never blocks its event loop, because its handlers keep connections and timers.
 *
 * Short calls are handed to threads a few at a time, since waking a thread costs more than they do; what a thread has not
 * begun with can be taken back: by a caller that leaves, by the time limit, and by another thread that is idle.
 */
import { pathToFileURL } from "node:url";
import { type Clock, jitter, systemClock } from "../clock.ts";
import type { Log, PoolHandle } from "../context.ts";
import { ServiceError } from "../errors.ts";
import type {
  BoundService,
  DispatchOptions,
  PoolDescription,
  PoolOptions,
  PoolSettings,
  RunOptions,
} from "./pool_options.ts";
import { EarliestTimer } from "./earliest_timer.ts";
import { ForwardedWriter } from "./forwarded.ts";
import { Job } from "./job.ts";
import { type PoolMetrics, poolMetrics } from "./pool_metrics.ts";
import { lostError, PoolThread, type ThreadEvents } from "./pool_thread.ts";
import { Place } from "./place.ts";
import { waitAsync } from "./ring.ts";
import type { FromThread, ServiceSource } from "./thread_protocol.ts";
import { WaitingJobs } from "./waiting_jobs.ts";
import { encodeError } from "./wire_error.ts";

/** Run time that is handed to a thread in advance: 0.4 ms. */
const lnAheadMs = Math.log(0.4);
const maxAhead = 64;
const crowd = 4;
/** How long a job may sit in a thread's ring while the thread shows no progress and another one is idle. */
const stealMs = 1;
const idleBlockMs = 2;
/** A thread with this many calls that were given up but never settled is replaced. */
const maxAbandoned = 16;
const backOffMs = { first: 100, most: 10_000 };

/** Starts a pool; its threads begin to start at once. */
export function createPool(name: string, plan: PoolSettings, options: PoolOptions): Pool {
  return new Pool(name, plan, options);
}

/** A pool of threads; make it with {@link createPool}. */
export class Pool implements PoolHandle {
  readonly name: string;
  readonly plan: PoolSettings;
  /** Resolves when every thread is ready; rejects with the first error that keeps one from becoming so. */
  readonly ready: Promise<void>;
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: PoolMetrics;
  readonly #forwarded: ForwardedWriter;
  readonly #places: Place[] = [];
  readonly #services: ServiceSource[] = [];
  readonly #bound = new Map<string, BoundService>();
  readonly #waiting = new WaitingJobs();
  /** Calls without an answer. */
  #outstanding = 0;
  readonly #most: number;
  /**
   * Moving geometric mean of run times, in ln(ms); long at first, so that a new pool hands out one call at a time. An
   * arithmetic mean would let one call during which the thread lost its core spoil the next twenty.
   */
  #lnRunMs = 2;
  readonly #bell = new Int32Array(new SharedArrayBuffer(8));
  readonly #own = new Int32Array(new SharedArrayBuffer(4));
  readonly #unwoken = new Set<PoolThread>();
  #waking = false;
  readonly #limits: EarliestTimer;
  #cancelSteal: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  #idle: (() => void) | undefined;
  readonly #ready = Promise.withResolvers<void>();
  #everReady = false;

  /** @internal Use {@link createPool}. */
  constructor(name: string, plan: PoolSettings, options: PoolOptions) {
    if (!(plan.threads >= 1)) {
      throw new RangeError(`Cannot start pool "${name}" with ${plan.threads} threads`);
    }
    this.name = name;
    this.plan = plan;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log;
    this.#metrics = poolMetrics(options.stats, name);
    this.#forwarded = new ForwardedWriter(options.log, options.userStats);
    this.#limits = new EarliestTimer(this.#clock, () => this.#checkLimits());
    this.#most = plan.threads + plan.queue;
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    options.scope.defer(() => this.close());
    for (let number = 0; number < plan.threads; number++) {
      const place = new Place(number);
      this.#places.push(place);
      this.#start(place);
    }
    this.#listen();
  }

  // --- calls

  /**
   * Makes `handler` callable on the threads. `adapter` is the URL of a module that exports
   * `make(handler, context): (payload, ctx) => Uint8Array | Promise<Uint8Array>`. Each thread loads both once and calls
   * the handler module's `start(ctx)`. A payload must not be changed until its answer is there.
   */
  bind(adapter: string, handler: { module: string; export: string }): BoundService {
    const key = `${adapter} ${handler.module} ${handler.export}`;
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const source = { adapter, module: handler.module, export: handler.export };
    const index = this.#services.push(source) - 1;
    const loaded = Promise.all(this.#places.map((place) => this.#load(place, index, source)));
    const ready = Promise.all([this.ready, loaded]).then(() => {});
    ready.catch(() => {});
    const call = (
      payload: Uint8Array,
      signal?: AbortSignal,
      deadline = Infinity,
      options?: DispatchOptions,
    ): Promise<Uint8Array> =>
      new Promise((resolve, reject) => {
        const job = new Job(resolve, reject);
        job.service = index;
        job.payload = payload;
        job.deadline = deadline;
        if (options !== undefined) {
          job.request = options.request;
          job.onMark = options.onMark;
        }
        this.#submit(job, signal);
      });
    const service = Object.assign(call, { ready });
    this.#bound.set(key, service);
    return service;
  }

  #load(place: Place, index: number, source: ServiceSource): Promise<void> {
    return new Promise((resolve, reject) => {
      place.loading.set(index, { resolve, reject });
      place.thread?.loadService(index, source);
    });
  }

  /**
   * Calls `handler` through `adapter` (see {@link bind}) with `payload`. Rejects with ServiceError `pool_full`,
   * `pool_timeout`, `pool_lost`, `client_left`, `draining`, or with what the handler threw.
   */
  dispatch(
    adapter: string,
    handler: { module: string; export: string },
    payload: Uint8Array,
    signal?: AbortSignal,
    deadline = Infinity,
    options?: DispatchOptions,
  ): Promise<Uint8Array> {
    return this.bind(adapter, handler)(payload, signal, deadline, options);
  }

  /**
   * Runs `exportName` of `module` (a URL, or a path relative to the manifest) with structured-cloneable `args` on a thread.
   * The function finds its Context in `currentContext()`. Errors as with {@link dispatch}.
   */
  async run<T = unknown>(
    module: string | URL,
    exportName: string,
    args: unknown[],
    options: RunOptions = {},
  ): Promise<T> {
    const url = new URL(module, this.#directory).href;
    if (options.inlineIf?.(...args) === true) return await this.#runHere(url, exportName, args) as T;
    return await new Promise<T>((resolve, reject) => {
      const job = new Job(resolve, reject);
      job.source = { module: url, export: exportName, args };
      job.transfer = options.transfer;
      job.deadline = options.deadline ?? Infinity;
      this.#submit(job, options.signal);
    });
  }

  get #directory(): string {
    return pathToFileURL(`${this.#options.directory}/`).href;
  }

  async #runHere(url: string, exportName: string, args: unknown[]): Promise<unknown> {
    this.#metrics.inline.add();
    const run = (await import(url))[exportName];
    if (typeof run === "function") return await run(...args);
    throw new TypeError(`Cannot use ${url}: it has no export "${exportName}" that is a function`);
  }

  #submit(job: Job, signal: AbortSignal | undefined): void {
    if (this.#closing !== undefined) {
      return job.reject(new ServiceError("draining", `Pool "${this.name}" is closing`, { retryable: true }));
    }
    if (this.#outstanding >= this.#most) return this.#refuse(job);
    const nowMs = this.#clock.now();
    job.submittedMs = nowMs;
    const leftMs = job.deadline === Infinity ? Infinity : job.deadline - this.#clock.epoch();
    job.limitMs = nowMs + Math.min(leftMs, this.plan.timeout === 0 ? Infinity : this.plan.timeout);
    if (signal?.aborted) return job.reject(abortError(signal));
    if (job.limitMs <= nowMs) {
      this.#metrics.timeouts.add();
      return job.reject(this.#timeoutError(job, "before it began"));
    }
    this.#outstanding++;
    if (signal !== undefined) {
      job.signal = signal;
      job.onAbort = () => this.#leave(job);
      signal.addEventListener("abort", job.onAbort, { once: true });
    }
    if (this.#waiting.peek() === undefined) {
      const thread = this.#pick(job);
      if (thread !== undefined && this.#send(thread, job)) return this.#limits.watch(job.limitMs);
      if (job.over) return;
    }
    this.#waiting.push(job);
    this.#limits.watch(job.limitMs);
  }

  #refuse(job: Job): void {
    this.#metrics.refused.add();
    job.reject(
      new ServiceError("pool_full", `Pool "${this.name}" runs and holds ${this.#most} calls`, {
        retryable: true,
      }),
    );
  }

  // --- threads and their jobs

  /** The thread that should get `job`: the one with least to do, if it may have more. */
  #pick(job: Job): PoolThread | undefined {
    let best: PoolThread | undefined;
    let load = job.transfer === undefined ? this.#ahead : 1;
    for (const { thread, loading } of this.#places) {
      if (thread === undefined || thread.state !== "ready" || thread.load >= load || loading.size > 0) {
        continue;
      }
      best = thread;
      load = thread.load;
      if (load === 0) break;
    }
    return best;
  }

  /** How many calls a thread may have, the running one included. */
  get #ahead(): number {
    if (this.#lnRunMs >= lnAheadMs) return 1;
    return Math.min(maxAhead, Math.floor(Math.exp(lnAheadMs - this.#lnRunMs)));
  }

  /** False when `job` has to wait: there is no room in the ring. A call that cannot be cloned is over then. */
  #send(thread: PoolThread, job: Job): boolean {
    try {
      if (!thread.send(job)) return false;
    } catch (error) {
      job.thread = undefined;
      if (!job.over) this.#over(job).reject(error);
      return false;
    }
    if (thread.busySinceMs === 0) thread.busySinceMs = job.submittedMs;
    this.#unwoken.add(thread);
    if (!this.#waking) {
      this.#waking = true;
      // Alone: at once. In a crowd: after the other calls that this turn of the event loop brings.
      if (this.#outstanding < crowd) queueMicrotask(() => this.#wake());
      else setImmediate(() => this.#wake());
    }
    return true;
  }

  /** Wakes the threads that got something in this turn, each once. */
  #wake(): void {
    this.#waking = false;
    for (const thread of this.#unwoken) thread.wake();
    this.#unwoken.clear();
    this.#gauge();
  }

  #gauge(): void {
    let busy = 0;
    for (const { thread } of this.#places) if (thread !== undefined && thread.load > 0) busy++;
    this.#metrics.busy.set(busy);
    this.#metrics.depth.set(Math.max(0, this.#outstanding - busy));
  }

  /** Gives waiting jobs to threads that may have more. */
  #refill(): void {
    for (let job = this.#waiting.peek(); job !== undefined; job = this.#waiting.peek()) {
      const thread = this.#pick(job);
      if (thread === undefined || !this.#send(thread, job) && !job.over) return;
      this.#waiting.take();
    }
  }

  /** Reads answers whenever a thread rings, until the pool is closed. */
  async #listen(): Promise<void> {
    const bell = this.#bell;
    while (!this.#closed) {
      const seen = Atomics.load(bell, 0);
      Atomics.store(bell, 1, 1);
      if (this.#places.some((place) => place.thread?.hasAnswers)) {
        Atomics.store(bell, 1, 0);
        // A turn of the event loop, not a microtask: timers and sockets have to get theirs under constant load.
        queueMicrotask(() => Atomics.notify(this.#own, 0));
        await waitAsync(this.#own, 0, 0);
      } else {
        await waitAsync(bell, 0, seen);
      }
      this.#drain();
    }
  }

  #drain(): void {
    let count = 0;
    for (const { thread } of this.#places) if (thread !== undefined) count += thread.drain();
    if (count > 0) this.#after();
  }

  /** After answers: more work for the threads, or work of others for idle ones. */
  #after(): void {
    this.#refill();
    this.#gauge();
    if (this.#outstanding > 0) this.#watchProgress();
    else this.#idle?.();
  }

  // --- answers

  readonly #events: ThreadEvents = {
    ready: (thread) => this.#threadReady(thread),
    failed: (thread, error) => this.#threadFailed(thread, error),
    loaded: (thread, index, error) => this.#loaded(thread, index, error),
    answered: (thread, job, ok, value, runMs) => this.#answered(thread, job, ok, value, runMs),
    dropped: (thread, job, abandoned) => this.#dropped(thread, job, abandoned),
    message: (thread, message) => this.#message(thread, message),
    ended: (thread, cause, error) => this.#ended(thread, cause, error),
  };

  #answered(thread: PoolThread, job: Job, ok: boolean, value: unknown, runMs: number): void {
    const nowMs = this.#clock.now();
    const place = this.#places[thread.number]!;
    place.losses = 0;
    thread.busySinceMs = thread.load > 0 ? nowMs : 0;
    this.#lnRunMs += (Math.log(runMs + 0.001) - this.#lnRunMs) * 0.2;
    this.#metrics.calls.add();
    this.#metrics.run.record(runMs);
    this.#metrics.wait.record(nowMs - job.submittedMs - runMs);
    if (!job.over) {
      this.#over(job);
      if (ok) job.resolve(value as never);
      else job.reject(value);
    }
    if (thread.state === "stopping" && thread.load === 0) thread.terminate("leak");
    // Answers by message come outside of drain().
    if (job.source !== undefined || this.#waiting.peek() !== undefined) this.#afterSoon();
  }

  #afterScheduled = false;

  #afterSoon(): void {
    if (this.#afterScheduled) return;
    this.#afterScheduled = true;
    queueMicrotask(() => {
      this.#afterScheduled = false;
      this.#after();
    });
  }

  /** The caller of `job` is about to be answered. */
  #over(job: Job): Job {
    job.over = true;
    this.#outstanding--;
    if (job.onAbort !== undefined) {
      job.signal!.removeEventListener("abort", job.onAbort);
      job.onAbort = undefined;
    }
    return job;
  }

  /** The caller left. */
  #leave(job: Job): void {
    if (job.over) return;
    const error = abortError(job.signal!);
    this.#metrics.left.add();
    this.#over(job).reject(error);
    job.nested?.abort(error);
    this.#giveUp(job, error, false);
  }

  /** Takes `job` away from its thread if that has not begun, tells the handler otherwise. */
  #giveUp(job: Job, error: ServiceError, drop: boolean): void {
    const { thread } = job;
    if (thread === undefined || thread.revoke(job)) return this.#afterSoon();
    thread.post({ t: "abort", call: job.id, error: encodeError(error), drop });
  }

  #dropped(thread: PoolThread, job: Job | undefined, abandoned: number): void {
    if (job !== undefined) thread.busySinceMs = thread.load > 0 ? this.#clock.now() : 0;
    if (abandoned >= maxAbandoned && thread.state === "ready") {
      thread.state = "stopping";
      this.#takeBack(thread);
    }
    if (thread.state === "stopping" && thread.load === 0) thread.terminate("leak");
    this.#afterSoon();
  }

  #takeBack(thread: PoolThread): void {
    const back = [...thread.jobs.values()].filter((job) => thread.revoke(job));
    for (const job of back) {
      job.thread = undefined;
      if (job.over || job.transfer === undefined) continue;
      // What was transferred is gone; the caller may try again with new arguments.
      const text = `The thread of pool "${this.name}" ended before it began with ${this.#textOf(job)}`;
      this.#over(job).reject(new ServiceError("pool_lost", text, { retryable: true }));
    }
    this.#waiting.putBack(back.filter((job) => !job.over));
  }

  #message(thread: PoolThread, message: FromThread): void {
    if (message.t === "forward") {
      if (message.lost > 0) this.#metrics.forwardLost.add(message.lost);
      const onMark = (call: number, text: string) => thread.jobs.get(call)?.onMark?.(text);
      for (const item of message.items) {
        try {
          this.#forwarded.write(item, onMark);
        } catch (error) {
          this.#log.warn("Cannot use what a pool thread sent", { error, item: item.k });
        }
      }
    } else if (message.t === "nested") {
      this.#nested(thread, message);
    } else if (message.t === "stopped") {
      thread.terminate(undefined);
    }
  }

  /** A call from a thread of this pool to another pool. */
  async #nested(thread: PoolThread, message: FromThread & { t: "nested" }): Promise<void> {
    const job = thread.jobs.get(message.call);
    let options: RunOptions = {};
    if (job !== undefined) {
      if (!job.suspended) {
        job.suspended = true;
        thread.load--;
        this.#afterSoon();
      }
      job.nested ??= new AbortController();
      if (job.over) job.nested.abort();
      const deadline = this.#clock.epoch() + (job.limitMs - this.#clock.now());
      options = { signal: job.nested.signal, deadline };
    }
    const { id, pool: name, source } = message;
    let answer: Parameters<PoolThread["post"]>[0];
    try {
      const pool = this.#options.pools?.(name);
      if (pool === undefined) throw new TypeError(`Cannot use pool "${name}": it is not declared`);
      answer = {
        t: "nested",
        id,
        ok: true,
        value: await pool.run(source.module, source.export, source.args, options),
      };
    } catch (error) {
      answer = { t: "nested", id, ok: false, error: encodeError(error) };
    }
    if (thread.state !== "ended") thread.post(answer);
  }

  // --- limits

  #checkLimits(): void {
    // What has been answered in time but not yet read is not late.
    this.#drain();
    const nowMs = this.#clock.now();
    let next = Infinity;
    for (const job of this.#waiting) {
      if (job.limitMs <= nowMs) this.#expire(job, nowMs);
      else next = Math.min(next, job.limitMs);
    }
    for (const { thread } of this.#places) {
      if (thread === undefined) continue;
      for (const job of [...thread.jobs.values()]) {
        if (job.killMs <= nowMs) {
          thread.terminate("stuck");
          break;
        }
        if (job.limitMs <= nowMs && job.killMs === Infinity) this.#expire(job, nowMs);
        next = Math.min(next, job.killMs, job.limitMs > nowMs ? job.limitMs : Infinity);
      }
    }
    this.#limits.watch(next);
  }

  #expire(job: Job, nowMs: number): void {
    const error = this.#timeoutError(job, job.thread === undefined ? "while it waited" : "on its thread");
    if (!job.over) {
      this.#metrics.timeouts.add();
      this.#over(job).reject(error);
      job.nested?.abort(error);
    }
    this.#giveUp(job, error, true);
    if (job.thread?.jobs.get(job.id) === job) job.killMs = nowMs + this.#graceMs;
  }

  /** How long a thread may take to let go of a call after its limit. */
  get #graceMs(): number {
    return Math.min(500, Math.max(50, this.plan.timeout / 10));
  }

  #timeoutError(job: Job, where: string): ServiceError {
    return new ServiceError(
      "pool_timeout",
      `${this.#textOf(job)} passed its time limit ${where} (pool "${this.name}")`,
    );
  }

  /** While calls sit in a ring behind another one: makes sure that idle threads get them if it takes long. */
  #watchProgress(): void {
    if (this.#cancelSteal !== undefined || !this.#places.some(({ thread }) => thread && thread.load > 1)) {
      return;
    }
    const answered = this.#places.map(({ thread }) => thread?.answered);
    this.#cancelSteal = this.#clock.after(stealMs, () => {
      this.#cancelSteal = undefined;
      this.#drain();
      for (const { number, thread } of this.#places) {
        if (thread !== undefined && thread.load > 1 && thread.answered === answered[number]) {
          this.#steal(thread);
        }
      }
      this.#watchProgress();
    });
  }

  #steal(from: PoolThread): void {
    if (!this.#places.some(({ thread }) => thread?.state === "ready" && thread.load === 0)) return;
    this.#takeBack(from);
    this.#refill();
  }

  // --- life of threads

  #start(place: Place): void {
    place.cancelStart = undefined;
    place.sinceMs = this.#clock.now();
    place.thread = new PoolThread(place.number, place.sinceMs, this.plan.heap, {
      pool: this.name,
      bell: this.#bell.buffer,
      blockMs: this.plan.kind === "cpu" ? idleBlockMs : 0,
      directory: this.#directory,
      services: [...this.#services],
      config: this.#options.context?.config ?? {},
    }, this.#events);
  }

  #threadReady(thread: PoolThread): void {
    const place = this.#places[thread.number]!;
    place.sinceMs = this.#clock.now();
    this.#countReady();
    if (this.#places.every(({ thread }) => thread?.state === "ready")) {
      this.#everReady = true;
      this.#ready.resolve();
    }
    this.#afterSoon();
  }

  #countReady(): void {
    this.#metrics.threads.set(this.#places.filter(({ thread }) => thread?.state === "ready").length);
  }

  #threadFailed(thread: PoolThread, error: Error): void {
    this.#log.error(`Cannot start thread ${thread.number}`, { error });
    this.#places[thread.number]!.lastError = error.message;
    this.#ready.reject(error);
    thread.terminate("failed to start");
  }

  #loaded(thread: PoolThread, index: number, error: Error | undefined): void {
    const place = this.#places[thread.number]!;
    const waiter = place.loading.get(index);
    place.loading.delete(index);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(error);
    this.#afterSoon();
  }

  #ended(thread: PoolThread, cause: string | undefined, error: Error | undefined): void {
    const place = this.#places[thread.number]!;
    place.thread = undefined;
    place.sinceMs = this.#clock.now();
    // A successor loads all services before it is ready.
    for (const waiter of place.loading.values()) waiter.resolve();
    place.loading.clear();
    this.#countReady();
    const why = this.#why(cause, error);
    const current = thread.current;
    const during = current === undefined ? undefined : this.#textOf(current);
    const mark = current === undefined ? "" : thread.markOf(current);
    this.#takeBack(thread);
    for (const job of thread.jobs.values()) {
      if (job.over) continue;
      this.#metrics.lost.add();
      const text = `Thread ${thread.number} of pool "${this.name}" ${why} while it ran ${this.#textOf(job)}`;
      this.#over(job).reject(lostError(text, error));
      job.nested?.abort();
    }
    thread.jobs.clear();
    this.#afterSoon();
    if (cause === undefined || this.#closing !== undefined) return;
    place.lastError = why;
    place.replaced++;
    this.#metrics.replaced.add();
    const waitMs = place.losses === 0
      ? 0
      : jitter(this.#clock, Math.min(backOffMs.most, backOffMs.first * 2 ** (place.losses - 1)), 0.1);
    place.losses++;
    this.#log.error(`Thread ${thread.number} ${why}; it is replaced`, {
      ...(during !== undefined && { during }),
      ...(mark !== "" && { mark }),
      ...(waitMs > 0 && { waitMs: Math.round(waitMs) }),
      ...(error !== undefined && { error }),
    });
    if (cause === "failed to start" && !this.#everReady) return;
    if (waitMs === 0) this.#start(place);
    else place.cancelStart = this.#clock.after(waitMs, () => this.#start(place));
  }

  #why(cause: string | undefined, error: Error | undefined): string {
    switch (cause) {
      case "heap":
        return `used up its heap of ${Math.round(this.plan.heap / 2 ** 20)} MiB`;
      case "stuck":
        return "did not let go of a call after its time limit";
      case "leak":
        return `held ${maxAbandoned} calls that were given up`;
      case "error":
        return `ended with an error: ${error?.message ?? ""}`;
      default:
        return cause ?? "stopped";
    }
  }

  #textOf(job: Job): string {
    const source = job.source ?? this.#services[job.service]!;
    return `${source.module.slice(source.module.lastIndexOf("/") + 1)}#${source.export}`;
  }

  // --- looking, ending

  /** What the meta page shows. */
  describe(): PoolDescription {
    const nowMs = this.#clock.now();
    const threads = this.#places.map((place) => place.describe(nowMs, (job) => this.#textOf(job)));
    const busy = threads.filter(({ state }) => state === "busy").length;
    return {
      name: this.name,
      kind: this.plan.kind,
      waiting: Math.max(0, this.#outstanding - busy),
      queue: this.plan.queue,
      replaced: threads.reduce((sum, { replaced }) => sum + replaced, 0),
      threads,
    };
  }

  /** Takes no more calls, lets those that are there finish for `drainMs`, stops the handlers, ends the threads. */
  close(): Promise<void> {
    return this.#closing ??= this.#close(this.#options.drainMs ?? 5000);
  }

  async #close(drainMs: number): Promise<void> {
    const untilMs = this.#clock.now() + drainMs;
    this.#ready.reject(new ServiceError("draining", `Pool "${this.name}" was closed`));
    for (const place of this.#places) place.cancelStart?.();
    if (this.#outstanding > 0) {
      await this.#within(
        drainMs,
        new Promise<void>((resolve) => this.#idle = resolve),
      );
    }
    const stopping = this.#places.flatMap(({ thread }) => thread?.state === "ready" ? [thread] : []);
    for (const thread of stopping) {
      thread.post({ t: "stop" });
      thread.wake();
    }
    const leftMs = Math.max(0, untilMs - this.#clock.now());
    const ending = this.#places.flatMap(({ thread }) => thread === undefined ? [] : [thread.ended]);
    await this.#within(Math.max(leftMs, stopping.length > 0 ? 100 : 0), this.#allStopped(stopping));
    for (const { thread } of this.#places) thread?.terminate(undefined);
    await Promise.all(ending);
    for (const job of this.#waiting) {
      this.#over(job).reject(new ServiceError("draining", `Pool "${this.name}" was closed`));
    }
    this.#closed = true;
    this.#limits.cancel();
    this.#cancelSteal?.();
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  async #allStopped(threads: PoolThread[]): Promise<void> {
    await Promise.all(threads.map((thread) => thread.ended));
  }

  /** Waits for `promise`, for `maxMs` at most. */
  async #within(maxMs: number, promise: Promise<void>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(maxMs, resolve);
    await Promise.race([promise, late]);
    cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function abortError(signal: AbortSignal): ServiceError {
  const reason = signal.reason;
  if (reason instanceof ServiceError) return reason;
  return new ServiceError("client_left", "The caller left before the answer", {
    source: "client",
    cause: reason,
  });
}
