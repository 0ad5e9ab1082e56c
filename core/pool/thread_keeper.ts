/** The life of a pool's threads: started, ready, replaced when they are stuck or lost (later each time), ended. */
import { url as inspectorUrl } from "node:inspector";
import { jitter } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Place } from "./place.ts";
import { maxAbandoned, type PoolCore } from "./pool_core.ts";
import { lostError, PoolThread, type ThreadEvents } from "./pool_thread.ts";
import type { FromThread, ServiceSource } from "./thread_protocol.ts";

const idleBlockMs = 2;
const backOffMs = { first: 100, most: 10_000 };

/** Keeps a thread in every place of a pool. */
export class ThreadKeeper {
  /** Resolves when every thread is ready; rejects with the first error that keeps one from becoming so. */
  readonly ready: Promise<void>;
  readonly #core: PoolCore;
  readonly #dispatcher: Dispatcher;
  readonly #events: ThreadEvents;
  readonly #ready = Promise.withResolvers<void>();
  #everReady = false;

  /** `onMessage` gets what threads say beside answers. */
  constructor(
    core: PoolCore,
    dispatcher: Dispatcher,
    onMessage: (thread: PoolThread, message: FromThread) => void,
  ) {
    this.#core = core;
    this.#dispatcher = dispatcher;
    this.#events = {
      ready: (thread) => this.#threadReady(thread),
      failed: (thread, error) => this.#threadFailed(thread, error),
      loaded: (thread, index, error) => this.#loaded(thread, index, error),
      answered: (thread, job, ok, value, runMs, readMs) =>
        dispatcher.answered(thread, job, ok, value, runMs, readMs),
      dropped: (thread, job, abandoned) => dispatcher.dropped(thread, job, abandoned),
      message: onMessage,
      ended: (thread, cause, error) => this.#ended(thread, cause, error),
    };
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    for (const place of core.places) this.#start(place);
  }

  #start(place: Place): void {
    const { name, plan, clock, directory, services, config } = this.#core;
    place.cancelStart = undefined;
    place.sinceMs = clock.now();
    place.thread = new PoolThread(place.number, plan.heap, {
      pool: name,
      bell: this.#dispatcher.bell.memory,
      blockMs: plan.kind === "cpu" ? idleBlockMs : 0,
      inspector: inspectorUrl() !== undefined,
      directory,
      services: [...services],
      config,
    }, this.#events);
  }

  /** Loads one more service into every thread; resolves when all of them have. */
  async load(index: number, source: ServiceSource): Promise<void> {
    const loaded = this.#core.places.map((place) =>
      new Promise<void>((resolve, reject) => {
        place.loading.set(index, { resolve, reject });
        place.thread?.loadService(index, source);
      })
    );
    await Promise.all(loaded);
  }

  #threadReady(thread: PoolThread): void {
    const { places, clock } = this.#core;
    places[thread.number]!.sinceMs = clock.now();
    this.#countReady();
    if (places.every(({ thread }) => thread?.state === "ready")) {
      this.#everReady = true;
      this.#ready.resolve();
    }
    this.#dispatcher.afterSoon();
  }

  #countReady(): void {
    const { places, metrics } = this.#core;
    metrics.threads.set(places.filter(({ thread }) => thread?.state === "ready").length);
  }

  #threadFailed(thread: PoolThread, error: Error): void {
    this.#core.log.error(`Cannot start thread ${thread.number}`, { error });
    this.#core.places[thread.number]!.lastError = error.message;
    this.#ready.reject(error);
    thread.terminate("failed to start");
  }

  #loaded(thread: PoolThread, index: number, error: Error | undefined): void {
    const { loading } = this.#core.places[thread.number]!;
    const waiter = loading.get(index);
    loading.delete(index);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(error);
    this.#dispatcher.afterSoon();
  }

  #ended(thread: PoolThread, cause: string | undefined, error: Error | undefined): void {
    const { name, places, clock, log, metrics } = this.#core;
    const place = places[thread.number]!;
    place.thread = undefined;
    place.sinceMs = clock.now();
    // A successor loads all services before it is ready.
    for (const waiter of place.loading.values()) waiter.resolve();
    place.loading.clear();
    this.#countReady();
    const why = this.#why(cause, error);
    const current = thread.current;
    const during = current === undefined ? undefined : this.#core.textOf(current);
    const mark = current === undefined ? "" : thread.markOf(current);
    this.#dispatcher.takeBack(thread);
    for (const job of thread.jobs.inOrder()) {
      thread.forget(job);
      if (job.over) continue;
      metrics.lost.add();
      const text = `Thread ${thread.number} of pool "${name}" ${why} while it ran ${this.#core.textOf(job)}`;
      this.#dispatcher.over(job).reject(lostError(text, error));
      job.nested?.abort();
    }
    this.#dispatcher.afterSoon();
    if (cause === undefined || this.#core.closing) return;
    place.lastError = why;
    place.replaced++;
    metrics.replaced.add();
    const waitMs = place.losses === 0
      ? 0
      : jitter(clock, Math.min(backOffMs.most, backOffMs.first * 2 ** (place.losses - 1)), 0.1);
    place.losses++;
    log.error(`Thread ${thread.number} ${why}; it is replaced`, {
      ...(during !== undefined && { during }),
      ...(mark !== "" && { mark }),
      ...(waitMs > 0 && { waitMs: Math.round(waitMs) }),
      ...(error !== undefined && { error }),
    });
    if (cause === "failed to start" && !this.#everReady) return;
    if (waitMs === 0) this.#start(place);
    else place.cancelStart = clock.after(waitMs, () => this.#start(place));
  }

  #why(cause: string | undefined, error: Error | undefined): string {
    switch (cause) {
      case "heap":
        return `used up its heap of ${Math.round(this.#core.plan.heap / 2 ** 20)} MiB`;
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

  /** Starts nothing more. */
  startNoMore(): void {
    this.#ready.reject(new ServiceError("draining", `Pool "${this.#core.name}" was closed`));
    for (const place of this.#core.places) place.cancelStart?.();
  }

  /** Stops the handlers of every thread, then ends it; at once for those that take longer than `maxMs`, 100 at least. */
  async stop(maxMs: number): Promise<void> {
    const threads = this.#core.places.flatMap(({ thread }) => thread === undefined ? [] : [thread]);
    const ready = threads.filter(({ state }) => state === "ready");
    for (const thread of ready) {
      thread.post({ t: "stop" });
      thread.wake();
    }
    if (ready.length > 0) {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const cancel = this.#core.clock.after(Math.max(maxMs, 100), resolve);
      await Promise.race([Promise.all(ready.map(({ ended }) => ended)), late]);
      cancel();
    }
    for (const thread of threads) thread.terminate(undefined);
    await Promise.all(threads.map(({ ended }) => ended));
  }
}
