/**
 * A ring of records in shared memory between exactly one producer and one consumer thread. It stands between a pool and
 * one of its threads, one ring per direction. It knows nothing of what the records mean, never blocks and never spins:
 * `reserve()` says that there is no room, and who waits for what is decided by its users.
 *
 * ```
 * control (64 B)  i32 head · tail · consumer sleeps · producer waits · 12 reserved
 * data            records, each 8-byte aligned: i32 size (with header, multiple of 8; -1 = go on at the start)
 *                 · i32 tag (free for the users, changed with Atomics) · body
 * ```
 * Who waits sets its flag, looks once more, and waits for the flag itself to be cleared: a wake-up that comes between the
 * look and the wait is then never lost. head and tail count bytes and wrap at 2^32; the capacity is a power of
 * two.
 */

import { Buffer } from "node:buffer";

const headAt = 0;
const tailAt = 1;
const sleepsAt = 2;
const waitsAt = 3;
const controlBytes = 64;
const headerBytes = 8;

/** Shared memory for a ring of `capacity` bytes. Throws a RangeError unless that is a power of two, 64 at least. */
export function ringMemory(capacity: number): SharedArrayBuffer {
  if (!Number.isInteger(Math.log2(capacity)) || capacity < 64 || capacity > 2 ** 30) {
    throw new RangeError(
      `Cannot make a ring of ${capacity} bytes: it must be a power of two from 64 to 2^30`,
    );
  }
  return new SharedArrayBuffer(controlBytes + capacity);
}

/** One side's view of a ring; a side uses either the producer's or the consumer's methods. */
export class Ring {
  /** Views of the data. Offsets returned by this class count bytes in them. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** The same bytes once more: a TextDecoder would copy them out of shared memory first. */
  readonly #texts: Buffer;
  readonly capacity: number;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #mask: number;
  /** What this side last saw or wrote; reading the other side's word only when needed saves cache misses. */
  #head: number;
  #tail: number;
  /** Where the tail will be after commit(). */
  #reserved: number;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, controlBytes / 4);
    this.bytes = new Uint8Array(memory, controlBytes);
    this.i32 = new Int32Array(memory, controlBytes);
    this.f64 = new Float64Array(memory, controlBytes);
    this.#texts = Buffer.from(memory, controlBytes);
    this.capacity = this.bytes.length;
    this.#mask = this.capacity - 1;
    this.#head = Atomics.load(this.#control, headAt);
    this.#tail = Atomics.load(this.#control, tailAt);
    this.#reserved = this.#tail;
  }

  /** The largest body that always fits into an empty ring, wherever its head stands. */
  get maxBody(): number {
    return this.capacity / 2 - headerBytes;
  }

  /** The UTF-8 text in the bytes from `from` to `to`; faster where the caller knows that they are ASCII. */
  text(from: number, to: number, ascii: boolean): string {
    return this.#texts.toString(ascii ? "latin1" : "utf8", from, to);
  }

  // --- producer

  /** Room for a body of `size` bytes: its byte offset, or -1 when it does not fit now. One at a time. */
  reserve(size: number): number {
    const need = (size + headerBytes + 7) & ~7;
    const at = this.#tail & this.#mask;
    const skip = this.capacity - at < need ? this.capacity - at : 0;
    if (this.#used() + skip + need > this.capacity) {
      this.#head = Atomics.load(this.#control, headAt);
      if (this.#used() + skip + need > this.capacity) return -1;
    }
    if (skip > 0) this.i32[at >> 2] = -1;
    const start = skip > 0 ? 0 : at;
    this.i32[start >> 2] = need;
    this.#reserved = (this.#tail + skip + need) | 0;
    return start + headerBytes;
  }

  #used(): number {
    return (this.#tail - this.#head) >>> 0;
  }

  /** The tail counter at which the reserved record ends: its {@link taken} mark. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Shows the reserved record to the consumer; does not wake it. */
  commit(): void {
    this.#tail = this.#reserved;
    Atomics.store(this.#control, tailAt, this.#tail);
  }

  /** Whether the consumer has released the record that ended at `mark`. Until then its bytes stay as written. */
  taken(mark: number): boolean {
    this.#head = Atomics.load(this.#control, headAt);
    return (mark - this.#head | 0) <= 0;
  }

  /** Wakes the consumer if it sleeps. */
  wake(): boolean {
    if (Atomics.load(this.#control, sleepsAt) === 0) return false;
    if (Atomics.exchange(this.#control, sleepsAt, 0) === 0) return false;
    Atomics.notify(this.#control, sleepsAt);
    return true;
  }

  /** Resolves when the consumer has released something since the last failed reserve(). */
  async room(): Promise<void> {
    const control = this.#control;
    Atomics.store(control, waitsAt, 1);
    if (Atomics.load(control, headAt) === this.#head) await waitAsync(control, waitsAt, 1);
  }

  // --- consumer

  /** The byte offset of the next record's body, or -1 when there is none. */
  peek(): number {
    if (this.#head === this.#tail) {
      this.#tail = Atomics.load(this.#control, tailAt);
      if (this.#head === this.#tail) return -1;
    }
    let at = this.#head & this.#mask;
    if (this.i32[at >> 2] === -1) {
      this.#head = (this.#head + this.capacity - at) | 0;
      at = 0;
    }
    return at + headerBytes;
  }

  /** Frees the record that peek() returned; its bytes may change from now on. */
  release(): void {
    this.#head = (this.#head + this.i32[(this.#head & this.#mask) >> 2]!) | 0;
    Atomics.store(this.#control, headAt, this.#head);
  }

  /** Wakes those that wait for room. Call it after a run of release(). */
  released(): void {
    if (Atomics.load(this.#control, waitsAt) === 1 && Atomics.exchange(this.#control, waitsAt, 0) === 1) {
      Atomics.notify(this.#control, waitsAt);
    }
  }

  /** Blocks this thread until there is a record or `maxMs` passed; true when there is one. Never on a main thread. */
  block(maxMs: number): boolean {
    const control = this.#control;
    Atomics.store(control, sleepsAt, 1);
    if (Atomics.load(control, tailAt) === this.#head) Atomics.wait(control, sleepsAt, 1, maxMs);
    Atomics.store(control, sleepsAt, 0);
    return this.peek() !== -1;
  }

  /** Resolves when there is a record, or on a mere wake(); the event loop of this thread goes on meanwhile. */
  async arrival(): Promise<void> {
    const control = this.#control;
    Atomics.store(control, sleepsAt, 1);
    if (Atomics.load(control, tailAt) === this.#head) await waitAsync(control, sleepsAt, 1);
    Atomics.store(control, sleepsAt, 0);
  }
}

/** Resolves when `array[index]` was notified, at once when it is not `seen`. */
export async function waitAsync(
  array: Int32Array<SharedArrayBuffer>,
  index: number,
  seen: number,
): Promise<void> {
  const wait = Atomics.waitAsync(array, index, seen);
  if (wait.async) await wait.value;
}
