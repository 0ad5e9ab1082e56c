/**
 * Frames that begin with their length.
 *
 *     frame  = length *OCTET
 *     length = 1, 2, 4 or 8 octets, unsigned, big or little endian;
 *              counts the octets that follow, or with includesItself those of the length too
 *
 * A length above the bound is refused when the prefix is there; the rest is never waited for. Lengths of 2^53 and
 * more cannot be told apart, and are above every bound.
 */
import type { Cursor, Framing } from "./framing.ts";
import { FramingError, tooLarge } from "./framing_error.ts";

/** What `framing.lengthPrefix` declares. */
export interface LengthPrefixPlan {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly endian: "big" | "little";
  readonly includesItself: boolean;
}

/** Frames behind a fixed-size length; `maxBytes` bounds the frame without its prefix. */
export function lengthPrefix(plan: LengthPrefixPlan, maxBytes: number): Framing {
  return new LengthPrefix(plan, maxBytes);
}

class LengthPrefix implements Framing {
  readonly name = "lengthPrefix";
  readonly maxBytes: number;
  readonly overheadBytes: number;
  readonly #big: boolean;
  /** What the length counts beside the frame. */
  readonly #extra: number;
  /** Longest frame whose length can be written. */
  readonly #writable: number;

  constructor(plan: LengthPrefixPlan, maxBytes: number) {
    this.maxBytes = maxBytes;
    this.overheadBytes = plan.bytes;
    this.#big = plan.endian === "big";
    this.#extra = plan.includesItself ? plan.bytes : 0;
    this.#writable = Math.min(2 ** (8 * plan.bytes) - 1, Number.MAX_SAFE_INTEGER) - this.#extra;
  }

  scan(bytes: Uint8Array, start: number, end: number, cursor: Cursor): number {
    const prefix = this.overheadBytes;
    const from = start + prefix;
    if (from > end) return prefix;
    const length = this.#read(bytes, start) - this.#extra;
    if (length > this.maxBytes) throw tooLarge(length, this.maxBytes, cursor.base + start);
    if (length < 0) {
      throw new FramingError(
        "protocol_error",
        `A length of ${length + this.#extra}, but it counts its own ${prefix} bytes`,
        cursor.base + start,
      );
    }
    const to = from + length;
    if (to > end) return prefix + length;
    cursor.from = from;
    cursor.to = to;
    cursor.next = to;
    return 0;
  }

  misfit(frame: Uint8Array): string | undefined {
    if (frame.length <= this.#writable) return undefined;
    return `${frame.length} bytes; a length of ${this.overheadBytes} bytes counts ${this.#writable} at most`;
  }

  head(lengthBytes: number, into: Uint8Array, at: number): number {
    const value = lengthBytes + this.#extra;
    const size = this.overheadBytes;
    if (size === 4) {
      if (this.#big) write4(value, into, at);
      else write4(swap4(value), into, at);
      return at + 4;
    }
    let rest = value;
    for (let index = 0; index < size; index++) {
      into[this.#big ? at + size - 1 - index : at + index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return at + size;
  }

  tail(_into: Uint8Array, at: number): number {
    return at;
  }

  #read(bytes: Uint8Array, at: number): number {
    const size = this.overheadBytes;
    if (size === 4) {
      return this.#big
        ? ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
        : ((bytes[at + 3] << 24) | (bytes[at + 2] << 16) | (bytes[at + 1] << 8) | bytes[at]) >>> 0;
    }
    let value = 0;
    for (let index = 0; index < size; index++) {
      value = value * 256 + bytes[this.#big ? at + index : at + size - 1 - index];
    }
    return value;
  }
}

function write4(value: number, into: Uint8Array, at: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

function swap4(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
