/**
 * Which call goes to which thread, and when: the line in front of the threads, what each of them gets in advance, when
 * they are woken, what they answer, and what is taken from one and given to another.
 *
 * Short calls are handed to threads a few at a time, since waking a thread costs more than they do; what a thread has not
 * begun with can be taken back: by a caller that leaves, by the time limit, and by another thread that is idle.
 */
import { ServiceError } from "../errors.ts";
import { Bell } from "./bell.ts";
import type { Job } from "./job.ts";
import { maxAbandoned, type PoolCore } from "./pool_core.ts";
import type { PoolThread } from "./pool_thread.ts";
import { WaitingJobs } from "./waiting_jobs.ts";
import { encodeError } from "./wire_error.ts";

/** Run time that is handed to a thread in advance. */
const aheadMs = 0.4;
const maxAhead = 64;
/** Fewer calls under way than this, and a thread is woken for each at once. */
const crowd = 4;
/** How long a job may sit in a thread's ring while the thread shows no progress and another one is idle. */
const stealMs = 1;

/** The moving part of a pool. */
export class Dispatcher {
  readonly bell = new Bell();
  readonly waiting = new WaitingJobs();
  /** Calls without an answer. */
  outstanding = 0;
  /** Called whenever that has become none. */
  onIdle: (() => void) | undefined;
  readonly #core: PoolCore;
  /**
   * Moving geometric mean of run times, in ln(ms); long at first, so that a new pool hands out one call at a time. An
   * arithmetic mean would let one call during which the thread lost its core spoil the next twenty.
   */
  #lnRunMs = 2;
  /** How many calls a thread may have, the running one included. */
  #ahead = 1;
  readonly #unwoken: PoolThread[] = [];
  /** How many calls were under way of late. */
  #crowd = 0;
  #waking = false;
  #afterScheduled = false;
  #cancelSteal: (() => void) | undefined;

  constructor(core: PoolCore) {
    this.#core = core;
  }

  /** Reads answers until {@link close}. */
  listen(): void {
    const { places } = this.#core;
    this.bell.listen(() => places.some(({ thread }) => thread?.hasAnswers), () => this.drain());
  }

  close(): void {
    this.bell.close();
    this.#cancelSteal?.();
  }

  /** Gives `job` to a thread, or puts it in the line. */
  submit(job: Job): void {
    this.outstanding++;
    if (this.waiting.peek() === undefined) {
      const thread = this.#pick(job);
      if (thread !== undefined && this.#send(thread, job) || job.over) return;
    }
    this.waiting.push(job);
  }

  // --- to threads

  /** The thread that should get `job`: the one with least to do, if it may have more. */
  #pick(job: Job): PoolThread | undefined {
    let best: PoolThread | undefined;
    let least = job.transfer === undefined ? this.#ahead : 1;
    for (const { thread, loading } of this.#core.places) {
      if (thread === undefined || thread.state !== "ready" || loading.size > 0) continue;
      if (thread.load >= least) continue;
      best = thread;
      least = thread.load;
      if (least === 0) break;
    }
    return best;
  }

