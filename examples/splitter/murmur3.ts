/**
 * MurmurHash3 x86_32 over UTF-8: where a user stands in a layer. Chosen because it spreads sequential ids evenly (its
 * finaliser flips every output bit with probability 1/2), costs a few multiplications that JavaScript does natively,
 * and has the same published answers in every language, so that an offline report in Python or Java puts a user into
 * the same group as this service does. It is no secret: whoever may choose user ids may choose their group.
 *
 * Specification: smhasher, MurmurHash3.cpp, `MurmurHash3_x86_32`.
 */

const encoder = new TextEncoder();

/** A text as UTF-8 bytes in a buffer that is used again for the next text. */
export class KeyBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many of {@link bytes} the last text took. */
  length = 0;

  /** Room for texts of up to `maxChars` UTF-16 units. */
  constructor(maxChars: number) {
    this.bytes = new Uint8Array(maxChars * 3);
  }

  /** Takes `text`. Throws RangeError when it is longer than there is room for. */
  set(text: string): void {
    if (text.length * 3 > this.bytes.length) {
      throw new RangeError(
        `Cannot hash a key of ${text.length} characters: the most is ${this.bytes.length / 3}`,
      );
    }
    // ASCII, which nearly every user id is, needs no call into the runtime.
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) {
        this.length = encoder.encodeInto(text, this.bytes).written;
        return;
      }
      this.bytes[i] = code;
    }
    this.length = text.length;
  }

  /** The hash of the last text under `seed`: an integer from 0 to 2³² - 1. */
  hash(seed: number): number {
    return murmur3(this.bytes, this.length, seed);
  }
}

/** Hashes the first `length` of `bytes` under `seed` (32 bits) to an integer from 0 to 2³² - 1. */
export function murmur3(bytes: Uint8Array, length: number, seed: number): number {
  let hash = seed | 0;
  const blocksEnd = length & ~3;
  for (let i = 0; i < blocksEnd; i += 4) {
    hash ^= scramble(bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24);
    hash = Math.imul(hash << 13 | hash >>> 19, 5) + 0xe6546b64 | 0;
  }
  let tail = 0;
  for (let i = length - 1; i >= blocksEnd; i--) tail = tail << 8 | bytes[i];
  if (length > blocksEnd) hash ^= scramble(tail);
  hash ^= length;
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul(mixed << 15 | mixed >>> 17, 0x1b873593);
}
