/**
 * Remembers nonces for as long as their messages could be taken: two generations, each as long as a message can be in
 * time, so that forgetting costs nothing. Bounded: while as many are remembered as may be, further ones are refused,
 * because to forget one would be to take it twice.
 */

/** See the module's header. */
export class ReplayWindow {
  readonly #capacity: number;
  readonly #generationMs: number;
  #young = new Set<string>();
  #old = new Set<string>();
  #since = -Infinity;

  /** `windowMs`: how far a message's time may be from now, both ways. `capacity`: most nonces at once. */
  constructor(windowMs: number, capacity: number) {
    // One from the far future is in time from window before its own time until window after it.
    this.#generationMs = 2 * windowMs;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** `good` the first time; `nowMs` of any clock that does not go back. */
  take(nonce: Uint8Array, nowMs: number): "good" | "replayed" | "full" {
    this.#turn(nowMs);
    const key = keyOf(nonce);
    if (this.#young.has(key) || this.#old.has(key)) return "replayed";
    if (this.size >= this.#capacity) return "full";
    this.#young.add(key);
    return "good";
  }

  #turn(nowMs: number): void {
    if (nowMs - this.#since < this.#generationMs) return;
    const both = nowMs - this.#since >= 2 * this.#generationMs;
    this.#old = both ? new Set() : this.#young;
    this.#young = new Set();
    this.#since = nowMs;
  }
}

function keyOf(nonce: Uint8Array): string {
  let key = "";
  for (const byte of nonce) key += String.fromCharCode(byte);
  return key;
}
