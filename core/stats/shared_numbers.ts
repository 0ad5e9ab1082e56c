/**
 * Named integers that every process of the service changes with Atomics: what must be exact over all workers (rate
 * limits, retry budgets, breakers). Each name stands on its own cache lines and is one integer, or a block of 16 for what
 * belongs together. 2048 names, never given back.
 */
import { sharedEntries, sharedEntryBytes, type SlotViews } from "./layout.ts";
import { isProcessAlive } from "./process_alive.ts";
import { readText, textBytes, writeText } from "./fixed_text.ts";

const ready = -1;
const stateAt = 0;
const valueAt = 1;
const nameLenAt = 2;
const nameOffset = 16;
const maxNameBytes = sharedEntryBytes - nameOffset;
/** A block's integers stand behind a shorter name, on a cache line of their own. */
const blockOffset = sharedEntryBytes / 2;
const maxBlockNameBytes = blockOffset - nameOffset;
const patienceMs = 2000;

/** Integers of one block. */
export const blockLength = (sharedEntryBytes - blockOffset) / 4;

/** One shared 32-bit integer; it wraps around like every Int32. */
export class SharedInt32 {
  readonly #i32: Int32Array;
  readonly #at: number;

  constructor(i32: Int32Array, at: number) {
    this.#i32 = i32;
    this.#at = at;
  }

  /** Adds `n` (may be negative) and returns the value before it. */
  add(n: number): number {
    return Atomics.add(this.#i32, this.#at, n);
  }

  load(): number {
    return Atomics.load(this.#i32, this.#at);
  }

  /**
   * A plain read, a tenth of the price of {@link load}: never torn (ECMA-262, memory model), but what others do may be seen a
   * little later, and a loop that only peeks may never see it. For a first look that something exact follows.
   */
  peek(): number {
    return this.#i32[this.#at]!;
  }

  store(value: number): void {
    Atomics.store(this.#i32, this.#at, value);
  }

  /** Stores `next` if the value is `expected`; returns the value before it. */
  compareExchange(expected: number, next: number): number {
    return Atomics.compareExchange(this.#i32, this.#at, expected, next);
  }
}

/** The table of shared integers, found by name. */
export class SharedNumbers {
  readonly #views: SlotViews;
  readonly #known = new Map<string, SharedInt32>();
  /** True when other processes see the same numbers; false where each process has its own. */
  readonly acrossProcesses: boolean;

  constructor(views: SlotViews, acrossProcesses: boolean) {
    this.#views = views;
    this.acrossProcesses = acrossProcesses;
  }

  /**
   * The integer called `name` (at most 112 bytes), 0 at first; any number of processes may ask for it at once.
   * Throws a RangeError when the name is too long or all 2048 names are taken.
   */
  int32(name: string): SharedInt32 {
    let shared = this.#known.get(name);
    if (shared) return shared;
    const bytes = textBytes(name);
    if (bytes === 0 || bytes > maxNameBytes) {
      throw new RangeError(`Cannot share a number named "${name}": use 1 to ${maxNameBytes} bytes`);
    }
    shared = new SharedInt32(this.#views.i32, this.#claim(name) + valueAt);
    this.#known.set(name, shared);
    return shared;
  }

  /**
   * The {@link blockLength} integers called `name` (at most 48 bytes), for the price of one name; 0 at first. Throws as
   * {@link int32} does. A name is either a block or one integer.
   */
  block(name: string): readonly SharedInt32[] {
    const bytes = textBytes(name);
    if (bytes === 0 || bytes > maxBlockNameBytes) {
      throw new RangeError(`Cannot share a block named "${name}": use 1 to ${maxBlockNameBytes} bytes`);
    }
    const at = this.#claim(name) + blockOffset / 4;
    return Array.from({ length: blockLength }, (_, n) => new SharedInt32(this.#views.i32, at + n));
  }

  #claim(name: string): number {
    const { i32, bytes } = this.#views;
    const start = hash(name) % sharedEntries;
    for (let n = 0; n < sharedEntries; n++) {
      const byteAt = ((start + n) % sharedEntries) * sharedEntryBytes;
      const at = byteAt / 4;
      if (this.#settle(at)) {
        // A claimer that died may have left the tail of a long name where a block has its numbers.
        bytes.fill(0, byteAt + nameOffset, byteAt + sharedEntryBytes);
        i32[at + nameLenAt] = writeText(bytes, byteAt + nameOffset, maxNameBytes, name);
        Atomics.store(i32, at + stateAt, ready);
        return at;
      }
      if (readText(bytes, byteAt + nameOffset, maxNameBytes, i32[at + nameLenAt]!) === name) return at;
    }
    throw new RangeError(`Cannot share a number named "${name}": all ${sharedEntries} are taken`);
  }

  /** True when the entry is now ours to name, false when it has a name. The state is the claimer's pid meanwhile. */
  #settle(at: number): boolean {
    const { i32 } = this.#views;
    const giveUpAt = performance.now() + patienceMs;
    for (;;) {
      const state = Atomics.load(i32, at + stateAt);
      if (state === ready) return false;
      const free = state === 0 || !isProcessAlive(state, 0);
      if (free && Atomics.compareExchange(i32, at + stateAt, state, Deno.pid) === state) return true;
      if (performance.now() > giveUpAt) {
        throw new Error(`Cannot share a number: process ${state} has been naming one for ${patienceMs} ms`);
      }
    }
  }
}

function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}
