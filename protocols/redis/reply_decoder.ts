/**
 * Turns what a connection delivers into replies, RESP2 and RESP3 alike. It owns the memory that `read` fills.
 *
 *     reply     = simple / counted / aggregate
 *     simple    = ( "+" / "-" / ":" / "," / "(" / "#" / "_" ) line CRLF
 *     counted   = ( "$" / "=" / "!" ) length CRLF *OCTET CRLF                 length -1: null
 *     aggregate = ( "*" / "~" / ">" / "%" / "|" ) count CRLF *reply           count -1: null
 *
 * Source: https://redis.io/docs/reference/protocol-spec/ and RESP3 by its author, without the streamed forms, which no
 * server sends. Strict: lengths and numbers are digits only, every CRLF is there. Bounded: a reply holds `maxBytes` at
 * most, of which each element of an aggregate takes 16 beside its own; depth and lines have limits of their own; an
 * announced length is refused, or room for it made as it comes. An aggregate that arrives in pieces is never read twice.
 * It does no I/O.
 */
import type { RedisValue } from "../../core/context.ts";
import { ErrorReply, RedisError } from "./redis_error.ts";
import { textOf } from "./text_of.ts";

/** What {@link ReplyDecoder.next} answers when more bytes are needed. */
export const unfinished: unique symbol = Symbol("unfinished");

/** A reply of the server. */
export type RedisReply = RedisValue | ErrorReply;

/** Bytes that can never become a reply, or would become too large a one. The connection cannot be put in step again. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** Deepest nesting of aggregates. */
export const mostDepth = 128;
/** Longest line: an error text, a big number, a simple string. */
export const longestLine = 64 * 1024;
/** What an element of an aggregate takes of the bound beside its own bytes. */
export const elementBytes = 16;

const smallestChunkBytes = 4 * 1024;
const largestChunkBytes = 64 * 1024;
// Strings that fill so much of the memory are not copied out of it when bytes are asked for.
const viewShare = 1 / 4;

const opened: unique symbol = Symbol("opened");
const cr = 0x0d;
const lf = 0x0a;
const minus = 0x2d;
const zero = 0x30;
const nothing = -1;

/** An aggregate that is not complete. */
interface Level {
  readonly kind: number;
  readonly items: RedisValue[] | Map<RedisValue, RedisValue>;
  /** Elements to come; keys and values of maps count each. */
  left: number;
  /** Key that waits for its value. */
  key: RedisValue | undefined;
  readonly outer: Level | undefined;
}

