/** A place for a thread: threads come and go, places stay, and remember why. */
import type { Job } from "./job.ts";
import type { ThreadDescription } from "./pool_options.ts";
import type { PoolThread } from "./pool_thread.ts";

/** One of the pool's places. */
export class Place {
  readonly number: number;
  thread: PoolThread | undefined;
  replaced = 0;
  lastError = "";
  /** Losses in a row without an answer in between. */
  losses = 0;
  /** Since when the thread is in its state, monotonic ms. */
  sinceMs = 0;
  /** Cancels the start that is due. */
  cancelStart: (() => void) | undefined;
  /** Services that the thread has been told to load and has not answered for. */
  readonly loading = new Map<number, { resolve(): void; reject(error: Error): void }>();

  constructor(number: number) {
    this.number = number;
  }

  /** What the meta page shows; `textOf` names a job. */
  describe(nowMs: number, textOf: (job: Job) => string): ThreadDescription {
    const { thread } = this;
    const job = thread?.current;
    const mark = job === undefined ? "" : thread!.markOf(job);
    return {
      thread: this.number,
      state: stateOf(thread, job),
      job: job === undefined ? "" : textOf(job) + (mark === "" ? "" : `: ${mark}`),
      sinceMs: nowMs - (job === undefined ? this.sinceMs : thread!.busySinceMs),
      answered: thread?.answered ?? 0,
      replaced: this.replaced,
      lastError: this.lastError,
    };
  }
}

function stateOf(thread: PoolThread | undefined, job: Job | undefined): ThreadDescription["state"] {
  if (thread === undefined || thread.state === "ended") return "waiting to restart";
  if (thread.state !== "ready") return thread.state;
  return job === undefined ? "idle" : "busy";
}
