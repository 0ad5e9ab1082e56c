/**
 * Replies from bytes, one after the other on one connection: heads, interim replies, and where each body ends (RFC 9112
 * section 6.3). The caller owns the bytes and asks for the next {@link Part}; nothing is copied and no callback is
 * called. Refuses what two readers could understand differently.
 */
import { ChunkedBody } from "./chunked_body.ts";
import type { FlatHeaders } from "./message.ts";
import { ReplyError } from "./reply_error.ts";
import { ReplyHead } from "./reply_head.ts";

/** What {@link ResponseParser.next} has found. */
export const Part = {
  /** Nothing more without further bytes. */
  more: 0,
  /** An interim reply; `status` is its own. */
  interim: 1,
  /** The head of the reply. */
  head: 2,
  /** A piece of its body: `dataFrom` to `dataTo`, in place. */
  data: 3,
  /** The reply is complete. */
  end: 4,
} as const;

/** A value of {@link Part}. */
export type PartValue = typeof Part[keyof typeof Part];

/** How a body ends. */
export const Framing = {
  /** There is none. */
  none: 0,
  /** After a number of bytes. */
  length: 1,
  chunked: 2,
  /** With the connection. */
  close: 3,
} as const;

/** A value of {@link Framing}. */
export type FramingValue = typeof Framing[keyof typeof Framing];

/** Interim replies before the final one. */
export const maxInterim = 16;

const State = { head: 0, body: 1, complete: 2, between: 3 } as const;

/** See the module's header. */
export class ResponseParser {
  /** Behind what was taken by the last {@link next}. */
  at = 0;
  dataFrom = 0;
  dataTo = 0;
  framing: FramingValue = Framing.none;
  /** Bytes of the body that are not there yet, where {@link framing} is `length`. */
  left = 0;
  readonly #head: ReplyHead;
  readonly #chunked = new ChunkedBody();
  #state: number = State.between;
  #bodiless = false;
  #upgrade = false;
  #interim = 0;

  /** `maxHeadBytes` bounds every head. */
  constructor(maxHeadBytes: number) {
    this.#head = new ReplyHead(maxHeadBytes);
  }

  get status(): number {
    return this.#head.status;
  }

  get headers(): FlatHeaders {
    return this.#head.headers;
  }

  /** Value of content-length; -1 where there is none. */
  get length(): number {
    return this.#head.length;
  }

  /** Whether the connection can be used for nothing else after this reply. */
  get last(): boolean {
    return this.#head.close || this.framing === Framing.close;
  }

  /** Whether a reply is expected or under way. */
  get busy(): boolean {
    return this.#state !== State.between;
  }

  /** What comes next is the reply to a request with `method`; 101 is allowed only where it asked to `upgrade`. */
  expect(method: string, upgrade = false): void {
    this.#state = State.head;
    this.#bodiless = method === "HEAD";
    this.#upgrade = upgrade;
    this.#interim = 0;
  }

  /**
   * Looks at `bytes` from `from` to `to`; what it took reaches to {@link at}, the rest must be given again. Call it until
   * it says `more`, or `end`. Throws ReplyError, also for bytes where no reply is expected.
   */
  next(bytes: Uint8Array, from: number, to: number): PartValue {
    this.at = from;
    switch (this.#state) {
      case State.head:
        return this.#readHead(bytes, from, to);
      case State.body:
        return this.#readBody(bytes, from, to);
      case State.complete:
        this.#state = State.between;
        return Part.end;
      default:
        if (from < to) throw new ReplyError("there are bytes that nobody asked for");
        return Part.more;
    }
  }

  /** The connection ended behind `bytes`: true where that completes the reply. Throws ReplyError as {@link next}. */
  end(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.#state === State.head) this.#head.end(bytes, from, to);
    if (this.#state !== State.body || this.framing !== Framing.close) return this.#state === State.between;
    this.#state = State.between;
    return true;
  }

  #readHead(bytes: Uint8Array, from: number, to: number): PartValue {
    const end = this.#head.read(bytes, from, to);
    if (end < 0) return Part.more;
    this.at = end;
    const { status } = this.#head;
    if (status < 200 && status !== 101) {
      if (++this.#interim > maxInterim) {
        throw new ReplyError(`there are more than ${maxInterim} interim replies`);
      }
      return Part.interim;
    }
    if (status === 101 && !this.#upgrade) throw new ReplyError("101 was not asked for");
    this.#frame(status);
    return Part.head;
  }

  #frame(status: number): void {
    const { length, chunked } = this.#head;
    this.#state = State.body;
    this.left = 0;
    if (this.#bodiless || status === 204 || status === 304 || status === 101) {
      this.framing = Framing.none;
      this.#state = State.complete;
    } else if (chunked) {
      this.framing = Framing.chunked;
      this.#chunked.reset();
    } else if (length >= 0) {
      this.framing = Framing.length;
      this.left = length;
      if (length === 0) this.#state = State.complete;
    } else this.framing = Framing.close;
  }

  #readBody(bytes: Uint8Array, from: number, to: number): PartValue {
    if (from === to) return Part.more;
    this.dataFrom = from;
    if (this.framing === Framing.chunked) {
      this.at = this.#chunked.decode(bytes, from, to);
      this.dataTo = this.#chunked.dataTo;
      if (this.#chunked.done) this.#state = State.complete;
      if (this.dataTo > from) return Part.data;
      return this.#chunked.done ? this.next(bytes, this.at, to) : Part.more;
    }
    let end = to;
    if (this.framing === Framing.length) {
      end = Math.min(to, from + this.left);
      this.left -= end - from;
      if (this.left === 0) this.#state = State.complete;
    }
    this.at = this.dataTo = end;
    return Part.data;
  }
}