/** The decoder of one connection. Use: `room`, read into it, `filled`, then `next` until it is {@link unfinished}. */
export class ReplyDecoder {
  #maxBytes: number;
  #chunk = new Uint8Array(smallestChunkBytes);
  #start = 0;
  #end = 0;
  /** Bytes that new memory has. */
  #size = smallestChunkBytes;
  /** Bytes from `#start` that the unfinished part has at least; 0 where nobody knows. */
  #need = 0;
  /** How far an unfinished line was searched. */
  #searched = 0;
  /** Largest string that came whole: as much again gets its room at once. */
  #trusted = 0;
  /** Somebody may keep a view of the memory. */
  #viewed = false;
  #roomBytes = 0;
  #level: Level | undefined;
  #depth = 0;
  #left: number;
  #push = false;
  #bytes = false;
  #headEnd = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = this.#left = maxBytes;
  }

  /** Another bound, from the next reply on. */
  limit(maxBytes: number): void {
    this.#maxBytes = this.#left = maxBytes;
  }

  /** True when the last reply was a push, which nobody asked for. */
  get push(): boolean {
    return this.#push;
  }

  /** Whether a part of a reply is there. */
  get begun(): boolean {
    return this.#level !== undefined || this.#end > this.#start;
  }

  /** Where the next `read` may put bytes; never empty. */
  room(): Uint8Array {
    const room = this.#room();
    this.#roomBytes = room.length;
    return room;
  }

  /** `bytes` (at least 1) were read into what {@link room} gave. */
  filled(bytes: number): void {
    this.#end += bytes;
    if (bytes === this.#roomBytes && this.#size < largestChunkBytes) this.#size *= 4;
  }

  /**
   * The next reply; its strings are text, or bytes with `bytes`, which must not change until the reply is there.
   * Throws {@link ReplyError}; call no more after that.
   */
  next(bytes: boolean): RedisReply | typeof unfinished {
    this.#bytes = bytes;
    for (;;) {
      if (this.#start === this.#end) return unfinished;
      let value = this.#part();
      if (value === unfinished) return unfinished;
      if (value === opened) continue;
      let level = this.#level;
      if (level === undefined) {
        this.#left = this.#maxBytes;
        this.#push = false;
        return value as RedisReply;
      }
      // Puts it where it belongs, and what becomes complete by that where that belongs.
      for (;;) {
        add(level, value instanceof ErrorReply ? value.error : value as RedisValue);
        if (--level.left > 0) break;
        this.#level = level.outer;
        this.#depth--;
        // Attributes say something about the reply that follows; nobody asked for them.
        if (level.kind === 0x7c) break;
        value = level.items;
        if (level.outer === undefined) {
          this.#left = this.#maxBytes;
          this.#push = level.kind === 0x3e;
          return value;
        }
        level = level.outer;
      }
    }
  }

  /** One simple or counted reply, or the beginning of an aggregate. */
  #part(): RedisReply | typeof unfinished | typeof opened {
    const kind = this.#chunk[this.#start];
    switch (kind) {
      case 0x24: // $
        return this.#string(kind);
      case 0x2b: // +
      case 0x2d: // -
      case 0x2c: // ,
      case 0x28: // (
      case 0x23: // #
      case 0x5f: // _
        return this.#line(kind);
      case 0x3a: // :
        return this.#integer();
      case 0x2a: // *
      case 0x7e: // ~
      case 0x3e: // >
      case 0x25: // %
      case 0x7c: // |
        return this.#aggregate(kind);
      case 0x3d: // =
      case 0x21: // !
        return this.#string(kind);
      default:
        throw new ReplyError(`no reply begins with byte ${kind}`);
    }
  }

  /** Reads `kind length CRLF`; the index behind it is in `#headEnd`. Answers -2 when more is needed. */
  #count(): number {
    const chunk = this.#chunk;
    const end = this.#end;
    let at = this.#start + 1;
    let value = 0;
    for (; at < end; at++) {
      const digit = chunk[at] - zero;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const first = this.#start + 1;
    if (at - first > 16) throw new ReplyError("a length is no number that can be");
    if (at === end) return this.#more(0);
    if (chunk[at] === minus && at === first) {
      if (at + 3 >= end) return this.#more(5);
      if (chunk[at + 1] !== zero + 1 || chunk[at + 2] !== cr || chunk[at + 3] !== lf) {
        throw new ReplyError("a length below zero");
      }
      this.#headEnd = at + 4;
      return nothing;
    }
    if (chunk[at] !== cr || at === first) throw new ReplyError("a length is no number");
    if (at + 1 === end) return this.#more(at + 2 - this.#start);
    if (chunk[at + 1] !== lf) throw new ReplyError("CR without LF");
    this.#headEnd = at + 2;
    return value;
  }

  #more(need: number): -2 {
    this.#need = need;
    return -2;
  }

  #string(kind: number): RedisReply | typeof unfinished {
    const length = this.#count();
    if (length === -2) return unfinished;
    const from = this.#headEnd;
    if (length === nothing) {
      if (kind !== 0x24) throw new ReplyError("a length below zero");
      this.#consume(from);
      return null;
    }
    if (length > this.#left) throw this.#tooLarge(length);
    const to = from + length;
    const next = to + 2;
    if (next > this.#end) {
      this.#need = next - this.#start;
      return unfinished;
    }
    const chunk = this.#chunk;
    if (chunk[to] !== cr || chunk[to + 1] !== lf) throw new ReplyError("a string does not end in CRLF");
    if (next - this.#start > this.#trusted) this.#trusted = next - this.#start;
    this.#consume(next);
    if (kind === 0x24) return this.#value(from, to);
    if (kind === 0x21) return new ErrorReply(new RedisError(textOf(chunk, from, to)));
    if (length < 4 || chunk[from + 3] !== 0x3a) throw new ReplyError("a verbatim string without its format");
    return this.#value(from + 4, to);
  }

  #value(from: number, to: number): string | Uint8Array {
    const chunk = this.#chunk;
    if (!this.#bytes) return textOf(chunk, from, to);
    if (to - from < chunk.length * viewShare) return chunk.slice(from, to);
    this.#viewed = true;
    return chunk.subarray(from, to);
  }

  #integer(): RedisReply | typeof unfinished {
    const chunk = this.#chunk;
    const end = this.#end;
    const first = this.#start + 1;
    let at = first;
    if (at === end) return unfinished;
    const sign = chunk[at];
    if (sign === minus || sign === 0x2b) at++;
    const digits = at;
    let value = 0;
    for (; at < end; at++) {
      const digit = chunk[at] - zero;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at - digits > 19) throw new ReplyError("an integer of more than 64 bits");
    if (at === end || (chunk[at] === cr && at + 1 === end)) {
      this.#need = 0;
      return unfinished;
    }
    if (at === digits || chunk[at] !== cr || chunk[at + 1] !== lf) throw new ReplyError("no integer");
    this.#consume(at + 2);
    if (value > Number.MAX_SAFE_INTEGER) return BigInt(textOf(chunk, sign === 0x2b ? digits : first, at));
    // There is no -0 on the wire.
    return sign === minus && value !== 0 ? -value : value;
  }

  #line(kind: number): RedisReply | typeof unfinished {
    const chunk = this.#chunk;
    const end = this.#end;
    const from = this.#start + 1;
    let at = Math.max(from, this.#searched);
    while (at < end && chunk[at] !== cr && chunk[at] !== lf) at++;
    if (at - from > longestLine) throw new ReplyError(`a line of more than ${longestLine} bytes`);
    if (at === end || (chunk[at] === cr && at + 1 === end)) {
      this.#searched = at;
      this.#need = 0;
      return unfinished;
    }
    if (chunk[at] !== cr || chunk[at + 1] !== lf) throw new ReplyError("CR or LF alone in a line");
    if (at - from > this.#left) throw this.#tooLarge(at - from);
    this.#consume(at + 2);
    if (kind === 0x2b && at - from === 2 && chunk[from] === 0x4f && chunk[from + 1] === 0x4b) return "OK";
    return simple(kind, textOf(chunk, from, at));
  }

  #aggregate(kind: number): RedisReply | typeof unfinished | typeof opened {
    const count = this.#count();
    if (count === -2) return unfinished;
    if (count === nothing) {
      if (kind !== 0x2a) throw new ReplyError("a length below zero");
      this.#consume(this.#headEnd);
      return null;
    }
    const pairs = kind === 0x25 || kind === 0x7c;
    const elements = pairs ? count * 2 : count;
    if (kind === 0x3e && this.#level) throw new ReplyError("a push within a reply");
    this.#consume(this.#headEnd);
    this.#left -= elements * elementBytes;
    if (this.#left < 0) throw this.#tooLarge(elements * elementBytes);
    const items = pairs ? new Map<RedisValue, RedisValue>() : [];
    if (elements === 0) {
      // A push or an attribute of nothing means nothing.
      if (kind === 0x3e || kind === 0x7c) throw new ReplyError("an empty push or attribute");
      return items;
    }
    if (++this.#depth > mostDepth) throw new ReplyError(`nested deeper than ${mostDepth}`);
    this.#level = { kind, items, left: elements, key: undefined, outer: this.#level };
    return opened;
  }

  #consume(next: number): void {
    this.#left -= next - this.#start;
    this.#start = next;
    this.#need = 0;
    this.#searched = 0;
  }

  #tooLarge(bytes: number): ReplyError {
    return new ReplyError(`a reply of more than ${this.#maxBytes} bytes (${bytes} announced)`);
  }

  #room(): Uint8Array {
    const chunk = this.#chunk;
    const held = this.#end - this.#start;
    if (held === 0) {
      const reusable = !this.#viewed && chunk.length === this.#size;
      this.#start = this.#end = 0;
      return reusable ? chunk : this.#take(new Uint8Array(this.#size));
    }
    const fits = this.#need > 0 && this.#start + this.#need <= chunk.length;
    if (this.#end < chunk.length && (fits || chunk.length - this.#end >= chunk.length / 4)) {
      return chunk.subarray(this.#end);
    }
    const earned = Math.max(2 * held, this.#trusted);
    const length = Math.max(this.#size, this.#need > 0 ? Math.min(this.#need, earned) : 2 * held);
    const start = this.#start;
    const end = this.#end;
    if (this.#viewed || chunk.length < length) {
      const larger = this.#take(new Uint8Array(length));
      larger.set(chunk.subarray(start, end));
    } else chunk.copyWithin(0, start, end);
    if (this.#searched > 0) this.#searched -= start;
    this.#start = 0;
    this.#end = held;
    return this.#chunk.subarray(held);
  }

  #take(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#chunk = chunk;
    this.#viewed = false;
    return chunk;
  }
}

function add(level: Level, value: RedisValue): void {
  const { items } = level;
  if (Array.isArray(items)) items.push(value);
  else if (level.key === undefined) level.key = value;
  else {
    items.set(level.key, value);
    level.key = undefined;
  }
}

const number = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

function simple(kind: number, text: string): RedisReply {
  switch (kind) {
    case 0x2d:
      return new ErrorReply(new RedisError(text));
    case 0x2c:
      if (number.test(text)) return Number(text);
      if (/^[+-]?inf$/.test(text)) return text[0] === "-" ? -Infinity : Infinity;
      if (/^-?nan$/.test(text)) return NaN;
      throw new ReplyError("no double");
    case 0x28:
      if (!/^[+-]?\d+$/.test(text)) throw new ReplyError("no big number");
      return BigInt(text.replace("+", ""));
    case 0x23:
      if (text !== "t" && text !== "f") throw new ReplyError("no boolean");
      return text === "t";
    case 0x5f:
      if (text !== "") throw new ReplyError("no null");
      return null;
    default:
      return text;
  }
}
