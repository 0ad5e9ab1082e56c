/**
 * The recovery throttle (after brpc's cluster recover policy): when all endpoints were out and the first come back, the
 * load of all would throw them over again. So calls are let in with the probability usable / wanted, which gives each
 * that is back its own share, until nothing has changed for 3 s, or 80 % are back, or 60 s are over.
 *
 * It starts only after all of at least two endpoints were out for a second, and never while health is ignored (panic):
 * then the load is on all of them anyway.
 */
import type { Clock } from "../../core/clock.ts";

/** All must have been out for this long. */
const outageMs = 1000;
/** Over once the number of usable ones has stood still for this long … */
const stableMs = 3000;
/** … or this share is usable … */
const enough = 0.8;
/** … or after this, whatever happens. */
const longestMs = 60_000;

/** See the module's header. Times are monotonic ms. */
export class Recovery {
  readonly #clock: Clock;
  #usable = 0;
  #wanted = 0;
  /** Since when nobody is usable; Infinity while somebody is. */
  #outSince = Infinity;
  /** When recovery began; Infinity while it is not under way. */
  #since = Infinity;
  #changedAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True while calls may be refused. */
  get active(): boolean {
    return this.#since !== Infinity;
  }

  /** So many of so many endpoints are usable now. */
  count(usable: number, wanted: number, now: number): void {
    if (usable === this.#usable && wanted === this.#wanted) return;
    if (usable !== this.#usable) this.#changedAt = now;
    this.#usable = usable;
    this.#wanted = wanted;
    if (usable === 0) {
      this.#since = Infinity;
      if (wanted < 2) this.#outSince = Infinity;
      else if (this.#outSince === Infinity) this.#outSince = now;
      return;
    }
    if (now - this.#outSince >= outageMs) this.#since = now;
    this.#outSince = Infinity;
    this.tick(now);
  }

  /** Whether a call may go. */
  admits(panic: boolean): boolean {
    if (this.#since === Infinity || panic) return true;
    return this.#clock.random() * this.#wanted < this.#usable;
  }

  tick(now: number): void {
    if (this.#since === Infinity) return;
    const over = now - this.#changedAt >= stableMs || this.#usable >= enough * this.#wanted ||
      now - this.#since >= longestMs;
    if (over) this.#since = Infinity;
  }
}
