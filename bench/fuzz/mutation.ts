/**
 * Messages that are almost right: real ones, changed as broken peers, broken networks and attackers change them. All that
 * happens follows from a number, so that a case can be had again.
 */

/** A real message, and what its reader has to know beside the bytes. */
export interface Sample<Meta = undefined> {
  readonly bytes: Uint8Array;
  readonly meta: Meta;
}

/** A changed message, and where the pieces end in which it arrives; its own end is not among them. */
export interface Case<Meta> extends Sample<Meta> {
  readonly cuts: readonly number[];
}

/** Messages that nothing has to be known of. */
export function samplesOf(messages: readonly Uint8Array[]): Sample[] {
  return messages.map((bytes) => ({ bytes, meta: undefined }));
}

/** Longest changed message. */
export const mostBytes = 32 * 1024;

const interestingBytes = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0xfe, 0xff, 0x0a, 0x0d, 0x30, 0x2d];
const interestingWords = [
  0,
  1,
  0xff,
  0x7fff,
  0xffff,
  0x10000,
  0xffffff,
  0x1fffffff,
  0x2000000,
  0x7fffffff,
  0x80000000,
  0x80010001,
  0xfffffffe,
  0xffffffff,
];
const mostChanges = 4;
const longestRun = 64;

/** Numbers in a row (the generator mulberry32): the same `seed`, the same row. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** 0 to `end` - 1; 0 where there is nothing below `end`. */
  below(end: number): number {
    return Math.floor(this.next() / 4294967296 * end);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

/** The numbers of case `index` of what is called `name`. */
export function randomOf(seed: number, name: string, index: number): Random {
  let hash = seed | 0;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return new Random(Math.imul(hash, 0x85ebca6b) + Math.imul(index + 1, 0x9e3779b1));
}

/** One of `corpus` changed in one to four places, and its cuts. */
export function mutated<Meta>(random: Random, corpus: ReadonlyArray<Sample<Meta>>): Case<Meta> {
  const { bytes: original, meta } = random.pick(corpus);
  let bytes: Uint8Array = original.slice();
  for (let left = 1 + random.below(mostChanges); left > 0; left--) {
    bytes = changed(random, bytes, corpus).subarray(0, mostBytes);
  }
  return { bytes, meta, cuts: cutsOf(random, bytes.length) };
}

function changed(random: Random, bytes: Uint8Array, corpus: readonly Sample<unknown>[]): Uint8Array {
  const { length } = bytes;
  const at = random.below(length);
  switch (random.below(10)) {
    case 0:
      if (length > 0) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
    case 2:
      if (length > 0) bytes[at] = random.pick(interestingBytes);
      return bytes;
    case 3:
      return withWord(random, bytes, at);
    case 4:
      return bytes.subarray(0, at);
    case 5: {
      // Again what stands somewhere, somewhere else.
      const run = bytes.subarray(at, at + 1 + random.below(longestRun));
      const to = random.below(length + 1);
      return joined(bytes.subarray(0, to), run, bytes.subarray(to));
    }
    case 6: {
      const other = random.pick(corpus).bytes;
      return joined(bytes.subarray(0, at), other.subarray(random.below(other.length)));
    }
    case 7:
      return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(longestRun)));
    case 8:
      return joined(bytes, random.pick(corpus).bytes);
    default: {
      // Lengths of protocols that write them out.
      const digits = new Uint8Array(1 + random.below(20)).fill(random.pick([0x39, 0x30, 0x66, 0x31]));
      return joined(bytes.subarray(0, at), digits, bytes.subarray(at));
    }
  }
}

function withWord(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const word = random.pick(interestingWords);
  const little = random.below(4) === 0;
  for (let n = 0; n < 4 && at + n < bytes.length; n++) bytes[at + n] = word >>> (little ? n * 8 : 24 - n * 8);
  return bytes;
}

function cutsOf(random: Random, length: number): readonly number[] {
  const kind = random.below(32);
  if (length < 2 || kind < 12) return [];
  if (kind === 12 && length < 300) return Array.from({ length: length - 1 }, (_, n) => n + 1);
  const cuts = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(length - 1));
  return [...new Set(cuts)].sort((a, b) => a - b);
}

/** All of them, one behind the other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The pieces of a case, in turn. */
export function piecesOf({ bytes, cuts }: Case<unknown>): Uint8Array[] {
  let from = 0;
  return [...cuts, bytes.length].map((to) => bytes.subarray(from, from = to));
}
