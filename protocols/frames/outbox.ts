/**
 * The way out of a connection: frames are put in, encoded into one buffer, and leave in one write. While a write is
 * under way the next buffer fills, so everything that becomes ready meanwhile leaves in the next one: batches grow
 * with the load, and nothing ever waits for a timer.
 *
 * Long frames are not copied but written from where they are. It bounds nothing itself: whoever puts frames in looks
 * at `pendingBytes` first.
 */
import type { ByteStream } from "../../core/protocol.ts";
import { encode, type Framing } from "./framing.ts";

/** Frames from this size on are written from where they are. */
export const borrowBytes = 16 * 1024;

const firstBytes = 512;
// A buffer that grew beyond this is not kept: it would be held by every connection that once had a large batch.
const keptBytes = 16 * 1024;
// A full buffer of this size is written as it is; growing further would only copy.
const fullBytes = 64 * 1024;
const nothing = new Uint8Array(0);

/** What an outbox tells its connection. */
export interface OutboxOwner {
  /** A write begins; what was put in so far may be gone from now on. */
  sending?(): void;
  /** A write went out; `pendingBytes` is smaller now. */
  moved(): void;
  /** The peer cannot be written to; nothing will be from now on. */
  broken(error: unknown): void;
}

/** Frames on their way to one peer. */
export class Outbox {
  readonly #stream: ByteStream;
  readonly #framing: Framing;
  readonly #owner: OutboxOwner;
  /** Whole buffers and borrowed frames, in order, before what is in `#open`. */
  #queue: Uint8Array[] = [];
  #open: Uint8Array = nothing;
  #length = 0;
  #spare: Uint8Array = nothing;
  #pending = 0;
  #writing = false;
  #scheduled = false;
  #broken = false;
  #borrowing = false;
  #used = false;
  readonly #flush = () => {
    this.#scheduled = false;
    this.flush();
  };

  constructor(stream: ByteStream, framing: Framing, owner: OutboxOwner) {
    this.#stream = stream;
    this.#framing = framing;
    this.#owner = owner;
  }

  /** Bytes put in and not yet written. */
  get pendingBytes(): number {
    return this.#pending;
  }

  /** Whether frames that were put in are still needed where they are. */
  get borrowing(): boolean {
    return this.#borrowing;
  }

  /** Whether anything was ever put in. */
  get used(): boolean {
    return this.#used;
  }

  /** Puts `frame` in; it has to fit the framing. Nothing leaves before {@link flush}. */
  push(frame: Uint8Array): void {
    if (this.#broken) return;
    this.#used = true;
    if (frame.length >= borrowBytes) return this.#borrow(frame);
    this.#reserve(frame.length + this.#framing.overheadBytes);
    const from = this.#length;
    this.#length = encode(this.#framing, frame, this.#open, from);
    this.#pending += this.#length - from;
  }

  /** Starts to write what is there, unless a write is under way, which will take it along. */
  flush(): void {
    if (this.#writing || this.#broken || this.#pending === 0) return;
    this.#drain();
  }

  /** Flushes when what is ready in this turn of the loop has been put in. */
  flushSoon(): void {
    if (this.#writing || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  #borrow(frame: Uint8Array): void {
    const overhead = this.#framing.overheadBytes;
    this.#reserve(overhead);
    let from = this.#length;
    this.#length = this.#framing.head(frame.length, this.#open, from);
    this.#pending += this.#length - from + frame.length;
    this.#seal();
    this.#queue.push(frame);
    this.#borrowing = true;
    this.#reserve(overhead);
    from = this.#length;
    this.#length = this.#framing.tail(this.#open, from);
    this.#pending += this.#length - from;
  }

  /** Makes room for `bytes` in the open buffer. */
  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#open.length) return;
    if (needed > fullBytes) this.#seal();
    const length = this.#length + bytes;
    if (length <= this.#open.length) return;
    let size = Math.max(firstBytes, this.#open.length);
    while (size < length) size *= 2;
    const larger = new Uint8Array(size);
    if (this.#length > 0) larger.set(this.#open.subarray(0, this.#length));
    this.#open = larger;
  }

  /** Closes the open buffer: what follows goes into another one. */
  #seal(): void {
    if (this.#length === 0) return;
    this.#queue.push(this.#open.subarray(0, this.#length));
    this.#open = nothing;
    this.#length = 0;
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#pending > 0) {
        const sealed = this.#queue.shift();
        const buffer = sealed ?? this.#open;
        let bytes = sealed ?? buffer.subarray(0, this.#length);
        if (!sealed) this.#swap();
        this.#owner.sending?.();
        let written = await this.#stream.write(bytes);
        this.#pending -= written;
        while (written < bytes.length) {
          this.#owner.moved();
          bytes = bytes.subarray(written);
          written = await this.#stream.write(bytes);
          this.#pending -= written;
        }
        if (!sealed) this.#keep(buffer);
        if (this.#pending > 0) this.#owner.moved();
      }
    } catch (error) {
      this.#broken = true;
      this.#pending = 0;
      this.#queue = [];
      this.#owner.broken(error);
      return;
    } finally {
      this.#borrowing = false;
      this.#writing = false;
    }
    this.#owner.moved();
  }

  /** What is put in from now on goes into the other buffer. */
  #swap(): void {
    this.#open = this.#spare;
    this.#spare = nothing;
    this.#length = 0;
  }

  #keep(buffer: Uint8Array): void {
    if (buffer.length > keptBytes) return;
    if (this.#open.length === 0) this.#open = buffer;
    else this.#spare = buffer;
  }
}
