/**
 * The way out of a connection: commands are encoded into one buffer that is kept, and taken from it for one write.
 *
 *     command = "*" count CRLF 1*( "$" length CRLF bytes CRLF )        (RESP, https://redis.io/docs/reference/protocol-spec/)
 *
 * Long arguments are not copied but written from where they are. It does no I/O and bounds nothing: its session looks at
 * `pendingBytes` first.
 */
import type { RedisArgument } from "../../core/context.ts";
import type { Command } from "./commands.ts";

/** Arguments from this size on are written from where they are. */
export const borrowBytes = 16 * 1024;

const firstBytes = 4 * 1024;
// A full buffer of this size is written as it is; growing further would only copy.
const fullBytes = 64 * 1024;
// Below this many characters a loop beats TextEncoder.encodeInto.
const loopChars = 64;

const dollar = 0x24;
const star = 0x2a;
const cr = 0x0d;
const lf = 0x0a;
const zero = 0x30;
const encoder = new TextEncoder();

/** Commands on their way to one server. */
export class CommandWriter {
  #open = new Uint8Array(firstBytes);
  #length = 0;
  /** Whole buffers and borrowed arguments, in order, before what is in `#open`. */
  #sealed: Uint8Array[] = [];
  /** The other buffer, while it is free, and while it is being written. */
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #lent: Uint8Array<ArrayBuffer> | undefined;
  #pending = 0;

  /** Bytes put in and not taken. */
  get pendingBytes(): number {
    return this.#pending + this.#length;
  }

  /** Encodes one command. */
  command(command: Command, args: readonly RedisArgument[]): void {
    const { head } = command;
    this.#reserve(32 + head.length);
    this.#header(star, args.length + 1);
    const open = this.#open;
    let at = this.#length;
    for (let index = 0; index < head.length; index++) open[at++] = head[index];
    this.#length = at;
    for (let index = 0; index < args.length; index++) {
      const arg = args[index];
      if (typeof arg === "string") this.#text(arg);
      else if (typeof arg === "object") this.#bytes(arg);
      else this.#text(String(arg));
    }
  }

  /** What is to be written next; undefined when there is nothing. {@link written} is told before the next one. */
  take(): Uint8Array | undefined {
    const sealed = this.#sealed.shift();
    if (sealed) {
      this.#pending -= sealed.length;
      return sealed;
    }
    if (this.#length === 0) return undefined;
    const open = this.#open;
    const bytes = open.subarray(0, this.#length);
    this.#lent = open;
    this.#fresh();
    return bytes;
  }

  /** What {@link take} gave is with the kernel: its memory may be used again. */
  written(): void {
    if (this.#lent && this.#lent.length <= fullBytes) this.#spare = this.#lent;
    this.#lent = undefined;
  }

  #header(kind: number, value: number): void {
    const open = this.#open;
    let at = this.#length;
    open[at++] = kind;
    if (value < 10) open[at++] = zero + value;
    else if (value < 100) {
      const tens = (value / 10) | 0;
      open[at++] = zero + tens;
      open[at++] = zero + value - tens * 10;
    } else at = decimal(value, open, at);
    open[at++] = cr;
    open[at++] = lf;
    this.#length = at;
  }

  #text(text: string): void {
    const { length } = text;
    if (length >= borrowBytes) return this.#borrow(encoder.encode(text));
    this.#reserve(3 * length + 32);
    const from = this.#length;
    this.#header(dollar, length);
    const at = this.#length;
    const open = this.#open;
    if (length <= loopChars) {
      let index = 0;
      for (; index < length; index++) {
        const code = text.charCodeAt(index);
        if (code > 0x7f) break;
        open[at + index] = code;
      }
      if (index === length) return this.#end(at + length);
    }
    const { written } = encoder.encodeInto(text, open.subarray(at));
    if (written === length) return this.#end(at + length);
    // Longer in UTF-8 than in characters: its length may take another digit.
    const to = from + 3 + digitsOf(written);
    if (to !== at) open.copyWithin(to, at, at + written);
    this.#length = from;
    this.#header(dollar, written);
    this.#end(to + written);
  }

  #bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length >= borrowBytes) return this.#borrow(bytes);
    this.#reserve(length + 32);
    this.#header(dollar, length);
    const at = this.#length;
    if (length > loopChars) this.#open.set(bytes, at);
    else for (let index = 0; index < length; index++) this.#open[at + index] = bytes[index];
    this.#end(at + length);
  }

  #borrow(bytes: Uint8Array): void {
    this.#reserve(32);
    this.#header(dollar, bytes.length);
    this.#seal();
    this.#sealed.push(bytes);
    this.#pending += bytes.length;
    this.#reserve(2);
    this.#end(this.#length);
  }

  #end(at: number): void {
    this.#open[at] = cr;
    this.#open[at + 1] = lf;
    this.#length = at + 2;
  }

  /** Makes room for `bytes` in the open buffer. */
  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#open.length) return;
    if (this.#length + bytes > fullBytes) this.#seal();
    const needed = this.#length + bytes;
    if (needed <= this.#open.length) return;
    let size = Math.max(firstBytes, this.#open.length);
    while (size < needed) size *= 2;
    const larger = new Uint8Array(size);
    if (this.#length > 0) larger.set(this.#open.subarray(0, this.#length));
    this.#open = larger;
  }

  /** Closes the open buffer: what follows goes into another one. */
  #seal(): void {
    if (this.#length === 0) return;
    this.#sealed.push(this.#open.subarray(0, this.#length));
    this.#pending += this.#length;
    this.#fresh();
  }

  #fresh(): void {
    this.#open = this.#spare ?? new Uint8Array(firstBytes);
    this.#spare = undefined;
    this.#length = 0;
  }
}

function decimal(value: number, into: Uint8Array, at: number): number {
  const digits = digitsOf(value);
  let rest = value;
  for (let index = digits - 1; index >= 0; index--) {
    into[at + index] = zero + rest % 10;
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}
