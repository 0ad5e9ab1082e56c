/**
 * Heads of replies, straight from bytes (RFC 9112 sections 4 and 5):
 *
 *     head        = status-line *( field-line CRLF ) CRLF
 *     status-line = ( "HTTP/1.0" / "HTTP/1.1" ) SP 3DIGIT [ SP reason ] CRLF
 *     field-line  = token ":" OWS value OWS
 *
 * Strict: no line folding, no blank before the colon, no bare CR or LF, no control characters. What follows from the
 * fields for the body is decided here as well, because a disagreement about that is how replies get smuggled: one
 * content-length of digits alone, or one transfer-encoding that is exactly `chunked`, never both.
 *
 * Replies of one connection resemble each other, so each line is first compared with the line at the same place of the
 * head before: where they are equal its strings are taken from there, and no string is made at all.
 */
import { Buffer } from "node:buffer";
import type { FlatHeaders } from "./message.ts";
import { ReplyError } from "./reply_error.ts";

/** Field lines of one head, or of one trailer. */
export const maxFields = 1000;

/** Lines that are remembered, and how much of each. */
const slots = 32;
const slotBytes = 128;

/** 1 for characters of a token (RFC 9110 section 5.6.2). */
export const isToken: Uint8Array = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  isToken[character.charCodeAt(0)] = 1;
}
/** 1 for characters of a field value: visible ones, blanks, obs-text. */
export const isText: Uint8Array = new Uint8Array(256).fill(1, 32);
isText[9] = 1;
isText[127] = 0;

/** What a field means for the body. */
const Meaning = { none: 0, length: 1, coding: 2, connection: 3 } as const;

const meanings = new Map<string, number>([
  ["content-length", Meaning.length],
  ["transfer-encoding", Meaning.coding],
  ["connection", Meaning.connection],
]);

const latin1: (this: Uint8Array, from: number, to: number) => string =
  (Buffer.prototype as unknown as { latin1Slice: (from: number, to: number) => string }).latin1Slice;

/** Reads one head after the other. */
export class ReplyHead {
  status = 0;
  /** True for HTTP/1.1. */
  modern = true;
  headers: FlatHeaders = [];
  /** Value of content-length; -1 where there is none. */
  length = -1;
  chunked = false;
  /** The connection ends with this reply. */
  close = false;

  readonly #maxBytes: number;
  /** All relative to the beginning of the head: behind the last complete line, and how far was looked for its end. */
  #at = 0;
  #seen = 0;
  #fields = 0;
  #hasStatus = false;
  /** Of every field line: where it, the end of its name, its value and the end of that are; -1 for remembered ones. */
  #places: number[] = [];
  readonly #slotBytes = new Uint8Array(slots * slotBytes);
  readonly #slotLength = new Int32Array(slots);
  readonly #slotNames: string[] = [];
  readonly #slotValues: string[] = [];
  readonly #slotMeanings: number[] = [];

