/**
 * How many requests may run at once: a fixed number, or one that follows the latency. The adaptive one is the gradient
 * of Netflix's concurrency-limits (Gradient2): while the latency of now stays near the long-term one the limit grows by
 * its square root, and it shrinks in proportion as requests begin to queue somewhere behind us. It never leaves
 * [floor, ceiling], so that a slow dependency cannot close the service, and it only learns while it is used.
 */

/** A limit on concurrency. */
export interface ConcurrencyLimit {
  /** Requests that may run now, an integer ≥ 1. */
  readonly current: number;
  /** A request ended after `handlerMs`; `running` were running when it did, itself included. */
  sample(handlerMs: number, running: number): void;
}

/** Always the same. */
export function fixedLimit(limit: number): ConcurrencyLimit {
  return { current: limit, sample() {} };
}

/** Requests per decision. */
const windowSamples = 50;
/** Latency may rise by this factor over the long-term one before the limit shrinks. */
const tolerance = 1.5;
/** Share of a decision that is taken over. */
const smoothing = 0.2;
/** The long-term latency is an average over about this many windows. */
const longWindows = 20;

/** See the module's header. Starts at `floor`, doubled until latency answers. */
export function adaptiveLimit({ floor, ceiling }: { floor: number; ceiling: number }): ConcurrencyLimit {
  let limit = floor;
  let longMs = 0;
  let samples = 0;
  let sumMs = 0;
  let mostRunning = 0;
  return {
    get current() {
      return Math.floor(limit);
    },
    sample(handlerMs, running) {
      samples++;
      sumMs += handlerMs;
      if (running > mostRunning) mostRunning = running;
      if (samples < windowSamples) return;
      const shortMs = Math.max(sumMs / samples, 0.001);
      const used = mostRunning >= limit / 2;
      samples = sumMs = mostRunning = 0;
      longMs = longMs === 0 ? shortMs : longMs + (shortMs - longMs) / longWindows;
      // Recovered from a slow spell: the average must not take the length of the spell to follow.
      if (longMs > 2 * shortMs) longMs *= 0.9;
      if (!used) return;
      const gradient = Math.max(0.5, Math.min(1, tolerance * longMs / shortMs));
      const wanted = limit * gradient + Math.sqrt(limit);
      limit = Math.min(ceiling, Math.max(floor, limit + (wanted - limit) * smoothing));
    },
  };
}
