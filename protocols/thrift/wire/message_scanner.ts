/**
 * Finds the end of a message in a stream that does not say how long messages are (the buffered transport): walks over
 * its structure, stops where bytes are missing and goes on from there when they have come, so that no byte is looked at
 * twice however the stream is cut. What it finds complete is then read as a whole. Refuses to make values.
 */
import { leastBytesOf, strictVersion } from "./binary_protocol.ts";
import { compactVersion, fromCompact } from "./compact_protocol.ts";
import { deepest, TType } from "./ttype.ts";
import { WireError } from "./wire_error.ts";

/** Longest name of a method. */
export const longestName = 1024;

/** Bytes that a value of each type takes in the binary protocol; 0 where that depends on it. */
const binaryWidth = [0, 0, 1, 1, 8, 0, 2, 0, 4, 0, 8, 0, 0, 0, 0, 0, 16];

const inHead = 0;
const inBody = 1;
const through = 2;

/** Bytes are missing. */
const starved = Symbol("starved");

/** See the module's header. */
export class MessageScanner {
  readonly #compact: boolean;
  /** Position from the beginning of the message; may lie behind what has come. */
  #at = 0;
  #stage = inHead;
  /** A struct stands before the message. */
  #header = false;
  /** Levels that are open: elements left, -1 for a struct; what they are. */
  #depth = 0;
  readonly #left = new Float64Array(deepest + 1);
  readonly #keys = new Uint8Array(deepest + 1);
  readonly #values = new Uint8Array(deepest + 1);
  readonly #atKey = new Uint8Array(deepest + 1);
  #bytes!: Uint8Array;
  #from = 0;
  #have = 0;

  constructor(compact: boolean) {
    this.#compact = compact;
  }

  /** Begins with a message, before which a struct stands where `header` says so. */
  begin(header: boolean): void {
    this.#at = 0;
    this.#depth = 0;
    this.#header = header;
    this.#stage = inHead;
    if (header) this.#push(-1, 0, 0);
  }

  /**
   * Looks at the message whose first bytes are those of `bytes` between `from` and `to`: its length, or -1 where it goes
   * on. Throws WireError.
   */
  scan(bytes: Uint8Array, from: number, to: number): number {
    this.#bytes = bytes;
    this.#from = from;
    this.#have = to - from;
    try {
      while (this.#stage !== through) this.#step();
      return this.#at <= this.#have ? this.#at : -1;
    } catch (error) {
      if (error === starved) return -1;
      throw error;
    }
  }

  /** How far it is known to go. */
  get knownBytes(): number {
    return this.#at;
  }

  #step(): void {
    if (this.#at > this.#have) throw starved;
    if (this.#depth === 0) {
      if (this.#stage === inBody) return void (this.#stage = through);
      if (this.#header) this.#header = false;
      this.#head();
      this.#stage = inBody;
      return this.#push(-1, 0, 0);
    }
    const level = this.#depth;
    const left = this.#left[level]!;
    if (left < 0) return this.#field();
    if (left === 0) return void this.#depth--;
    if (this.#keys[level] !== 0 && this.#atKey[level] === 1) {
      this.#value(this.#keys[level]!);
      this.#atKey[level] = 0;
      return;
    }
    this.#value(this.#values[level]!);
    this.#left[level]!--;
    if (this.#keys[level] !== 0) this.#atKey[level] = 1;
  }

  /** A number of `count` bytes is needed from `at` on. */
  #need(at: number, count: number): number {
    if (at + count > this.#have) throw starved;
    return this.#from + at;
  }

  #byte(at: number): number {
    return this.#bytes[this.#need(at, 1)]!;
  }

  #i32(at: number): number {
    const from = this.#need(at, 4);
    const bytes = this.#bytes;
    return (bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!;
  }

  /** Where the varint at `at` ends; its lower 32 bits are in {@link #number}. */
  #varint(at: number, most: number): number {
    let value = 0;
    for (let count = 0; count < most; count++) {
      const byte = this.#byte(at + count);
      if (count < 5) value |= (byte & 127) << (count * 7);
      if (byte > 127) continue;
      this.#number = value >>> 0;
      return at + count + 1;
    }
    throw new WireError(`a number of more than ${most} bytes`);
  }
  #number = 0;

  #head(): void {
    const at = this.#at;
    if (this.#compact) {
      if (this.#byte(at) !== compactVersion || (this.#byte(at + 1) & 31) !== 1) {
        throw new WireError("a message of another version");
      }
      const name = this.#varint(this.#varint(at + 2, 5), 5);
      this.#at = name + nameLength(this.#number);
      return;
    }
    const first = this.#i32(at);
    if (first >= 0) this.#at = at + 4 + nameLength(first) + 5;
    else if (first >>> 16 !== strictVersion) throw new WireError("a message of another version");
    else this.#at = at + 8 + nameLength(this.#i32(at + 4)) + 4;
  }

  #field(): void {
    const at = this.#at;
    const byte = this.#byte(at);
    if (byte === 0) {
      this.#at = at + 1;
      this.#depth--;
      return;
    }
    if (!this.#compact) {
      this.#at = at + 3;
      return this.#fieldValue(byte, at);
    }
    this.#at = byte >> 4 === 0 ? this.#varint(at + 1, 5) : at + 1;
    // The value of a bool is its type.
    if ((byte & 15) !== 1 && (byte & 15) !== 2) this.#fieldValue(fromCompact(byte & 15), at);
  }

