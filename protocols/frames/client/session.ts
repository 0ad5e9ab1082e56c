/**
 * One connection that frames are sent over. With `requestReply` the next frame that comes belongs to the oldest request;
 * with `oneWay` a frame is through as soon as it is with the kernel, and whatever comes back is thrown away. What is sent
 * in one turn of the loop leaves in one write.
 *
 * Replies are views of the memory they were read into, which is never written again: keep a copy, not the view, where a
 * small reply is kept for long. Frames of 16 KiB and more are written from where they are.
 */
import type { ByteStream } from "../../../core/protocol.ts";
import type { Attempt, SessionHost } from "../../../core/upstream/contract.ts";
import { OrderedSession } from "../../../core/upstream/ordered_session.ts";
import { Decoder } from "../decoder.ts";
import type { Framing } from "../framing.ts";
import { FramingError } from "../framing_error.ts";
import { Outbox, type OutboxOwner } from "../outbox.ts";

/** A request that sends nothing and is answered at once: a connection is all it asks for. */
export const connectOnly = new Uint8Array(0);

/** What one-way frames resolve with. */
export const nothing = new Uint8Array(0);

// With more than this unwritten a session takes nothing further until the peer reads on.
const mostUnwrittenBytes = 4 * 1024 * 1024;
// What comes back on a one-way connection is read into this.
const wasteBytes = 4 * 1024;

/** What a session is made with. */
export interface FramesSessionOptions {
  framing: Framing;
  /** The same for replies, whose bound may be smaller. */
  replyFraming: Framing;
  oneWay: boolean;
  capacity: number;
  /** Sent to ask whether the peer lives; undefined where nobody knows such a frame. */
  heartbeat: Uint8Array | undefined;
}

/** See the module's header. */
export class FramesSession extends OrderedSession<Uint8Array, Uint8Array> implements OutboxOwner {
  readonly ping: ((timeoutMs: number) => void) | undefined;
  readonly #stream: ByteStream;
  readonly #options: FramesSessionOptions;
  readonly #outbox: Outbox;
  /** Bytes put into the outbox so far; with `oneWay` also where each frame that waits ends. */
  #putBytes = 0;
  readonly #ends: number[] = [];
  #full = false;

  constructor(stream: ByteStream, host: SessionHost, options: FramesSessionOptions) {
    super(host);
    this.#stream = stream;
    this.#options = options;
    this.#outbox = new Outbox(stream, options.framing, this);
    const { heartbeat } = options;
    this.ping = heartbeat && ((timeoutMs) => this.askWhetherItLives(heartbeat, timeoutMs));
    if (options.oneWay) this.#readWaste();
    else this.#read();
  }

  get capacity(): number {
    const { capacity } = this.#options;
    return this.#full ? Math.min(this.pending.size, capacity) : capacity;
  }

  start(attempt: Attempt<Uint8Array, Uint8Array>): void {
    if (this.ended) return attempt.fail(this.error("reset", "it was closed", false));
    const { request } = attempt;
    if (request === connectOnly) {
      attempt.succeed(nothing);
      return attempt.release();
    }
    const outbox = this.#outbox;
    const before = outbox.pendingBytes;
    outbox.push(request);
    const after = outbox.pendingBytes;
    this.pending.push(attempt, this.host.clock.now());
    this.#putBytes += after - before;
    if (this.#options.oneWay) this.#ends.push(this.#putBytes);
    if (after > mostUnwrittenBytes) this.#full = true;
    outbox.flushSoon();
  }

  sending(): void {
    this.markSent();
  }

  moved(): void {
    if (this.ended) return;
    const { pendingBytes } = this.#outbox;
    if (this.#options.oneWay) this.#settleWritten(this.#putBytes - pendingBytes);
    if (!this.#full || pendingBytes > mostUnwrittenBytes / 2) return;
    this.#full = false;
    if (this.open) this.host.changed();
  }

  broken(error: unknown): void {
    this.end("reset", "writing failed", error);
  }

  protected disconnect(): void {
    this.#stream.close();
  }

  #settleWritten(bytes: number): void {
    const ends = this.#ends;
    let count = 0;
    while (count < ends.length && ends[count] <= bytes) count++;
    if (count === 0) return;
    ends.splice(0, count);
    for (; count > 0 && !this.ended; count--) this.settle(nothing);
  }

  async #read(): Promise<void> {
    const stream = this.#stream;
    const decoder = new Decoder(this.#options.replyFraming);
    // Whoever got a reply may have kept it.
    let given = false;
    try {
      while (!this.ended) {
        const bytes = await stream.read(decoder.room(given));
        if (this.ended) return;
        if (bytes === null) return this.end("reset", "the peer closed it");
        decoder.filled(bytes);
        for (let frame = decoder.next(); frame && !this.ended; frame = decoder.next()) {
          if (this.pending.size === 0) return this.end("protocol", "a frame that nobody asked for");
          given = true;
          this.settle(frame);
        }
      }
    } catch (error) {
      if (error instanceof FramingError) this.end("protocol", error.message, error);
      else this.end("reset", "reading failed", error);
    }
  }

  async #readWaste(): Promise<void> {
    const waste = new Uint8Array(wasteBytes);
    try {
      while (await this.#stream.read(waste) !== null);
      this.end("reset", "the peer closed it");
    } catch (error) {
      this.end("reset", "reading failed", error);
    }
  }
}
