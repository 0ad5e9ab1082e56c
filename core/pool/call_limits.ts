/**
 * The time limits of calls: who waits or runs too long is answered, and a thread that does not let go of a call within a
 * moment after that is ended.
 */
import { EarliestTimer } from "./earliest_timer.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Job } from "./job.ts";
import type { PoolCore } from "./pool_core.ts";

/** Watches every call of a pool. */
export class CallLimits {
  readonly #core: PoolCore;
  readonly #dispatcher: Dispatcher;
  readonly #timer: EarliestTimer;

  constructor(core: PoolCore, dispatcher: Dispatcher) {
    this.#core = core;
    this.#dispatcher = dispatcher;
    this.#timer = new EarliestTimer(core.clock, () => this.#check());
  }

  /** Watches a call whose limit is at `limitMs` (monotonic). */
  watch(limitMs: number): void {
    this.#timer.watch(limitMs);
  }

  close(): void {
    this.#timer.cancel();
  }

  #check(): void {
    // What has been answered in time but not yet read is not late.
    this.#dispatcher.drain();
    const nowMs = this.#core.clock.now();
    let next = Infinity;
    for (const job of this.#dispatcher.waiting) {
      if (job.limitMs <= nowMs) this.#expire(job, nowMs);
      else next = Math.min(next, job.limitMs);
    }
    for (const { thread } of this.#core.places) {
      if (thread === undefined) continue;
      for (const job of thread.jobs.inOrder()) {
        if (job.killMs <= nowMs) {
          thread.terminate("stuck");
          break;
        }
        if (job.limitMs <= nowMs && job.killMs === Infinity) this.#expire(job, nowMs);
        next = Math.min(next, job.killMs, job.limitMs > nowMs ? job.limitMs : Infinity);
      }
    }
    this.#timer.watch(next);
  }

  #expire(job: Job, nowMs: number): void {
    const where = job.thread === undefined ? "while it waited" : "on its thread";
    const error = this.#core.timeoutError(job, where);
    if (!job.over) {
      this.#core.metrics.timeouts.add();
      this.#dispatcher.over(job).reject(error);
      job.nested?.abort(error);
    }
    this.#dispatcher.giveUp(job, error, true);
    if (job.thread?.jobs.get(job.id) === job) job.killMs = nowMs + this.#graceMs;
  }

  /** How long a thread may take to let go of a call after its limit. */
  get #graceMs(): number {
    return Math.min(500, Math.max(50, this.#core.plan.timeout / 10));
  }
}
