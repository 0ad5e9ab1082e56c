/**
 * Frames that begin with their length as an unsigned LEB128 varint, as protobuf's delimited messages do.
 *
 *     frame  = length *OCTET
 *     length = *7%x80-FF %x00-7F          ; seven bits each, the lowest first; below 2^53
 *
 * A length with needless zero groups is read as what it means (protobuf does too); one of more than eight octets is
 * an error. A length above the bound is refused as soon as the octets read so far are above it.
 */
import type { Cursor, Framing } from "./framing.ts";
import { FramingError, tooLarge } from "./framing_error.ts";

const mostOctets = 8;

/** Frames behind a varint length; `maxBytes` bounds the frame without it. */
export function varint(maxBytes: number): Framing {
  return new Varint(maxBytes);
}

class Varint implements Framing {
  readonly name = "varint";
  readonly maxBytes: number;
  readonly overheadBytes = mostOctets;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  scan(bytes: Uint8Array, start: number, end: number, cursor: Cursor): number {
    let length = 0;
    let scale = 1;
    for (let at = start; at < end; at++) {
      const octet = bytes[at];
      length += (octet & 0x7f) * scale;
      if (length > this.maxBytes) {
        const announced = octet < 0x80 ? length : `${length} or more`;
        throw tooLarge(announced, this.maxBytes, cursor.base + start);
      }
      if (octet < 0x80) return this.#rest(start, at + 1, length, end, cursor);
      if (at - start === mostOctets - 1) {
        throw new FramingError(
          "protocol_error",
          `A length of more than ${mostOctets} bytes`,
          cursor.base + start,
        );
      }
      scale *= 128;
    }
    return end - start + 1;
  }

  #rest(start: number, from: number, length: number, end: number, cursor: Cursor): number {
    const to = from + length;
    if (to > end) return to - start;
    cursor.from = from;
    cursor.to = to;
    cursor.next = to;
    return 0;
  }

  misfit(_frame: Uint8Array): string | undefined {
    return undefined;
  }

  head(lengthBytes: number, into: Uint8Array, at: number): number {
    let rest = lengthBytes;
    while (rest >= 0x80) {
      into[at++] = rest % 128 + 0x80;
      rest = Math.floor(rest / 128);
    }
    into[at++] = rest;
    return at;
  }

  tail(_into: Uint8Array, at: number): number {
    return at;
  }
}
