/**
 * Bytes being written: one buffer that grows and is used again. Both protocols write through it. Refuses to know any
 * protocol.
 */

const encoder = new TextEncoder();
/** Up to this many characters a loop is faster than the encoder. */
const shortText = 40;
/** A buffer that grew beyond this is given back after use. */
const keptBytes = 256 * 1024;

/** Copies up to this size are parts of one larger buffer: to make a buffer takes longer than all the rest of a reply. */
const shortCopy = 1024;
const shared = { bytes: new Uint8Array(16 * shortCopy), used: 0 };

/** See the module's header. */
export class ByteSink {
  bytes = new Uint8Array(1024);
  view = new DataView(this.bytes.buffer);
  length = 0;

  /** Begins anew. */
  clear(): void {
    this.length = 0;
    if (this.bytes.length > keptBytes) this.#resize(1024);
  }

  /** A copy of what was written; others may stand in the same buffer, so that it must not be transferred. */
  copy(): Uint8Array {
    const { length } = this;
    if (length > shortCopy) return this.bytes.slice(0, length);
    if (shared.used + length > shared.bytes.length) {
      shared.bytes = new Uint8Array(16 * shortCopy);
      shared.used = 0;
    }
    const copy = shared.bytes.subarray(shared.used, shared.used += length);
    copy.set(this.bytes.subarray(0, length));
    return copy;
  }

  /** Room for `count` bytes: where they go. */
  reserve(count: number): number {
    const at = this.length;
    const end = at + count;
    if (end > this.bytes.length) this.#resize(Math.max(this.bytes.length * 2, end));
    this.length = end;
    return at;
  }

  byte(value: number): void {
    const at = this.length;
    if (at === this.bytes.length) this.#resize(at * 2);
    this.bytes[at] = value;
    this.length = at + 1;
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Writes `text` as UTF-8 where it takes one byte per character; false, and nothing written, where it does not. */
  ascii(text: string): boolean {
    const { length } = text;
    if (length > shortText) return false;
    const at = this.reserve(length);
    const { bytes } = this;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 127) {
        this.length = at;
        return false;
      }
      bytes[at + index] = unit;
    }
    return true;
  }

  /** Writes `text` as UTF-8, returns how many bytes that took. */
  utf8(text: string): number {
    const at = this.reserve(text.length * 3);
    const { written } = encoder.encodeInto(text, this.bytes.subarray(at));
    this.length = at + written;
    return written;
  }

  #resize(size: number): void {
    const bytes = new Uint8Array(size);
    if (this.length > 0) bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}
