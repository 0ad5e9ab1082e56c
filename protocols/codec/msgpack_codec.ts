/**
 * The codec msgpack (https://msgpack.org), its timestamps as Date. The library makes room for as many elements as an
 * array announces, level by level; so what a message announces is first held against the bytes that it has.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { Codec } from "./codec.ts";

/** Bytes behind the first one of the forms 0xc0 to 0xdf; where a length is among them, without what it counts. */
const headBytes = [
  ...[0, 0, 0, 0, 1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, 2, 3, 5, 9, 17, 1, 2, 4, 2, 4, 2, 4],
];
/** Bytes of the length among them, by the same order. */
const lengthBytes = [
  ...[0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4],
];

/** See the module's header. */
export const msgpack: Codec = {
  name: "msgpack",
  keepsBytes: false,
  decode(bytes) {
    checkAnnounced(bytes);
    // Binary values must not be views of memory that the next message overwrites.
    return decode(new Uint8Array(bytes));
  },
  encode: (value) => encode(value === undefined ? null : value, { ignoreUndefined: true }),
};

/** Throws RangeError where more values are announced than there are bytes: each takes one at least. */
function checkAnnounced(bytes: Uint8Array): void {
  const end = bytes.length;
  let at = 0;
  for (let left = 1; left > 0; left--) {
    if (left > end - at) throw new RangeError("Cannot decode: the message announces more than it holds");
    const form = bytes[at++]!;
    if (form < 0x80 || form >= 0xe0) continue;
    if (form < 0x90) left += (form & 15) * 2;
    else if (form < 0xa0) left += form & 15;
    else if (form < 0xc0) at += form & 31;
    else {
      const length = lengthOf(bytes, at, lengthBytes[form - 0xc0]!);
      at += headBytes[form - 0xc0]!;
      if (form < 0xdc) at += length;
      else left += form < 0xde ? length : length * 2;
    }
  }
}

/** The number at `at`; what is not there counts as nothing, and is found missing afterwards. */
function lengthOf(bytes: Uint8Array, at: number, size: number): number {
  let length = 0;
  for (let n = 0; n < size; n++) length = length * 256 + (bytes[at + n] ?? 0);
  return length;
}