  /** Head and value of a field are taken together or not at all. */
  #fieldValue(type: number, at: number): void {
    try {
      this.#value(type);
    } catch (error) {
      if (error === starved) this.#at = at;
      throw error;
    }
  }

  #value(type: number): void {
    const at = this.#at;
    if (!this.#compact && binaryWidth[type]! > 0) {
      this.#at = at + binaryWidth[type]!;
      return;
    }
    switch (type) {
      case TType.struct:
        return this.#push(-1, 0, 0);
      case TType.string: {
        const from = this.#length(at);
        this.#at = from + this.#number;
        return;
      }
      case TType.list:
      case TType.set:
        return this.#list(at);
      case TType.map:
        return this.#map(at);
    }
    if (!this.#compact) leastBytesOf(type);
    this.#at = type === TType.bool || type === TType.i8
      ? at + 1
      : type === TType.double
      ? at + 8
      : type === TType.uuid
      ? at + 16
      : this.#varint(at, 10);
  }

  /** The number of bytes or elements at `at` is put into {@link #number}. */
  #length(at: number): number {
    if (this.#compact) return this.#varint(at, 5);
    const length = this.#i32(at);
    if (length < 0) throw new WireError("a length below zero");
    this.#number = length;
    return at + 4;
  }

  #list(at: number): void {
    const byte = this.#byte(at);
    let type = byte;
    let end = at + 1;
    if (!this.#compact) end = this.#length(at + 1);
    else {
      this.#number = byte >> 4;
      if (byte >> 4 === 15) end = this.#varint(at + 1, 5);
      type = this.#number === 0 ? 0 : fromCompact(byte & 15);
    }
    const size = this.#number;
    this.#at = end;
    if (size === 0) return;
    if (!this.#compact) leastBytesOf(type);
    this.#elements(0, type, size);
  }

  #map(at: number): void {
    let key, type, end;
    if (this.#compact) {
      end = this.#varint(at, 5);
      if (this.#number === 0) return void (this.#at = end);
      const size = this.#number;
      const types = this.#byte(end++);
      this.#number = size;
      key = fromCompact(types >> 4);
      type = fromCompact(types & 15);
    } else {
      key = this.#byte(at);
      type = this.#byte(at + 1);
      end = this.#length(at + 2);
    }
    const size = this.#number;
    this.#at = end;
    if (size === 0) return;
    if (!this.#compact) {
      leastBytesOf(key);
      leastBytesOf(type);
    }
    this.#elements(key, type, size);
  }

  /** `size` values of types that there are: one without a width would be counted to its end without a byte of it. */
  #elements(key: number, type: number, size: number): void {
    const width = binaryWidth[type]!;
    if (this.#compact || width === 0 || (key !== 0 && binaryWidth[key] === 0)) {
      return this.#push(size, key, type);
    }
    this.#at += size * (width + (key === 0 ? 0 : binaryWidth[key]!));
  }

  #push(left: number, key: number, type: number): void {
    if (this.#depth === deepest) throw new WireError(`nested deeper than ${deepest}`);
    const level = ++this.#depth;
    this.#left[level] = left;
    this.#keys[level] = key;
    this.#values[level] = type;
    this.#atKey[level] = 1;
  }
}

function nameLength(length: number): number {
  if (length < 0 || length > longestName) throw new WireError("the name of a method is too long");
  return length;
}
