/**
 * Requests that begin close upon each other, on whatever connections: the first few leave at once, the others together
 * when the loop has done what is ready. An upstream that the first ones woke finds them there, and is not woken for
 * each; where few requests are under way, none waits.
 */
import { setImmediate } from "node:timers";

/** Requests further apart than this are no burst: more than one takes here, less than a turn of the loop. */
const gapMs = 0.03;
/** So many of each burst leave at once. */
const atOnce = 4;

/** Somebody with requests to send. */
export interface Leaving {
  leave(): void;
}

/** See the module's header. */
export class Burst {
  #count = 0;
  #lastAt = -Infinity;
  #waiting: Leaving[] = [];
  #spare: Leaving[] = [];

  /** Whether `one` waits, and is told to leave in this turn of the loop; `now` in monotonic ms. */
  holds(one: Leaving, now: number): boolean {
    if (now - this.#lastAt > gapMs) this.#count = 0;
    this.#lastAt = now;
    if (++this.#count <= atOnce) return false;
    if (this.#waiting.push(one) === 1) setImmediate(this.#leave);
    return true;
  }

  readonly #leave = (): void => {
    const leaving = this.#waiting;
    this.#waiting = this.#spare;
    for (let i = 0; i < leaving.length; i++) leaving[i]!.leave();
    leaving.length = 0;
    this.#spare = leaving;
  };
}
