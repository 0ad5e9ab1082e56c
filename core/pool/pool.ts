/**
 * A named pool of threads: handlers that would block the I/O thread run here, behind a bounded queue and under time
 * limits. Which thread gets what is decided in dispatcher.ts, the life of threads in thread_keeper.ts, the limits of
 * calls in call_limits.ts.
 *
 * One call at a time per thread, in pools of both kinds: "threads: 10" means ten calls run at once, as users of blocking
 * code expect. Calls overlap on a thread only where one awaits another pool: it then gives its turn to the next call, so a
 * thread is never held by a call that waits for a thread, and nested pools cannot deadlock (A calls B calls A included).
 * The kinds differ in how an idle thread waits: a `cpu` thread blocks for up to 2 ms at a time, because it wakes faster
 * that way; an `io` thread never blocks its event loop, because its handlers keep connections and timers.
 */
import type { PoolHandle } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { CallLimits } from "./call_limits.ts";
import { Dispatcher } from "./dispatcher.ts";
import { ForwardedWriter } from "./forwarded.ts";
import { Job } from "./job.ts";
import type { Payload } from "./message.ts";
import { PoolCore } from "./pool_core.ts";
import type {
  BoundService,
  DispatchOptions,
  PoolDescription,
  PoolOptions,
  PoolSettings,
  RunOptions,
} from "./pool_options.ts";
import type { PoolThread } from "./pool_thread.ts";
import { ThreadKeeper } from "./thread_keeper.ts";
import type { FromThread } from "./thread_protocol.ts";
import { encodeError } from "./wire_error.ts";

/** Starts a pool; its threads begin to start at once. */
export function createPool(name: string, plan: PoolSettings, options: PoolOptions): Pool {
  return new Pool(name, plan, options);
}

/** A pool of threads; make it with {@link createPool}. */
export class Pool implements PoolHandle {
  readonly name: string;
  readonly plan: PoolSettings;
  readonly #options: PoolOptions;
  readonly #core: PoolCore;
  readonly #dispatcher: Dispatcher;
  readonly #limits: CallLimits;
  readonly #keeper: ThreadKeeper;
  readonly #forwarded: ForwardedWriter;
  readonly #bound = new Map<string, BoundService>();
  readonly #most: number;
  #closing: Promise<void> | undefined;

