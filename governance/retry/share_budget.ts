/**
 * A budget that is a share of the calls, exact over all workers of the host (the retry budget of Finagle,
 * `com.twitter.finagle.service.RetryBudget`): within the last seconds no more is taken than the share of the calls in
 * them, and beside that a fixed number in each second, for upstreams that are called seldom.
 *
 * Over any time, what is taken is at most share × calls + floor × seconds begun. For: each bucket of calls leaves the
 * window no later than what was taken while it was in it. So whoever may take finds calls in the window that nobody took
 * for, and charges those.
 *
 * Taking adds first and looks then, and takes back where that was too much: of several who do so at once the last one
 * sees all the others. They may refuse one too many, never allow one. Who dies in between has taken one that he did not
 * use, until it leaves the window.
 *
 * Calls are counted in this worker first and added up every {@link holdMs}, or when somebody wants to take: until then
 * they are missing, so the others can only be too strict.
 */
import type { Clock } from "../../core/clock.ts";
import type { SharedInt32 } from "../../core/stats/mod.ts";
import { SharedWindow, WindowCursor } from "./shared_window.ts";

const buckets = 7;
const holdMs = 20;
/** Calls older than this are forgotten instead of counted as new ones. */
const staleMs = 1000;
const mostHeld = 64;

/** Shape of a budget. */
export interface ShareBudgetOptions {
  /** 0..1 of the calls. */
  share: number;
  /** How long calls count. */
  ttlMs: number;
  /** Taken beside the share, per second and host. 0 to 255. */
  floorPerSecond: number;
  /** Among how many workers the floor is divided; 1 where they share their numbers. */
  workers: number;
}

/** See the module's header. */
export class ShareBudget {
  readonly #clock: Clock;
  readonly #options: ShareBudgetOptions;
  readonly #cursor: WindowCursor;
  readonly #calls: SharedWindow;
  readonly #taken: SharedWindow;
  readonly #floor: SharedInt32;
  #held = 0;
  #heldUntil = 0;

  /** `block`: 16 shared integers, 0 at first. */
  constructor(clock: Clock, block: readonly SharedInt32[], options: ShareBudgetOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#cursor = new WindowCursor(clock, options.ttlMs / buckets, buckets);
    this.#calls = new SharedWindow(block.slice(0, buckets));
    this.#taken = new SharedWindow(block.slice(buckets, 2 * buckets));
    this.#floor = block[2 * buckets]!;
  }

  /** A call begins. */
  deposit(now: number): void {
    if (++this.#held >= mostHeld || now >= this.#heldUntil) this.#flush(now, 1);
  }

  /** Counts the calls held; `fresh` is how many of them are of this moment. */
  #flush(now: number, fresh: number): void {
    const count = now - this.#heldUntil < staleMs ? this.#held : fresh;
    this.#heldUntil = now + holdMs;
    this.#held = 0;
    this.#cursor.move(now);
    if (count > 0) this.#calls.add(this.#cursor, count);
  }

  /** Takes one; false where there is none. */
  take(now: number): boolean {
    if (this.#takeFloor()) return true;
    this.#flush(now, 0);
    if (!this.#taken.add(this.#cursor, 1)) return false;
    if (this.#taken.sum(this.#cursor) <= this.#earned()) return true;
    this.#taken.undo(this.#cursor);
    return false;
  }

  /** How many could be taken now. */
  left(now: number): number {
    this.#flush(now, 0);
    const ofShare = Math.max(0, Math.floor(this.#earned()) - this.#taken.sum(this.#cursor));
    const second = this.#second();
    const word = this.#floor.load();
    const used = sameSecond(word, second) ? word & 0xff : 0;
    return ofShare + Math.max(0, this.#quota(second) - used);
  }

  #earned(): number {
    // A share such as 0.2 is no exact number: 5 × 0.2 must be 1.
    return this.#options.share * this.#calls.sum(this.#cursor) + 1e-9;
  }

  #second(): number {
    return Math.floor(this.#clock.epoch() / 1000);
  }

  /** What this second has for one worker; over the seconds exactly its part of the whole. */
  #quota(second: number): number {
    const { floorPerSecond, workers } = this.#options;
    return Math.floor(floorPerSecond * (second + 1) / workers) -
      Math.floor(floorPerSecond * second / workers);
  }

  /**
   * `second (24 bits) · used (8 bits)`. The clock is read after the word: whoever lost his core in between finds another
   * word when he comes to exchange it, and looks again.
   */
  #takeFloor(): boolean {
    if (this.#options.floorPerSecond === 0) return false;
    for (;;) {
      const word = this.#floor.load();
      const second = this.#second();
      const quota = this.#quota(second);
      const same = sameSecond(word, second);
      if ((same ? word & 0xff : 0) >= quota) return false;
      const next = same ? word + 1 : (second << 8) | 1;
      if (this.#floor.compareExchange(word, next) === word) return true;
    }
  }
}

/** Also true where the clock was set back by so little that it will have caught up soon. */
function sameSecond(word: number, second: number): boolean {
  return ((word >>> 8) - second & 0xffffff) <= 2;
}
