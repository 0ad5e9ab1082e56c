/**
 * Turns what a connection delivers into frames. It owns the memory that `read` fills, and yields frames as views of
 * it: a frame that lies whole in the memory is never copied, only the beginning of one that did not fit is moved.
 *
 * How long a view is good: as long as the caller says `pinned` when it asks for room. Pinned memory is never written
 * again; when it is used up the decoder takes fresh memory and leaves the old to the garbage collector. So nothing is
 * counted per frame, and nobody ever sees bytes change under a view.
 *
 * Bounded: it holds less than twice what was received of one unfinished frame, and no frame is longer than the
 * framing's bound. It does no I/O.
 */
import type { Cursor, Framing } from "./framing.ts";
import { FramingError } from "./framing_error.ts";

/** Memory of a connection that never said much; ten thousand idle ones hold 40 MiB. */
export const smallestChunkBytes = 4 * 1024;
/** Memory of a connection that fills what it is given. */
export const largestChunkBytes = 64 * 1024;

// This many reads in a row that used a sixteenth of the memory make it smaller again.
const quietReads = 64;

/** The decoder of one connection. Use: `room`, read into it, `filled`, then `next` until it has no more. */
export class Decoder {
  readonly #framing: Framing;
  readonly #cursor: Cursor = { base: 0, searched: 0, from: 0, to: 0, next: 0 };
  #chunk = new Uint8Array(smallestChunkBytes);
  #start = 0;
  #end = 0;
  /** Bytes that new memory has. */
  #size = smallestChunkBytes;
  /** Bytes that the unfinished frame has at least, with its framing. */
  #need = 0;
  /** Largest frame, with its framing, that came whole: the peer may announce as much again and get it at once. */
  #trusted = 0;
  #last = 0;
  #quiet = 0;
  #roomBytes = 0;
  #abandoned = false;

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  /** Bytes received that no frame has been made of yet. */
  get heldBytes(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory held now. */
  get memoryBytes(): number {
    return this.#chunk.length;
  }

  /** Bytes of the connection that went into frames. */
  get consumedBytes(): number {
    return this.#cursor.base + this.#start;
  }

  /** Somebody may keep views of the memory for longer than anyone can say: it will not be written again. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** Where the next `read` may put bytes; never empty. With `pinned`, views handed out before stay as they are. */
  room(pinned: boolean): Uint8Array {
    const room = this.#room(pinned || this.#abandoned);
    this.#roomBytes = room.length;
    return room;
  }

  /** `bytes` (at least 1) were read into what {@link room} gave. */
  filled(bytes: number): void {
    this.#end += bytes;
    if (bytes === this.#roomBytes) {
      this.#quiet = 0;
      if (this.#size < largestChunkBytes) this.#size *= 4;
      return;
    }
    if (bytes * 16 > this.#size || this.#size === smallestChunkBytes) {
      this.#quiet = 0;
    } else if (++this.#quiet >= quietReads) {
      this.#quiet = 0;
      this.#size /= 4;
    }
  }

  /** The next whole frame, or undefined when more bytes are needed. Throws FramingError; call no more after that. */
  next(): Uint8Array | undefined {
    const start = this.#start;
    if (start === this.#end) return undefined;
    const cursor = this.#cursor;
    const need = this.#framing.scan(this.#chunk, start, this.#end, cursor);
    if (need > 0) {
      this.#need = need;
      return undefined;
    }
    const next = cursor.next;
    this.#start = next;
    this.#last = next - start;
    if (this.#last > this.#trusted) this.#trusted = this.#last;
    cursor.searched = next;
    return this.#chunk.subarray(cursor.from, cursor.to);
  }

  /** The peer sends no more. Throws FramingError `protocol_error` when a frame has begun and not ended. */
  end(): void {
    if (this.heldBytes === 0) return;
    throw new FramingError(
      "protocol_error",
      `The connection ended ${this.heldBytes} bytes into a frame`,
      this.#cursor.base + this.#end,
    );
  }

  #room(pinned: boolean): Uint8Array {
    const chunk = this.#chunk;
    const held = this.#end - this.#start;
    if (held === 0 && !pinned) {
      const fitting = chunk.length === this.#size || (chunk.length > this.#size && this.#last > this.#size);
      return this.#move(fitting ? chunk : new Uint8Array(this.#size));
    }
    const free = chunk.length - this.#end;
    const enough = held > 0 && this.#need <= chunk.length - this.#start;
    if (free > 0 && (free >= chunk.length / 4 || (enough && this.#start === 0))) {
      return chunk.subarray(this.#end);
    }
    const length = this.#nextLength(held);
    const reusable = !pinned && chunk.length >= length;
    const room = this.#move(reusable ? chunk : new Uint8Array(length));
    return this.#end === 0 ? room : room.subarray(this.#end);
  }

  /** Size of the memory that `held` bytes move to: larger than they are, and no larger than the peer has earned. */
  #nextLength(held: number): number {
    if (held === 0 || this.#need <= this.#size * 3 / 4) return this.#size;
    const most = this.#framing.maxBytes + this.#framing.overheadBytes;
    const earned = Math.max(2 * held, this.#trusted, this.#size);
    return Math.max(this.#size, Math.min(earned, most));
  }

  /** Makes `target`, which may be the memory in use, the memory, with the unfinished frame at its beginning. */
  #move(target: Uint8Array<ArrayBuffer>): Uint8Array {
    const shift = this.#start;
    if (this.#end > shift) {
      if (target === this.#chunk) target.copyWithin(0, shift, this.#end);
      else target.set(this.#chunk.subarray(shift, this.#end));
    }
    if (target !== this.#chunk) this.#abandoned = false;
    this.#chunk = target;
    this.#cursor.base += shift;
    this.#cursor.searched -= shift;
    this.#end -= shift;
    this.#start = 0;
    return target;
  }
}