  /** False when `job` has to wait: there is no room in the ring. A call that cannot be cloned is over then. */
  #send(thread: PoolThread, job: Job): boolean {
    try {
      if (!thread.send(job)) return false;
    } catch (error) {
      job.thread = undefined;
      if (!job.over) this.over(job).reject(error);
      return false;
    }
    if (thread.busySinceMs === 0) thread.busySinceMs = job.submittedMs;
    if (!this.#unwoken.includes(thread)) this.#unwoken.push(thread);
    if (this.#waking) return true;
    this.#waking = true;
    // Alone: at once. In a crowd: after the other calls that this turn of the event loop brings.
    if (this.#crowd < crowd && this.outstanding < crowd) queueMicrotask(() => this.#wake());
    else setImmediate(() => this.#wake());
    return true;
  }

  /** Wakes the threads that got something in this turn, each once. */
  #wake(): void {
    this.#waking = false;
    this.#crowd = Math.max(this.outstanding, this.#crowd - 1 - (this.#crowd >> 3));
    for (const thread of this.#unwoken) thread.wake();
    this.#unwoken.length = 0;
    this.#gauge();
  }

  #gauge(): void {
    const { places, metrics } = this.#core;
    let busy = 0;
    for (const { thread } of places) if (thread !== undefined && thread.load > 0) busy++;
    metrics.busy.set(busy);
    metrics.depth.set(Math.max(0, this.outstanding - busy));
  }

  /** Gives waiting jobs to threads that may have more. */
  #refill(): void {
    for (let job = this.waiting.peek(); job !== undefined; job = this.waiting.peek()) {
      const thread = this.#pick(job);
      if (thread === undefined || !this.#send(thread, job) && !job.over) return;
      this.waiting.take();
    }
  }

  // --- from threads

  /** Reads the answers that are there. */
  drain(): void {
    let count = 0;
    for (const { thread } of this.#core.places) {
      if (thread !== undefined && thread.hasAnswers) count += thread.drain(this.#core.clock.now());
    }
    if (count > 0) this.#after();
  }

  /** After answers: more work for the threads, or work of others for idle ones. */
  #after(): void {
    this.#ahead = Math.max(1, Math.min(maxAhead, Math.floor(aheadMs / Math.exp(this.#lnRunMs))));
    this.#refill();
    this.#gauge();
    if (this.outstanding > 0) this.#watchProgress();
    else this.onIdle?.();
  }

  /** The same, after everything else that this turn brings. */
  afterSoon(): void {
    if (this.#afterScheduled) return;
    this.#afterScheduled = true;
    queueMicrotask(() => {
      this.#afterScheduled = false;
      this.#after();
    });
  }

  /** `thread` has answered `job`, as of `readMs`; that is 0 where it came outside of {@link drain}, by message. */
  answered(thread: PoolThread, job: Job, ok: boolean, value: unknown, runMs: number, readMs: number): void {
    const { metrics, places, clock } = this.#core;
    const nowMs = readMs || clock.now();
    places[thread.number]!.losses = 0;
    thread.busySinceMs = thread.load > 0 ? nowMs : 0;
    this.#lnRunMs += (Math.log(runMs + 0.001) - this.#lnRunMs) * 0.2;
    metrics.calls.add();
    metrics.run.record(runMs);
    metrics.wait.record(Math.max(0, nowMs - job.submittedMs - runMs));
    if (!job.over) {
      this.over(job);
      if (ok) job.resolve(value as never);
      else job.reject(value);
    }
    if (thread.state === "stopping" && thread.load === 0) thread.terminate("leak");
    if (readMs === 0) this.afterSoon();
  }

  /** `thread` has let go of `job` without an answer, and of `abandoned` in all. */
  dropped(thread: PoolThread, job: Job | undefined, abandoned: number): void {
    if (job !== undefined) thread.busySinceMs = thread.load > 0 ? this.#core.clock.now() : 0;
    if (abandoned >= maxAbandoned && thread.state === "ready") {
      thread.state = "stopping";
      this.takeBack(thread);
    }
    if (thread.state === "stopping" && thread.load === 0) thread.terminate("leak");
    this.afterSoon();
  }

  // --- what is not to be run, or not there

  /** The caller of `job` is about to be answered. */
  over(job: Job): Job {
    job.over = true;
    this.outstanding--;
    if (job.onAbort !== undefined) {
      job.signal!.removeEventListener("abort", job.onAbort);
      job.onAbort = undefined;
    }
    return job;
  }

  /** Takes `job` away from its thread if that has not begun, tells the handler otherwise. */
  giveUp(job: Job, error: ServiceError, drop: boolean): void {
    const { thread } = job;
    if (thread === undefined || thread.revoke(job)) return this.afterSoon();
    thread.post({ t: "abort", call: job.id, error: encodeError(error), drop });
  }

  /** Puts what `thread` has not begun with back in the line. */
  takeBack(thread: PoolThread): void {
    const back = thread.jobs.inOrder().filter((job) => thread.revoke(job));
    for (const job of back) {
      job.thread = undefined;
      if (job.over || job.transfer === undefined) continue;
      // What was transferred is gone; the caller may try again with new arguments.
      const { name } = this.#core;
      const text = `The thread of pool "${name}" ended before it began with ${this.#core.textOf(job)}`;
      this.over(job).reject(new ServiceError("pool_lost", text, { retryable: true }));
    }
    this.waiting.putBack(back.filter((job) => !job.over));
  }

  /** While calls sit in a ring behind another one and a thread is idle: makes sure that it gets them if it takes long. */
  #watchProgress(): void {
    if (this.#cancelSteal !== undefined || !this.#isUneven()) return;
    const { places, clock } = this.#core;
    const answered = places.map(({ thread }) => thread?.answered);
    this.#cancelSteal = clock.after(stealMs, () => {
      this.#cancelSteal = undefined;
      this.drain();
      for (const { number, thread } of places) {
        if (thread !== undefined && thread.load > 1 && thread.answered === answered[number]) {
          this.#steal(thread);
        }
      }
      this.#watchProgress();
    });
  }

  #isUneven(): boolean {
    let idle = false;
    let crowded = false;
    for (const { thread } of this.#core.places) {
      if (thread === undefined) continue;
      if (thread.load > 1) crowded = true;
      else if (thread.load === 0 && thread.state === "ready") idle = true;
    }
    return idle && crowded;
  }

  #steal(from: PoolThread): void {
    if (!this.#core.places.some(({ thread }) => thread?.state === "ready" && thread.load === 0)) return;
    this.takeBack(from);
    this.#refill();
  }
}