  /** `maxBytes` bounds each head. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Reads the head that begins at `from`: the position behind it, or -1 where more bytes are needed; then it is called
   * again with the same bytes and more. Throws ReplyError.
   */
  read(bytes: Uint8Array, from: number, to: number): number {
    // A line that is not complete is looked at again only when it is.
    if (this.#seen > 0 && bytes.subarray(from + this.#seen, to).indexOf(10) < 0) return this.#wait(from, to);
    let at = from + this.#at;
    while (at < to) {
      let next: number;
      if (!this.#hasStatus) next = this.#statusLine(bytes, at, to);
      else if (bytes[at] !== 13) next = this.#fieldLine(bytes, from, at, to);
      else if (at + 1 >= to) break;
      else if (bytes[at + 1] !== 10) throw new ReplyError("a line has a bare CR");
      else {
        if (at + 2 - from > this.#maxBytes) throw this.#tooLong();
        this.#build(bytes, from);
        return at + 2;
      }
      if (next < 0) break;
      at = next;
      this.#at = at - from;
    }
    return this.#wait(from, to);
  }

  /** The bytes end before the head does. Throws ReplyError where what is there is wrong already. */
  end(bytes: Uint8Array, from: number, to: number): void {
    this.#seen = 0;
    this.read(bytes, from, to);
  }

  #wait(from: number, to: number): number {
    if (to - from > this.#maxBytes) throw this.#tooLong();
    this.#seen = to - from;
    return -1;
  }

  #tooLong(): ReplyError {
    return new ReplyError(`the head is longer than ${this.#maxBytes} bytes`);
  }

  #statusLine(bytes: Uint8Array, at: number, to: number): number {
    // As far as it is there, "HTTP/1." must be.
    for (let i = 0; i < 7; i++) {
      if (at + i >= to) return -1;
      if (bytes[at + i] !== magic[i]) throw new ReplyError("the status line does not begin with HTTP/1");
    }
    if (at + 12 > to) return -1;
    const minor = bytes[at + 7]! - 48;
    if ((minor !== 0 && minor !== 1) || bytes[at + 8] !== 32) {
      throw new ReplyError("the version is not known");
    }
    const a = bytes[at + 9]! - 48, b = bytes[at + 10]! - 48, c = bytes[at + 11]! - 48;
    if (a < 1 || a > 5 || b < 0 || b > 9 || c < 0 || c > 9) throw new ReplyError("the status is not one");
    let p = at + 12;
    if (p < to && bytes[p] === 32) { while (p < to && isText[bytes[p]!] === 1) p++; }
    if (p >= to) return -1;
    if (bytes[p] !== 13) throw new ReplyError("the status line has characters that it must not have");
    if (p + 1 >= to) return -1;
    if (bytes[p + 1] !== 10) throw new ReplyError("a line has a bare CR");
    this.status = a * 100 + b * 10 + c;
    this.modern = minor === 1;
    this.#hasStatus = true;
    return p + 2;
  }

  #fieldLine(bytes: Uint8Array, from: number, at: number, to: number): number {
    const field = this.#fields;
    if (field < slots) {
      const length = this.#slotLength[field]!;
      if (length > 0 && at + length <= to) {
        const memory = this.#slotBytes;
        let i = 0;
        for (let slot = field * slotBytes; i < length && memory[slot] === bytes[at + i]; slot++) i++;
        if (i === length) {
          this.#places[4 * field] = -1;
          this.#fields++;
          return at + length;
        }
      }
    }
    let p = at;
    while (p < to && isToken[bytes[p]!] === 1) p++;
    if (p >= to) return -1;
    if (bytes[p] !== 58 || p === at) throw new ReplyError("a field name is not a token");
    const nameTo = p++;
    while (p < to && (bytes[p] === 32 || bytes[p] === 9)) p++;
    const valueFrom = p;
    while (p < to && isText[bytes[p]!] === 1) p++;
    if (p >= to) return -1;
    if (bytes[p] !== 13) throw new ReplyError("a field value has characters that it must not have");
    if (p + 1 >= to) return -1;
    if (bytes[p + 1] !== 10) throw new ReplyError("a line has a bare CR");
    if (field >= maxFields) throw new ReplyError(`the head has more than ${maxFields} fields`);
    let valueTo = p;
    while (valueTo > valueFrom && (bytes[valueTo - 1] === 32 || bytes[valueTo - 1] === 9)) valueTo--;
    const places = this.#places;
    places[4 * field] = at - from;
    places[4 * field + 1] = nameTo - from;
    places[4 * field + 2] = valueFrom - from;
    places[4 * field + 3] = valueTo - from;
    this.#fields++;
    return p + 2;
  }

