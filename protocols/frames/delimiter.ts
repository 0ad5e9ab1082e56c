/**
 * Frames that end with a declared text.
 *
 *     frame     = *OCTET delimiter        ; the octets do not contain the delimiter
 *     delimiter = 1*8OCTET                ; UTF-8 of the declared text, for example CRLF
 *
 * The delimiter belongs to neither frame. What is searched once is not searched again when more arrives. A frame whose
 * delimiter cannot come within the bound any more is refused at once. A reply that contains the delimiter would be
 * two frames for the peer, so it is a misfit. The first delimiter counts.
 */
import type { Cursor, Framing } from "./framing.ts";
import { tooLarge } from "./framing_error.ts";

/** Frames that end with `text`; `maxBytes` bounds the frame without it. Throws TypeError unless it has 1 to 8 bytes. */
export function delimiter(text: string, maxBytes: number): Framing {
  const mark = new TextEncoder().encode(text);
  if (mark.length < 1 || mark.length > 8) {
    throw new TypeError(
      `Cannot frame by the delimiter ${
        JSON.stringify(text)
      }: it has ${mark.length} bytes, allowed are 1 to 8`,
    );
  }
  return new Delimiter(mark, maxBytes);
}

// Short frames are found sooner by a loop than by a call out of JavaScript.
const loopBytes = 64;

class Delimiter implements Framing {
  readonly name = "delimiter";
  readonly maxBytes: number;
  readonly overheadBytes: number;
  readonly #mark: Uint8Array;
  /** Beginnings of the delimiter that, at the end of a frame, make one together with the delimiter behind it. */
  readonly #traps: readonly Uint8Array[];

  constructor(mark: Uint8Array, maxBytes: number) {
    this.#mark = mark;
    this.#traps = trapsOf(mark);
    this.maxBytes = maxBytes;
    this.overheadBytes = mark.length;
  }

  scan(bytes: Uint8Array, start: number, end: number, cursor: Cursor): number {
    const size = this.#mark.length;
    const from = Math.max(start, cursor.searched);
    // Behind this index the delimiter would make the frame too long, so nothing is searched there.
    const limit = Math.min(end, start + this.maxBytes + size);
    const at = this.#find(bytes, from, limit);
    if (at < 0) {
      if (end - start >= this.maxBytes + size) {
        throw tooLarge(`more than ${this.maxBytes}`, this.maxBytes, cursor.base + start);
      }
      cursor.searched = Math.max(from, end - size + 1);
      return end - start + 1;
    }
    cursor.from = start;
    cursor.to = at;
    cursor.next = at + size;
    return 0;
  }

  misfit(frame: Uint8Array): string | undefined {
    const at = this.#find(frame, 0, frame.length);
    if (at >= 0) return `it contains the delimiter, at byte ${at}`;
    for (const trap of this.#traps) {
      const from = frame.length - trap.length;
      if (from >= 0 && trap.every((byte, index) => frame[from + index] === byte)) {
        return `its end and the delimiter behind it contain the delimiter, at byte ${from}`;
      }
    }
    return undefined;
  }

  head(_lengthBytes: number, _into: Uint8Array, at: number): number {
    return at;
  }

  tail(into: Uint8Array, at: number): number {
    const mark = this.#mark;
    for (let index = 0; index < mark.length; index++) into[at + index] = mark[index];
    return at + mark.length;
  }

  /** Index of the first delimiter that lies whole in `bytes[from, end)`, or -1. */
  #find(bytes: Uint8Array, from: number, end: number): number {
    const mark = this.#mark;
    const first = mark[0];
    const last = end - mark.length;
    const near = Math.min(last, from + loopBytes);
    let at = from;
    for (; at <= near; at++) {
      if (bytes[at] === first && this.#matches(bytes, at)) return at;
    }
    if (at > last) return -1;
    const rest = bytes.subarray(at, last + 1);
    for (let hit = rest.indexOf(first); hit >= 0; hit = rest.indexOf(first, hit + 1)) {
      if (this.#matches(bytes, at + hit)) return at + hit;
    }
    return -1;
  }

  #matches(bytes: Uint8Array, at: number): boolean {
    const mark = this.#mark;
    for (let index = 1; index < mark.length; index++) {
      if (bytes[at + index] !== mark[index]) return false;
    }
    return true;
  }
}

/** A delimiter like `abab` begins as it ends: after a frame `ab` it would be found two bytes early. */
function trapsOf(mark: Uint8Array): Uint8Array[] {
  const traps: Uint8Array[] = [];
  for (let border = 1; border < mark.length; border++) {
    const end = mark.subarray(mark.length - border);
    if (end.every((byte, index) => byte === mark[index])) traps.push(mark.subarray(0, mark.length - border));
  }
  return traps;
}
