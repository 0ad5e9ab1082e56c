/**
 * The byte stream of a connection cut into messages. Framed: four bytes of length before each; buffered: a message ends
 * where its structure ends. On listeners the first bytes say which, and which protocol is spoken:
 *
 * ```
 * 80 01 …              buffered, binary        len len len len 80 01 …    framed, binary
 * 82 …                 buffered, compact       len len len len 82 …       framed, compact
 * 00 00 00 n letter …  buffered, binary as before 0.2 (no version); framed where the fifth byte is 0
 * ```
 *
 * What was read stands in one buffer that is used again; a message is a part of it until the next one is asked for.
 */
import { strictVersion } from "./binary_protocol.ts";
import { compactVersion } from "./compact_protocol.ts";
import { longestName, MessageScanner } from "./message_scanner.ts";
import { WireError } from "./wire_error.ts";

/** How the bytes of a connection are to be read. */
export interface Mode {
  readonly framed: boolean;
  readonly protocol: "binary" | "compact";
  /** False for messages without a version, as before 0.2. */
  readonly strict: boolean;
}

const firstBytes = 4 * 1024;
/** A buffer that a long message has made larger is given back once it is empty. */
const keptBytes = 64 * 1024;

/** See the module's header. */
export class MessageCutter {
  bytes = new Uint8Array(firstBytes);
  view = new DataView(this.bytes.buffer);
  /** The message that {@link next} found. */
  from = 0;
  to = 0;
  mode: Mode | undefined;
  readonly #maxBytes: number;
  #start = 0;
  #end = 0;
  #scanner: MessageScanner | undefined;
  #scanning = false;
  /** Bytes of the message that is being waited for, as far as they are known. */
  #wanted = 0;

  /** Messages above `maxBytes` are refused; without a `mode` the first bytes say it. */
  constructor(maxBytes: number, mode?: Mode) {
    this.#maxBytes = maxBytes;
    this.mode = mode;
  }

  /** Bytes that belong to no message yet. */
  get heldBytes(): number {
    return this.#end - this.#start;
  }

  /** Where to read into. Whoever keeps parts of the buffer does so as copies. */
  room(): Uint8Array {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      if (this.bytes.length > keptBytes) this.#moved(new Uint8Array(firstBytes));
    }
    const held = this.#end - this.#start;
    const size = Math.max(firstBytes, Math.min(this.#wanted, Math.max(held * 2, keptBytes)));
    if (size > this.bytes.length) {
      const larger = new Uint8Array(size);
      larger.set(this.bytes.subarray(this.#start, this.#end));
      this.#moved(larger);
    } else if (this.#end === this.bytes.length || this.bytes.length - this.#start < size) {
      if (this.#start > 0) {
        this.bytes.copyWithin(0, this.#start, this.#end);
        this.#moved(this.bytes);
      } else {
        const larger = new Uint8Array(this.bytes.length * 2);
        larger.set(this.bytes);
        this.#moved(larger);
      }
    }
    return this.bytes.subarray(this.#end);
  }

  #moved(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes !== this.bytes) this.view = new DataView(bytes.buffer);
    this.bytes = bytes;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** `count` bytes were read into {@link room}. */
  filled(count: number): void {
    this.#end += count;
  }

  /**
   * Whether another message is there: it stands in `bytes` from `from` to `to`. `header`: a struct stands before it
   * (tracking); "maybe": where the first byte is not that of a message. Throws WireError, after which all is over.
   */
  next(header: boolean | "maybe"): boolean {
    if (this.#start === this.#end) return false;
    const mode = this.mode ??= this.#detect();
    if (mode === undefined) return false;
    return mode.framed ? this.#frame() : this.#scan(mode, header);
  }

  #frame(): boolean {
    const { bytes } = this;
    const start = this.#start;
    if (this.#end - start < 4) return false;
    const length = (bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) |
      bytes[start + 3]!;
    if (length <= 0) throw new WireError("a frame of no length");
    this.#check(length);
    this.#wanted = length + 4;
    if (this.#end - start < length + 4) return false;
    return this.#found(start + 4, start + 4 + length);
  }

  #scan(mode: Mode, header: boolean | "maybe"): boolean {
    const scanner = this.#scanner ??= new MessageScanner(mode.protocol === "compact");
    if (!this.#scanning) {
      this.#scanning = true;
      const first = this.bytes[this.#start]!;
      scanner.begin(header === true || (header === "maybe" && first !== 0x80 && first !== compactVersion));
    }
    const length = scanner.scan(this.bytes, this.#start, this.#end);
    this.#check(Math.max(length, scanner.knownBytes));
    this.#wanted = scanner.knownBytes;
    if (length < 0) {
      this.#check(this.#end - this.#start);
      return false;
    }
    this.#scanning = false;
    return this.#found(this.#start, this.#start + length);
  }

  #found(from: number, to: number): true {
    this.from = from;
    this.to = to;
    this.#start = to;
    this.#wanted = 0;
    return true;
  }

  #check(length: number): void {
    if (length > this.#maxBytes) throw new WireError(`a message of more than ${this.#maxBytes} bytes`, true);
  }

  #detect(): Mode | undefined {
    const { bytes } = this;
    const start = this.#start;
    const held = this.#end - start;
    const first = bytes[start]!;
    if (first === strictVersion >> 8) return { framed: false, protocol: "binary", strict: true };
    if (first === compactVersion) return { framed: false, protocol: "compact", strict: true };
    if (first > 0x7f) throw new WireError("no message begins like this");
    if (held < 5) return undefined;
    const fifth = bytes[start + 4]!;
    if (fifth === strictVersion >> 8) return { framed: true, protocol: "binary", strict: true };
    if (fifth === compactVersion) return { framed: true, protocol: "compact", strict: true };
    if (fifth === 0) return { framed: true, protocol: "binary", strict: false };
    // A name without a version before it: as long as it says, and of letters.
    const named = first === 0 && bytes[start + 1] === 0 && bytes[start + 2]! << 8 <= longestName;
    if (named && /[A-Za-z_]/.test(String.fromCharCode(fifth))) {
      return { framed: false, protocol: "binary", strict: false };
    }
    throw new WireError("no message begins like this");
  }
}
