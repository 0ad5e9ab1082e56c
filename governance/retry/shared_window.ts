/**
 * A sliding window of counts over shared integers, one per bucket of time. Buckets go by the time of day, which is the
 * same for all processes, so nobody has to turn the window and nobody who dies can keep it from turning:
 *
 * ```
 * bucket = round (12 bits) · count (20 bits)      slot = epoch / slotMs, round = slot / buckets
 * ```
 *
 * A bucket counts only while it carries the round that it would get now; who finds an older one begins it anew. What is
 * left from exactly 4096 rounds ago (11 h for a window of 10 s), untouched since, would be taken for new. Counts stop at
 * 2^20 - 2^16, a million per bucket. A clock that is set back by less than two rounds stops the counting until it has
 * caught up; by more, the window starts afresh.
 */
import type { Clock } from "../../core/clock.ts";
import type { SharedInt32 } from "../../core/stats/mod.ts";

const countBits = 20;
const countMask = (1 << countBits) - 1;
const roundMask = 0xfff;
/** Below the end of the bits, so that additions of many processes at once cannot run into the round. */
const mostCount = countMask - 0xffff;
/** The time of day is asked for again after this, in ms. */
const trustMs = 100;

/** Which bucket it is now; one may serve several windows of the same shape. */
export class WindowCursor {
  readonly #clock: Clock;
  readonly #slotMs: number;
  readonly #buckets: number;
  #since = 0;
  #until = 0;
  index = 0;
  round = 0;

  constructor(clock: Clock, slotMs: number, buckets: number) {
    this.#clock = clock;
    this.#slotMs = slotMs;
    this.#buckets = buckets;
  }

  /** To the bucket of `now` (monotonic ms, and really now). */
  move(now: number): void {
    if (now >= this.#until || now < this.#since) this.#ask(now);
  }

  #ask(now: number): void {
    const epoch = this.#clock.epoch();
    const slot = Math.floor(epoch / this.#slotMs);
    this.index = slot % this.#buckets;
    this.round = Math.floor(slot / this.#buckets) & roundMask;
    this.#since = now;
    this.#until = now + Math.min(trustMs, (slot + 1) * this.#slotMs - epoch);
  }
}

/** See the module's header. */
export class SharedWindow {
  readonly #buckets: readonly SharedInt32[];

  /** `buckets` as many as the cursor was made for. */
  constructor(buckets: readonly SharedInt32[]) {
    this.#buckets = buckets;
  }

  /** Adds `n` (at most 2^15) to the bucket of now; false where it could not, as the clock was set back or it is full. */
  add(cursor: WindowCursor, n: number): boolean {
    const bucket = this.#buckets[cursor.index]!;
    let word = bucket.peek();
    if (word >>> countBits === cursor.round && (word & countMask) < mostCount) {
      bucket.add(n);
      return true;
    }
    // It has to begin, or is full: now exactly.
    for (word = bucket.load(); word >>> countBits !== cursor.round;) {
      // One or two rounds ahead: somebody else's now is behind mine, or the clock was set back a little.
      const ahead = ((word >>> countBits) - cursor.round) & roundMask;
      if ((word & countMask) !== 0 && ahead <= 2) return false;
      const seen = bucket.compareExchange(word, cursor.round << countBits | n);
      if (seen === word) return true;
      word = seen;
    }
    if ((word & countMask) >= mostCount) return false;
    bucket.add(n);
    return true;
  }

  /** Takes back 1 that was added to the bucket that `cursor` stands at; nothing where that has passed. */
  undo(cursor: WindowCursor): void {
    const bucket = this.#buckets[cursor.index]!;
    for (let word = bucket.load(); word >>> countBits === cursor.round && (word & countMask) > 0;) {
      const seen = bucket.compareExchange(word, word - 1);
      if (seen === word) return;
      word = seen;
    }
  }

  /** The counts of all buckets that are in the window now. */
  sum(cursor: WindowCursor): number {
    let sum = 0;
    for (let i = 0; i < this.#buckets.length; i++) sum += counted(this.#buckets[i]!.load(), i, cursor);
    return sum;
  }

  /** The same for little, and not exact while others add. */
  glance(cursor: WindowCursor): number {
    let sum = 0;
    for (let i = 0; i < this.#buckets.length; i++) sum += counted(this.#buckets[i]!.peek(), i, cursor);
    return sum;
  }

  clear(): void {
    for (const bucket of this.#buckets) bucket.store(0);
  }
}

/** What a bucket counts now: those behind the cursor's are of the round before. */
function counted(word: number, index: number, cursor: WindowCursor): number {
  const round = index <= cursor.index ? cursor.round : (cursor.round - 1) & roundMask;
  return word >>> countBits === round ? word & countMask : 0;
}
