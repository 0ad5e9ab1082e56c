/**
 * Texts of bounded length in shared bytes. Writing is on the request path: no allocation for ASCII.
 * A text that does not fit is cut, at a character; a reader never trusts the stored length.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes as much of `text` as fits into `maxBytes` at `at`; returns the number of bytes written. */
export function writeText(bytes: Uint8Array, at: number, maxBytes: number, text: string): number {
  const length = text.length < maxBytes ? text.length : maxBytes;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return encoder.encodeInto(text, bytes.subarray(at, at + maxBytes)).written;
    bytes[at + i] = code;
  }
  return length;
}

/** Reads a text; a length outside 0..maxBytes (a torn or foreign one) is clamped. */
export function readText(bytes: Uint8Array, at: number, maxBytes: number, length: number): string {
  const safe = length < 0 ? 0 : length > maxBytes ? maxBytes : length;
  // slice, not subarray: a decoder may refuse shared memory, and a copy cannot change while it is decoded.
  return safe === 0 ? "" : decoder.decode(bytes.slice(at, at + safe));
}

/** Bytes of a text in UTF-8. */
export function textBytes(text: string): number {
  return encoder.encode(text).byteLength;
}
