/**
 * How many requests may run at once: a fixed number, or one that follows the latency. The adaptive one compares the
 * latency of now with that of an unloaded backend: while they are near each other the limit grows by its square root,
 * and it shrinks in proportion as requests begin to queue somewhere behind us (the gradient of Netflix's
 * concurrency-limits and of Envoy). What unloaded means is only ever measured at the floor: an average over all times
 * would follow a long overload and take it for normal. So the limit goes down to the floor for a moment now and then.
 * It never leaves [floor, ceiling], so that a slow dependency cannot close the service, and it only learns while used.
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
/** Latency may rise by this factor over the unloaded one before the limit shrinks. */
const tolerance = 1.5;
/** Share of a decision that is taken over. */
const smoothing = 0.2;
/** Share of a measurement at the floor that is taken over. */
const measured = 0.3;
/** Share by which the unloaded latency follows a lower one seen under load: a few lucky windows say little. */
const better = 0.05;
/** Windows under load between two measurements at the floor. */
const measureEvery = 1000;
/** So many windows in a row at twice the tolerance: perhaps the backend itself has become slower, which is measured. */
const doubtAfter = 3;

/** See the module's header. Starts at `floor`. */
export function adaptiveLimit({ floor, ceiling }: { floor: number; ceiling: number }): ConcurrencyLimit {
  let limit = floor;
  /** Latency of the unloaded backend; 0 before the first measurement. */
  let baseMs = 0;
  let samples = 0;
  let sumMs = 0;
  let mostRunning = 0;
  let windows = 0;
  let doubts = 0;
  let measuring = false;

  const decide = () => {
    const shortMs = Math.max(sumMs / samples, 0.001);
    const running = mostRunning;
    samples = sumMs = mostRunning = 0;
    if (baseMs === 0) baseMs = shortMs;
    else if (running <= floor) baseMs += (shortMs - baseMs) * (measuring ? 1 : measured);
    else if (shortMs < baseMs) baseMs += (shortMs - baseMs) * better;
    if (measuring) {
      measuring = false;
      return;
    }
    if (running < limit / 2) return;
    const gradient = Math.max(0.5, Math.min(1, tolerance * baseMs / shortMs));
    const wanted = limit * gradient + Math.sqrt(limit);
    limit = Math.min(ceiling, Math.max(floor, limit + (wanted - limit) * smoothing));
    if (running <= floor) return;
    doubts = gradient > 0.5 ? 0 : doubts + 1;
    if (++windows < measureEvery && doubts < doubtAfter) return;
    windows = doubts = 0;
    measuring = true;
  };

  return {
    get current() {
      return measuring ? floor : Math.floor(limit);
    },
    sample(handlerMs, running) {
      // What began before the measurement is still on its way out.
      if (measuring && running > floor) return;
      samples++;
      sumMs += handlerMs;
      if (running > mostRunning) mostRunning = running;
      if (samples >= windowSamples) decide();
    },
  };
}
