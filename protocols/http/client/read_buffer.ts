/**
 * What was read from a connection and not taken yet. One buffer is read into again and again; it grows where replies are
 * long, is given away where a long piece of a body fills it, and shrinks where replies have been short for a while.
 */

/** Reads take this much at first, and this much once replies turned out to be longer. */
export const firstReadBytes = 16 * 1024;
export const largeReadBytes = 64 * 1024;
/** After so many short replies in a row the large buffer is given back. */
const shortReplies = 64;

/** See the module's header. What stands from `from` to `to` was read and not taken. */
export class ReadBuffer {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(firstReadBytes);
  from = 0;
  to = 0;
  #short = 0;
  #grows = false;

  /** Where the next read goes. What was not taken stays; it has to be bounded by whoever reads. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.from === this.to) {
      this.from = this.to = 0;
      if (this.#grows) this.#resize(largeReadBytes);
      else if (this.#short >= shortReplies) this.#resize(firstReadBytes);
      this.#grows = false;
      return this.bytes;
    }
    if (this.to < this.bytes.length) return this.bytes.subarray(this.to);
    const held = this.bytes.subarray(this.from, this.to);
    if (this.from === 0) {
      this.bytes = new Uint8Array(this.bytes.length * 2);
      this.bytes.set(held);
    } else this.bytes.copyWithin(0, this.from, this.to);
    this.to = held.length;
    this.from = 0;
    return this.bytes.subarray(this.to);
  }

  /** `count` bytes were read into `room`. */
  filled(count: number, room: Uint8Array): void {
    if (count === room.length) this.#grows = true;
    this.to += count;
  }

  /** A whole reply has been in the buffer. */
  whole(): void {
    this.#short = this.to <= firstReadBytes ? this.#short + 1 : 0;
  }

  /** Bytes that were taken, for a reader: a copy; or, where that is long, the buffer itself, and another takes its place. */
  piece(from: number, to: number): Uint8Array<ArrayBuffer> {
    if (this.from < this.to || to - from < this.bytes.length / 2) return this.bytes.slice(from, to);
    const piece = this.bytes.subarray(from, to);
    this.bytes = new Uint8Array(largeReadBytes);
    this.from = this.to = 0;
    return piece;
  }

  #resize(bytes: number): void {
    this.#short = 0;
    if (this.bytes.length !== bytes) this.bytes = new Uint8Array(bytes);
  }
}
