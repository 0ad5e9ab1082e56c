/**
 * Distinct counts in shared memory: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier: "HyperLogLog: the analysis of a
 * near-optimal cardinality estimation algorithm", 2007) with 2048 registers of one byte, error 2.3 %, linear counting
 * for small sets. Registers of several workers merge by maximum, so a visitor of two workers counts once.
 *
 * Own code, because the registers must live in the mapped memory: libraries allocate theirs and keep running sums
 * beside them, which another process cannot see.
 */

const registerBits = 11;
/** Bytes that one distinct count takes. */
export const distinctBytes = 1 << registerBits;

/** The writer's side of one distinct count. */
export class Distinct {
  readonly #bytes: Uint8Array;
  readonly #at: number;

  /** @param at byte offset of the registers. */
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Counts a text once, however often it is added. */
  add(text: string): void {
    // Two rounds of FNV-1a with murmur3's finisher: register from one, rank from the other.
    let a = 0x811c9dc5;
    let b = 0x9747b28c;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x5bd1e995);
      b ^= b >>> 15;
    }
    const register = this.#at + (mix(a) >>> (32 - registerBits));
    const rank = Math.clz32(mix(b ^ text.length)) + 1;
    if (rank > this.#bytes[register]!) this.#bytes[register] = rank;
  }
}

function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Merges registers into `target` by maximum. */
export function mergeRegisters(target: Uint8Array, targetAt: number, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < distinctBytes; i++) {
    if (bytes[at + i]! > target[targetAt + i]!) target[targetAt + i] = bytes[at + i]!;
  }
}

/** The estimate of merged registers, a whole number. */
export function estimateDistinct(registers: Uint8Array): number {
  let sum = 0;
  let zeroes = 0;
  for (let i = 0; i < distinctBytes; i++) {
    const rank = registers[i]!;
    sum += 2 ** -rank;
    if (rank === 0) zeroes++;
  }
  const alpha = 0.7213 / (1 + 1.079 / distinctBytes);
  const estimate = alpha * distinctBytes * distinctBytes / sum;
  const small = zeroes > 0 && estimate < 2.5 * distinctBytes;
  return Math.round(small ? distinctBytes * Math.log(distinctBytes / zeroes) : estimate);
}
