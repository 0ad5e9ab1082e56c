/**
 * Copies of small pieces of bytes, many of them behind each other in one piece of memory: an array of its own costs ten
 * times as much. Whoever keeps one for long keeps the whole piece, so keep a copy of it instead.
 */

/** Bytes of one piece of memory. */
const slabBytes = 64 * 1024;
/** Longer ones have memory of their own. */
const longestBytes = 8 * 1024;
/** Up to this many bytes a loop is faster than a call. */
const loopBytes = 24;

let slab = new ArrayBuffer(slabBytes);
let bytes = new Uint8Array(slab);
let used = 0;

/** The bytes from `from` to `to` of `source`, to keep. */
export function copyOf(source: Uint8Array<ArrayBuffer>, from: number, to: number): Uint8Array<ArrayBuffer> {
  const size = to - from;
  if (size > longestBytes) return source.slice(from, to);
  if (used + size > slabBytes) {
    slab = new ArrayBuffer(slabBytes);
    bytes = new Uint8Array(slab);
    used = 0;
  }
  const at = used;
  // Whoever reads numbers from the beginning finds them where they can be read.
  used += (size + 7) & ~7;
  if (size > loopBytes) bytes.set(source.subarray(from, to), at);
  else for (let i = 0; i < size; i++) bytes[at + i] = source[from + i]!;
  return new Uint8Array(slab, at, size);
}