  /** @internal Use {@link createPool}. */
  constructor(name: string, plan: PoolSettings, options: PoolOptions) {
    this.name = name;
    this.plan = plan;
    this.#options = options;
    this.#core = new PoolCore(name, plan, options);
    this.#forwarded = new ForwardedWriter(options.log, options.userStats);
    this.#most = plan.threads + plan.queue;
    options.scope.defer(() => this.close());
    this.#dispatcher = new Dispatcher(this.#core);
    this.#limits = new CallLimits(this.#core, this.#dispatcher);
    this.#keeper = new ThreadKeeper(this.#core, this.#dispatcher, (thread, message) => {
      this.#message(thread, message);
    });
    this.#dispatcher.listen();
  }

  /** Resolves when every thread is ready; rejects with the first error that keeps one from becoming so. */
  get ready(): Promise<void> {
    return this.#keeper.ready;
  }

  /**
   * Makes `handler` callable on the threads. `adapter` is the URL of a module that exports
   * `make(handler, context): (payload, ctx) => Payload | Promise<Payload>`. Each thread loads both once and calls
   * the handler module's `start(ctx)`.
   */
  bind(adapter: string, handler: { module: string; export: string }): BoundService {
    const key = `${adapter} ${handler.module} ${handler.export}`;
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const source = { adapter, module: handler.module, export: handler.export };
    const index = this.#core.services.push(source) - 1;
    const ready = Promise.all([this.ready, this.#keeper.load(index, source)]).then(() => {});
    ready.catch(() => {});
    const call = (
      payload: Payload,
      signal?: AbortSignal,
      deadline = Infinity,
      options?: DispatchOptions,
    ): Promise<Payload> =>
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
    const service = Object.assign(call, { ready }) as BoundService;
    this.#bound.set(key, service);
    return service;
  }

  /**
   * Runs `exportName` of `module` (a URL, or a path relative to the manifest) with structured-cloneable `args` on a thread.
   * The function finds its Context in `currentContext()`. Errors as with {@link BoundService}.
   */
  async run<T = unknown>(
    module: string | URL,
    exportName: string,
    args: unknown[],
    options: RunOptions = {},
  ): Promise<T> {
    const url = new URL(module, this.#core.directory).href;
    if (options.inlineIf?.(...args) === true) return await this.#runHere(url, exportName, args) as T;
    return await new Promise<T>((resolve, reject) => {
      const job = new Job(resolve, reject);
      job.source = { module: url, export: exportName, args };
      job.transfer = options.transfer;
      job.deadline = options.deadline ?? Infinity;
      this.#submit(job, options.signal);
    });
  }

  async #runHere(url: string, exportName: string, args: unknown[]): Promise<unknown> {
    this.#core.metrics.inline.add();
    const run = (await import(url))[exportName];
    if (typeof run === "function") return await run(...args);
    throw new TypeError(`Cannot use ${url}: it has no export "${exportName}" that is a function`);
  }

  #submit(job: Job, signal: AbortSignal | undefined): void {
    const { clock, metrics } = this.#core;
    if (this.#closing !== undefined) {
      const text = `Pool "${this.name}" is closing`;
      return job.reject(new ServiceError("draining", text, { retryable: true }));
    }
    if (this.#dispatcher.outstanding >= this.#most) return this.#refuse(job);
    const nowMs = clock.now();
    job.submittedMs = nowMs;
    const leftMs = job.deadline === Infinity ? Infinity : job.deadline - clock.epoch();
    job.limitMs = nowMs + Math.min(leftMs, this.plan.timeout === 0 ? Infinity : this.plan.timeout);
    if (signal?.aborted) return job.reject(abortError(signal));
    if (job.limitMs <= nowMs) {
      metrics.timeouts.add();
      return job.reject(this.#core.timeoutError(job, "before it began"));
    }
    if (signal !== undefined) {
      job.signal = signal;
      job.onAbort = () => this.#leave(job);
      signal.addEventListener("abort", job.onAbort, { once: true });
    }
    this.#dispatcher.submit(job);
    this.#limits.watch(job.limitMs);
  }

  #refuse(job: Job): void {
    this.#core.metrics.refused.add();
    const text = `Pool "${this.name}" runs and holds ${this.#most} calls`;
    job.reject(new ServiceError("pool_full", text, { retryable: true }));
  }

  /** The caller left. */
  #leave(job: Job): void {
    if (job.over) return;
    const error = abortError(job.signal!);
    this.#core.metrics.left.add();
    this.#dispatcher.over(job).reject(error);
    job.nested?.abort(error);
    this.#dispatcher.giveUp(job, error, false);
  }

  // --- what threads say beside answers

  #message(thread: PoolThread, message: FromThread): void {
    if (message.t === "forward") this.#forward(thread, message);
    else if (message.t === "nested") this.#nested(thread, message);
    else if (message.t === "stopped") thread.terminate(undefined);
  }

  #forward(thread: PoolThread, { items, lost }: FromThread & { t: "forward" }): void {
    if (lost > 0) this.#core.metrics.forwardLost.add(lost);
    const onMark = (call: number, text: string) => thread.jobs.get(call)?.onMark?.(text);
    for (const item of items) {
      try {
        this.#forwarded.write(item, onMark);
      } catch (error) {
        this.#core.log.warn("Cannot use what a pool thread sent", { error, item: item.k });
      }
    }
  }

  /** A call from a thread of this pool to another pool. */
  async #nested(thread: PoolThread, message: FromThread & { t: "nested" }): Promise<void> {
    const { clock } = this.#core;
    const job = thread.jobs.get(message.call);
    let options: RunOptions = {};
    if (job !== undefined) {
      if (!job.suspended) {
        job.suspended = true;
        thread.load--;
        this.#dispatcher.afterSoon();
      }
      job.nested ??= new AbortController();
      if (job.over) job.nested.abort();
      options = { signal: job.nested.signal, deadline: clock.epoch() + (job.limitMs - clock.now()) };
    }
    const { id, pool: name, source } = message;
    let answer: Parameters<PoolThread["post"]>[0];
    try {
      const pool = this.#options.pools?.(name);
      if (pool === undefined) throw new TypeError(`Cannot use pool "${name}": it is not declared`);
      const value = await pool.run(source.module, source.export, source.args, options);
      answer = { t: "nested", id, ok: true, value };
    } catch (error) {
      answer = { t: "nested", id, ok: false, error: encodeError(error) };
    }
    if (thread.state !== "ended") thread.post(answer);
  }

  // --- looking, ending

  /** What the meta page shows. */
  describe(): PoolDescription {
    const nowMs = this.#core.clock.now();
    const threads = this.#core.places.map((place) => place.describe(nowMs, (job) => this.#core.textOf(job)));
    const busy = threads.filter(({ state }) => state === "busy").length;
    return {
      name: this.name,
      kind: this.plan.kind,
      waiting: Math.max(0, this.#dispatcher.outstanding - busy),
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
    const { clock } = this.#core;
    const untilMs = clock.now() + drainMs;
    this.#core.closing = true;
    this.#keeper.startNoMore();
    if (this.#dispatcher.outstanding > 0) {
      const { promise: idleOrLate, resolve } = Promise.withResolvers<void>();
      this.#dispatcher.onIdle = resolve;
      const cancel = clock.after(drainMs, resolve);
      await idleOrLate;
      cancel();
    }
    await this.#keeper.stop(untilMs - clock.now());
    for (const job of this.#dispatcher.waiting) {
      this.#dispatcher.over(job).reject(new ServiceError("draining", `Pool "${this.name}" was closed`));
    }
    this.#limits.close();
    this.#dispatcher.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function abortError(signal: AbortSignal): ServiceError {
  const reason = signal.reason;
  if (reason instanceof ServiceError) return reason;
  const cause = reason;
  return new ServiceError("client_left", "The caller left before the answer", { source: "client", cause });
}