  /** Makes the message of the lines, and forgets them. */
  #build(bytes: Uint8Array, from: number): void {
    const fields = this.#fields;
    const headers: FlatHeaders = [];
    this.length = -1;
    this.chunked = false;
    this.close = !this.modern;
    const end = this.#at;
    for (let i = 0; i < fields; i++) {
      if (this.#places[4 * i] !== -1) this.#remember(bytes, from, i, end);
      const slot = i < slots ? i : slots;
      const name = this.#slotNames[slot]!, value = this.#slotValues[slot]!;
      const meaning = this.#slotMeanings[slot]!;
      if (meaning === Meaning.none || this.#means(meaning, value)) headers.push(name, value);
    }
    if (this.chunked && this.length >= 0) {
      throw new ReplyError("there are both content-length and transfer-encoding");
    }
    this.headers = headers;
    this.#at = this.#seen = this.#fields = 0;
    this.#hasStatus = false;
  }

  /** Makes the strings of field `i`, and keeps them with its bytes for the next head. */
  #remember(bytes: Uint8Array, from: number, i: number, end: number): void {
    const places = this.#places;
    const lineFrom = places[4 * i]!, nameTo = places[4 * i + 1]!;
    // The last of the places holds the lines that are not remembered.
    const slot = i < slots ? i : slots;
    const names = this.#slotNames;
    if (i >= slots || !this.#sameName(bytes, from + lineFrom, nameTo - lineFrom + 1, i)) {
      names[slot] = latin1.call(bytes, from + lineFrom, from + nameTo).toLowerCase();
      this.#slotMeanings[slot] = meanings.get(names[slot]!) ?? Meaning.none;
    }
    this.#slotValues[slot] = latin1.call(bytes, from + places[4 * i + 2]!, from + places[4 * i + 3]!);
    if (i >= slots) return;
    const lineTo = this.#lineEnd(bytes, from, i, end);
    const length = lineTo - lineFrom;
    this.#slotLength[i] = length <= slotBytes ? length : 0;
    const memory = this.#slotBytes;
    for (let p = from + lineFrom, m = i * slotBytes, n = Math.min(length, slotBytes); n > 0; n--) {
      memory[m++] = bytes[p++]!;
    }
  }

  /** Behind the CRLF of field line `i`: only blanks stand between its value and that. */
  #lineEnd(bytes: Uint8Array, from: number, i: number, end: number): number {
    let p = this.#places[4 * i + 3]!;
    while (p < end && bytes[from + p] !== 10) p++;
    return p + 1;
  }

  /** Whether the remembered line `i` has the same name, colon included. */
  #sameName(bytes: Uint8Array, at: number, length: number, i: number): boolean {
    if (this.#slotNames[i] === undefined || length > slotBytes) return false;
    const memory = this.#slotBytes;
    for (let n = 0, slot = i * slotBytes; n < length; n++) {
      if (memory[slot + n] !== bytes[at + n]) return false;
    }
    return true;
  }

  /** Takes in what a field says about the body; false where it is not passed on. */
  #means(meaning: number, value: string): boolean {
    if (meaning === Meaning.connection) {
      if (value !== "keep-alive" && hasToken(value, "close")) this.close = true;
      return true;
    }
    if (meaning === Meaning.coding) {
      if (this.chunked || !this.modern || value.toLowerCase() !== "chunked") {
        throw new ReplyError("transfer-encoding is not `chunked` alone");
      }
      this.chunked = true;
      return false;
    }
    if (!/^[0-9]{1,15}$/.test(value)) throw new ReplyError("content-length is not a number");
    const length = Number(value);
    if (this.length >= 0 && this.length !== length) throw new ReplyError("there are two content-lengths");
    const first = this.length < 0;
    this.length = length;
    return first;
  }
}

const magic = [72, 84, 84, 80, 47, 49, 46];

/** Whether the comma-separated list `value` has `token`, which is in lower case. */
export function hasToken(value: string, token: string): boolean {
  for (const part of value.toLowerCase().split(",")) if (part.trim() === token) return true;
  return false;
}
