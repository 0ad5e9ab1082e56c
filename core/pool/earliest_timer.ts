/**
 * One timer for many limits: it is set to the earliest of them, and whoever is called then looks which have passed.
 * A timer per call would cost more than the call.
 */
import type { Clock } from "../clock.ts";

/** Calls back when the earliest limit comes. */
export class EarliestTimer {
  readonly #clock: Clock;
  readonly #callback: () => void;
  #atMs = Infinity;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock;
    this.#callback = callback;
  }

  /** Sees to it that the callback runs at `limitMs` (monotonic), or before. */
  watch(limitMs: number): void {
    if (limitMs >= this.#atMs) return;
    this.#cancel?.();
    this.#atMs = limitMs;
    this.#cancel = this.#clock.after(Math.max(0, limitMs - this.#clock.now()), () => {
      this.#atMs = Infinity;
      this.#cancel = undefined;
      this.#callback();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#atMs = Infinity;
  }
}
