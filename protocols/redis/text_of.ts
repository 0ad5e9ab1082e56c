/** Bytes to text: UTF-8, what is none of it becomes U+FFFD, a byte order mark stays. */
import { Buffer } from "node:buffer";

/** Up to here characters one by one are the fastest, from {@link decoderBytes} on the decoder; the buffer between them. */
const loopBytes = 8;
const decoderBytes = 512;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
// What Buffer's own methods use; its typings leave it out.
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice?(this: Uint8Array, from: number, to: number): string;
};

/** The text of `bytes[from, to)`. */
export function textOf(bytes: Uint8Array, from: number, to: number): string {
  const length = to - from;
  if (length > loopBytes) {
    return length < decoderBytes && utf8Slice
      ? utf8Slice.call(bytes, from, to)
      : decoder.decode(bytes.subarray(from, to));
  }
  let text = "";
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    if (byte > 0x7f) return decoder.decode(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}
