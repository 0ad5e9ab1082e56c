/**
 * Where WebSocket frames end in a stream of bytes, so that one of our own can be put between two of them:
 *
 *     frame = FIN/RSV/opcode(1) MASK+length(1) [ length16(2) / length64(8) ] [ masking key(4) ] payload      (RFC 6455 §5.2)
 *
 * Looks at heads only; knows nothing of messages.
 */

const State = { begin: 0, length: 1, longLength: 2, payload: 3 } as const;

/** Follows one direction of one connection. */
export class FrameEnds {
  #state: number = State.begin;
  /** Bytes of a long length that are to come, and its value so far. */
  #digits = 0;
  #masked = false;
  /** Of the payload, masking key included; while a long length is read, its value. */
  #left = 0;

  /** Nothing of a frame has come that was not complete. */
  get between(): boolean {
    return this.#state === State.begin;
  }

  /** Takes in `bytes`: all of them, or with `one` no further than the first end of a frame. Returns how many. */
  take(bytes: Uint8Array, one = false): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === State.payload) {
        const skipped = Math.min(this.#left, bytes.length - at);
        this.#left -= skipped;
        at += skipped;
      } else this.#head(bytes[at++]!);
      if (this.#state === State.payload && this.#left === 0) {
        this.#state = State.begin;
        if (one) return at;
      }
    }
    return at;
  }

  #head(byte: number): void {
    if (this.#state === State.begin) {
      this.#state = State.length;
    } else if (this.#state === State.length) {
      this.#masked = byte >= 128;
      const length = byte & 127;
      this.#digits = length === 126 ? 2 : length === 127 ? 8 : 0;
      this.#left = this.#digits > 0 ? 0 : length;
      if (this.#digits > 0) this.#state = State.longLength;
      else this.#begin();
    } else {
      this.#left = this.#left * 256 + byte;
      if (--this.#digits === 0) this.#begin();
    }
  }

  #begin(): void {
    if (this.#masked) this.#left += 4;
    this.#state = State.payload;
  }
}
