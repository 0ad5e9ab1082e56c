/**
 * The chunked transfer coding, received (RFC 9112 section 7.1):
 *
 *     body    = *( 1*HEXDIG [ *( BWS ";" extension ) ] CRLF data CRLF ) 1*"0" [ extensions ] CRLF *( field-line CRLF ) CRLF
 *
 * Extensions and trailers are checked, bounded and dropped. Works on any division of the bytes.
 */
import { ReplyError } from "./reply_error.ts";
import { isText, isToken } from "./reply_head.ts";

/** Bytes of all extensions, and of the trailer, that one body may have. */
export const maxOverheadBytes = 16 * 1024;
/** Hexadecimal digits of a size, leading zeros included: sizes stay exact. */
const maxDigits = 13;

const State = {
  size: 0,
  afterSize: 1,
  extension: 2,
  sizeEnd: 3,
  data: 4,
  dataEnd: 5,
  dataEnd2: 6,
  trailer: 7,
  trailerName: 8,
  trailerValue: 9,
  trailerEnd: 10,
  lastEnd: 11,
  done: 12,
} as const;

const hex = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  hex[i.toString(16).charCodeAt(0)] = hex[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

/** Decodes one body after the other. */
export class ChunkedBody {
  /** Where the data of the last {@link decode} ends; it begins where the bytes began. */
  dataTo = 0;
  #state: number = State.size;
  #digits = 0;
  #left = 0;
  #overhead = 0;

  /** Whether the body is complete. */
  get done(): boolean {
    return this.#state === State.done;
  }

  /** Makes ready for the next body. */
  reset(): void {
    this.#state = State.size;
    this.#digits = this.#left = this.#overhead = 0;
  }

  /**
   * Decodes in place: the data among the bytes is moved together to `from`. Returns how far the body reaches: `to`, or
   * less where it is complete. Throws ReplyError.
   */
  decode(bytes: Uint8Array, from: number, to: number): number {
    let at = from, out = from;
    while (at < to && this.#state !== State.done) {
      if (this.#state !== State.data) {
        this.#frame(bytes[at++]!);
        continue;
      }
      const length = Math.min(this.#left, to - at);
      if (out !== at) bytes.copyWithin(out, at, at + length);
      out += length;
      at += length;
      this.#left -= length;
      if (this.#left === 0) this.#state = State.dataEnd;
    }
    this.dataTo = out;
    return at;
  }

  /** One byte that is not data. */
  #frame(byte: number): void {
    switch (this.#state) {
      case State.size: {
        const digit = hex[byte]!;
        if (digit >= 0) {
          if (++this.#digits > maxDigits) throw new ReplyError("a chunk is larger than can be");
          this.#left = this.#left * 16 + digit;
          return;
        }
        if (this.#digits === 0) throw new ReplyError("a chunk has no size");
        return this.#afterSize(byte);
      }
      case State.afterSize:
        return this.#afterSize(byte);
      case State.extension:
        if (byte === 13) this.#state = State.sizeEnd;
        else if (isText[byte] === 0) {
          throw new ReplyError("a chunk extension has characters that it must not have");
        } else this.#spend();
        return;
      case State.sizeEnd:
        if (byte !== 10) throw new ReplyError("a chunk size has a bare CR");
        this.#digits = 0;
        this.#state = this.#left > 0 ? State.data : State.trailer;
        return;
      case State.dataEnd:
        if (byte !== 13) throw new ReplyError("a chunk is longer than it says");
        this.#state = State.dataEnd2;
        return;
      case State.dataEnd2:
        if (byte !== 10) throw new ReplyError("a chunk is longer than it says");
        this.#state = State.size;
        return;
      default:
        return this.#trailer(byte);
    }
  }

  /** Behind the digits: blanks only before a semicolon. */
  #afterSize(byte: number): void {
    if (byte === 13 && this.#state === State.size) {
      this.#state = State.sizeEnd;
      return;
    }
    if (byte === 59) this.#state = State.extension;
    else if (byte === 32 || byte === 9) this.#state = State.afterSize;
    else throw new ReplyError("a chunk size is not a number");
    this.#spend();
  }

  #trailer(byte: number): void {
    this.#spend();
    switch (this.#state) {
      case State.trailer:
        if (byte === 13) this.#state = State.lastEnd;
        else if (isToken[byte] === 1) this.#state = State.trailerName;
        else throw new ReplyError("a trailer is not a field");
        return;
      case State.trailerName:
        if (byte === 58) this.#state = State.trailerValue;
        else if (isToken[byte] === 0) throw new ReplyError("the name of a trailer is not a token");
        return;
      case State.trailerValue:
        if (byte === 13) this.#state = State.trailerEnd;
        else if (isText[byte] === 0) throw new ReplyError("a trailer has characters that it must not have");
        return;
      default:
        if (byte !== 10) throw new ReplyError("a trailer has a bare CR");
        this.#state = this.#state === State.lastEnd ? State.done : State.trailer;
    }
  }

  #spend(): void {
    if (++this.#overhead > maxOverheadBytes) {
      throw new ReplyError("chunk extensions or trailers are too long");
    }
  }
}
