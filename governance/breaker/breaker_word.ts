/**
 * The state of a breaker in 32 bits, so that it changes at once for all workers and never half:
 *
 * ```
 * mode (2 bits) · forced (2 bits) · 3 bits of nothing · 25 bits by mode
 *   closed               0
 *   open                 when the first probe may go           (25 bits of time)
 *   ramp                 when it began                         (25 bits of time)
 *   halfOpen             probes given (9) · probes good (9) · when it began (7 bits of coarse time)
 * ```
 *
 * Closed and not forced is 0. Time is the time of day in units of 1/256 of `open` (at least 1 ms), and of 1/16 of the
 * life of a probe where it is coarse; both come round, after 10^5 times `open` and 8 lives of a probe. A breaker that
 * nobody looked at for exactly that long takes an end that has passed for one that is to come, and waits once more.
 */

/** What a breaker does. */
export const Mode = { closed: 0, open: 1, halfOpen: 2, ramp: 3 } as const;

/** What somebody made it do. */
export const Force = { auto: 0, open: 1, closed: 2 } as const;

/** Most probes at once. */
export const mostProbes = 511;

/** An open one stays so for `open`, up to this share longer by lot. */
export const jitterShare = 0.1;

const payloadAt = 7;
const timeMask = 2 ** 25 - 1;
const coarseMask = 2 ** 7 - 1;
const countMask = 511;
const givenAt = payloadAt;
const goodAt = givenAt + 9;
const coarseAt = goodAt + 9;

/** Everything but the payload. */
export function head(mode: number, force: number): number {
  return mode | force << 2;
}

export const modeOf = (word: number): number => word & 3;
export const forceOf = (word: number): number => word >>> 2 & 3;
export const givenOf = (word: number): number => word >>> givenAt & countMask;
export const goodOf = (word: number): number => word >>> goodAt & countMask;

/** The same state, forced otherwise. */
export const withForce = (word: number, force: number): number => word & ~(3 << 2) | force << 2;
/** One probe more, or with -1 one less. */
export const withGiven = (word: number, add: number): number => word + add * (1 << givenAt) | 0;
export const withGood = (word: number): number => word + (1 << goodAt) | 0;

/** Times in the words of one breaker. All in ms since the epoch, or lengths of time in ms. */
export class BreakerTimes {
  readonly #unitMs: number;
  readonly #coarseMs: number;
  /** No time to come is farther away than this, in units. */
  readonly #farthest: number;

  constructor(openMs: number, probeLifeMs: number) {
    this.#unitMs = Math.max(1, Math.floor(openMs / 256));
    this.#coarseMs = Math.max(1, probeLifeMs / 16);
    this.#farthest = Math.ceil(openMs * (1 + jitterShare) / this.#unitMs) + 16;
  }

  open(untilMs: number, force: number): number {
    return head(Mode.open, force) | (Math.ceil(untilMs / this.#unitMs) & timeMask) << payloadAt;
  }

  ramp(sinceMs: number, force: number): number {
    return head(Mode.ramp, force) | (this.#units(sinceMs) & timeMask) << payloadAt;
  }

  halfOpen(sinceMs: number, force: number, given: number): number {
    return head(Mode.halfOpen, force) | given << givenAt | this.#coarse(sinceMs) << coarseAt;
  }

  /** How long an open one stays so; 0 where its time has passed. */
  leftMs(word: number, epochMs: number): number {
    const units = (word >>> payloadAt) - this.#units(epochMs) & timeMask;
    return units > this.#farthest ? 0 : Math.max(0, units * this.#unitMs - epochMs % this.#unitMs);
  }

  /** How long it has been in its ramp; a clock that was set back by less than half a round says 0. */
  rampMs(word: number, epochMs: number): number {
    const units = this.#units(epochMs) - (word >>> payloadAt) & timeMask;
    return units > timeMask - this.#farthest ? 0 : units * this.#unitMs;
  }

  /** Whether the probes of a half-open one should have been told long ago. */
  probesLost(word: number, epochMs: number): boolean {
    return (this.#coarse(epochMs) - (word >>> coarseAt) & coarseMask) > 16;
  }

  #units(epochMs: number): number {
    // A remainder first: bits are taken of numbers below 2^53 correctly, but slowly.
    return Math.floor(epochMs / this.#unitMs) % 2 ** 31;
  }

  #coarse(epochMs: number): number {
    return Math.floor(epochMs / this.#coarseMs) % 128;
  }
}
