/**
 * The jobs that a thread has or will get, by their number. A table of slots instead of a Map: a Map that is filled and
 * emptied all the time leaves a chain of outgrown tables behind, each of which keeps the next one and all that was in it
 * alive through the collections of young garbage.
 *
 *     number = generation (17 bits) << 14 | slot
 */
import type { Job } from "./job.ts";

const slotBits = 14;
const slotMask = (1 << slotBits) - 1;
const generations = 1 << 17;

/** See the module's header. */
export class ThreadJobs {
  readonly #slots: Array<Job | undefined> = [];
  readonly #free: number[] = [];
  #generation = 0;
  #added = 0;

  /** Gives `job` its number; false when there are 16,384 already. */
  add(job: Job): boolean {
    const slot = this.#free.pop() ?? this.#slots.length;
    if (slot > slotMask) return false;
    this.#slots[slot] = job;
    this.#generation = (this.#generation + 1) % generations;
    job.id = this.#generation << slotBits | slot;
    job.order = this.#added++;
    return true;
  }

  /** The job with this number, if it is still here. */
  get(id: number): Job | undefined {
    const job = this.#slots[id & slotMask];
    return job?.id === id ? job : undefined;
  }

  /** False when it was not here. */
  delete(job: Job): boolean {
    const slot = job.id & slotMask;
    if (this.#slots[slot] !== job) return false;
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    return true;
  }

  /** All of them, oldest first. */
  inOrder(): Job[] {
    return this.#slots.filter((job) => job !== undefined).sort((a, b) => a.order - b.order);
  }
}
