/** The line in front of the threads: first in, first out; jobs that are over stay in it until their turn and are skipped. */
import type { Job } from "./job.ts";

const compactAt = 1024;

/** Jobs that have no thread yet. */
export class WaitingJobs {
  #jobs: Job[] = [];
  #first = 0;
  /** Length at which those that are over are swept out; doubles with those that really wait. */
  #sweepAt = 2 * compactAt;

  /** The next job, without those that are over; undefined when nobody waits. */
  peek(): Job | undefined {
    while (this.#jobs[this.#first]?.over) this.take();
    return this.#jobs[this.#first];
  }

  /** Removes the next job. */
  take(): void {
    this.#jobs[this.#first++] = undefined as never;
    if (this.#first < this.#jobs.length && this.#first < compactAt) return;
    this.#jobs = this.#jobs.slice(this.#first);
    this.#first = 0;
  }

  /** How many places the line takes in memory, jobs that are over included. */
  get length(): number {
    return this.#jobs.length - this.#first;
  }

  push(job: Job): void {
    // Without a ready thread nobody takes: a caller that comes and leaves in a loop must not lengthen the line.
    if (this.#jobs.length - this.#first >= this.#sweepAt) {
      this.#jobs = [...this];
      this.#first = 0;
      this.#sweepAt = 2 * Math.max(compactAt, this.#jobs.length);
    }
    this.#jobs.push(job);
  }

  /** Puts jobs back in front, in their order. */
  putBack(jobs: readonly Job[]): void {
    this.#jobs.splice(this.#first, 0, ...jobs);
  }

  /** Those that wait, in order. */
  *[Symbol.iterator](): Iterator<Job> {
    for (let i = this.#first; i < this.#jobs.length; i++) if (!this.#jobs[i]!.over) yield this.#jobs[i]!;
  }
}
