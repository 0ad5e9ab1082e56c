/**
 * Frames of one declared size.
 *
 *     frame = <n>OCTET
 *
 * The size is the bound. Every reply has to have that size too: a shorter one would shift all that follow it.
 */
import type { Cursor, Framing } from "./framing.ts";

/** Frames of exactly `sizeBytes` (at least 1). Throws TypeError for anything else. */
export function fixed(sizeBytes: number): Framing {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
    throw new TypeError(`Cannot frame by a fixed size of ${sizeBytes} bytes: at least 1 is needed`);
  }
  return new Fixed(sizeBytes);
}

class Fixed implements Framing {
  readonly name = "fixed";
  readonly maxBytes: number;
  readonly overheadBytes = 0;

  constructor(sizeBytes: number) {
    this.maxBytes = sizeBytes;
  }

  scan(_bytes: Uint8Array, start: number, end: number, cursor: Cursor): number {
    const to = start + this.maxBytes;
    if (to > end) return this.maxBytes;
    cursor.from = start;
    cursor.to = to;
    cursor.next = to;
    return 0;
  }

  misfit(frame: Uint8Array): string | undefined {
    if (frame.length === this.maxBytes) return undefined;
    return `${frame.length} bytes; every frame has ${this.maxBytes}`;
  }

  head(_lengthBytes: number, _into: Uint8Array, at: number): number {
    return at;
  }

  tail(_into: Uint8Array, at: number): number {
    return at;
  }
}
