/** How long to wait before the next attempt: doubles from one to the next, with jitter, so that hosts do not come back together. */
import { type Clock, jitter } from "../../core/clock.ts";

const leastMs = 100;
const mostMs = 5000;

/** Delays of one source. */
export class RetryDelay {
  readonly #clock: Clock;
  #nextMs = leastMs;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next delay in ms: 100, 200, … 5000, ± 20 %. */
  next(): number {
    const delayMs = jitter(this.#clock, this.#nextMs, 0.2);
    this.#nextMs = Math.min(mostMs, 2 * this.#nextMs);
    return delayMs;
  }

  /** Waits for the next delay, at most until `signal` aborts. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#clock.after(this.next(), end);
      signal.addEventListener("abort", end);
    });
  }

  /** It went well: the next failure waits briefly again. */
  reset(): void {
    this.#nextMs = leastMs;
  }
}
