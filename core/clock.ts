/**
 * Time and chance as arguments: code that measures, waits or draws lots takes a {@link Clock}, so that tests and
 * simulations decide what time it is. Refuses to know about calendars.
 */

import { monotonicMs } from "./monotonic.ts";

/** A source of time, timers and randomness. All times are milliseconds. */
export interface Clock {
  /** Monotonic milliseconds with a fraction; only differences mean anything. */
  now(): number;
  /** Milliseconds since the Unix epoch. */
  epoch(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Runs `callback` once after `delayMs`; returns a function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
  /** Runs `callback` every `periodMs`; returns a function that cancels it. */
  every(periodMs: number, callback: () => void): () => void;
}

/** The machine's own clock. Its timers keep the process alive until cancelled. */
export const systemClock: Clock = {
  now: monotonicMs,
  epoch: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, callback) {
    const id = setTimeout(callback, delayMs);
    return () => clearTimeout(id);
  },
  every(periodMs, callback) {
    const id = setInterval(callback, periodMs);
    return () => clearInterval(id);
  },
};

/** Spreads `valueMs` evenly over ± `share` of itself, so that things started together do not end together. */
export function jitter(clock: Clock, valueMs: number, share: number): number {
  return valueMs * (1 + share * (2 * clock.random() - 1));
}
