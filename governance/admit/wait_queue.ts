/**
 * The bounded queue behind a concurrency limit: first in, first out, nobody waits longer than the limit, and one timer
 * for all. It knows when the first must go and nothing of what is waited for.
 */
import type { Clock } from "../../core/clock.ts";

/** One that waits. */
export interface Waiter {
  readonly since: number;
  /** Told once: true = your turn, false = waited too long. */
  readonly wake: (turn: boolean) => void;
  /** Nobody needs it any more: it is passed over. */
  readonly stale: () => boolean;
}

/** See the module's header. */
export class WaitQueue {
  readonly #ring: Array<Waiter | undefined>;
  readonly #waitMs: number;
  readonly #clock: Clock;
  #head = 0;
  #size = 0;
  #cancel: (() => void) | undefined;

  constructor(capacity: number, waitMs: number, clock: Clock) {
    this.#ring = new Array(Math.max(1, capacity));
    this.capacity = capacity;
    this.#waitMs = waitMs;
    this.#clock = clock;
  }

  readonly capacity: number;

  get size(): number {
    return this.#size;
  }

  /** Joins the end; false when the queue is full. */
  push(waiter: Waiter): boolean {
    if (this.#size >= this.capacity) return false;
    this.#ring[(this.#head + this.#size++) % this.#ring.length] = waiter;
    if (this.#size === 1) this.#arm(this.#waitMs);
    return true;
  }

  /** The first that still wants its turn leaves the queue; undefined when nobody does. */
  shift(): Waiter | undefined {
    while (this.#size > 0) {
      const waiter = this.#take();
      if (waiter.stale()) {
        waiter.wake(false);
        continue;
      }
      if (this.#size === 0) this.#disarm();
      return waiter;
    }
    this.#disarm();
    return undefined;
  }

  #take(): Waiter {
    const waiter = this.#ring[this.#head]!;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size--;
    return waiter;
  }

  #arm(delayMs: number): void {
    this.#disarm();
    this.#cancel = this.#clock.after(Math.max(1, Math.ceil(delayMs)), () => this.#expire());
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #expire(): void {
    this.#cancel = undefined;
    const now = this.#clock.now();
    while (this.#size > 0) {
      const left = this.#ring[this.#head]!.since + this.#waitMs - now;
      if (left > 0) return this.#arm(left);
      this.#take().wake(false);
    }
  }

  /** Everybody goes, without a turn. */
  clear(): void {
    this.#disarm();
    while (this.#size > 0) this.#take().wake(false);
  }
}
