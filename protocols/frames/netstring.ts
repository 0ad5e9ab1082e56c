/**
 * Netstrings, as in https://cr.yp.to/proto/netstrings.txt.
 *
 *     frame  = length ":" *OCTET ","
 *     length = "0" / (%x31-39 *DIGIT)     ; decimal, no leading zeros
 *
 * `12:hello world!,` is the twelve octets `hello world!`, `0:,` is the empty one. A length above the bound is refused
 * at its first digit too many, so the digits are bounded as well.
 */
import type { Cursor, Framing } from "./framing.ts";
import { FramingError, tooLarge } from "./framing_error.ts";

const zero = 0x30;
const colon = 0x3a;
const comma = 0x2c;

/** Netstrings of at most `maxBytes`. */
export function netstring(maxBytes: number): Framing {
  return new Netstring(maxBytes);
}

class Netstring implements Framing {
  readonly name = "netstring";
  readonly maxBytes: number;
  // The digits of 2^53, the colon and the comma.
  readonly overheadBytes = 18;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  scan(bytes: Uint8Array, start: number, end: number, cursor: Cursor): number {
    let length = 0;
    let at = start;
    for (; at < end; at++) {
      const digit = bytes[at] - zero;
      if (digit < 0 || digit > 9) break;
      if (length === 0 && at > start) {
        throw new FramingError("protocol_error", "A length with a leading zero", cursor.base + start);
      }
      length = length * 10 + digit;
      if (length > this.maxBytes) {
        throw tooLarge(`${length} or more`, this.maxBytes, cursor.base + start);
      }
    }
    // A length, a colon and a comma are still to come.
    if (at === end) return end - start + length + 2;
    if (bytes[at] !== colon || at === start) {
      const wanted = at === start ? "a length" : "a colon";
      throw new FramingError("protocol_error", `${shown(bytes[at])} in place of ${wanted}`, cursor.base + at);
    }
    const from = at + 1;
    const to = from + length;
    if (to >= end) return to + 1 - start;
    if (bytes[to] !== comma) {
      throw new FramingError("protocol_error", `${shown(bytes[to])} in place of a comma`, cursor.base + to);
    }
    cursor.from = from;
    cursor.to = to;
    cursor.next = to + 1;
    return 0;
  }

  misfit(_frame: Uint8Array): string | undefined {
    return undefined;
  }

  head(lengthBytes: number, into: Uint8Array, at: number): number {
    let digits = 1;
    for (let rest = lengthBytes; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let rest = lengthBytes;
    for (let index = at + digits - 1; index >= at; index--) {
      into[index] = zero + rest % 10;
      rest = Math.floor(rest / 10);
    }
    into[at + digits] = colon;
    return at + digits + 1;
  }

  tail(into: Uint8Array, at: number): number {
    into[at] = comma;
    return at + 1;
  }
}

/** A byte as people read it: `"x"` or `0x80`. */
function shown(byte: number): string {
  return byte > 0x20 && byte < 0x7f
    ? JSON.stringify(String.fromCharCode(byte))
    : `0x${byte.toString(16).padStart(2, "0")}`;
}
