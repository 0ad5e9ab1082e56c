/**
 * One connection to one Redis, used by everybody at once: what is called in one turn of the loop leaves in one write,
 * replies are matched in order. While a write is under way the next batch gathers, so batches grow with the load.
 *
 * Of an attempt that was given up the reply is skipped when it comes; does it take longer than `timeouts.total`, the
 * connection ends, for then it is the connection that is ill. Nothing is sent twice here: an attempt that ends with the
 * connection says whether it was sent, and the caller decides.
 */
import { commandOf } from "./commands.ts";
import { CommandWriter } from "./command_writer.ts";
import type { Attempt, Session, SessionHost } from "../../core/upstream/contract.ts";
import type { ByteStream } from "../../core/protocol.ts";
import { type FailureKind, UpstreamError } from "../../core/upstream_error.ts";
import { Pending } from "./pending.ts";
import { ErrorReply } from "./redis_error.ts";
import { type RedisReply, type ReplyDecoder, ReplyError, unfinished } from "./reply_decoder.ts";
import type { RedisRequest } from "./request.ts";

type RedisAttempt = Attempt<RedisRequest, RedisReply>;

// With more than this unwritten a session takes nothing further until the server reads on.
const mostUnwrittenBytes = 4 * 1024 * 1024;

const multi = commandOf("MULTI");
const exec = commandOf("EXEC");
const pingRequest: RedisRequest = { command: commandOf("PING"), args: [], bytes: false, steps: undefined };

/** See the module's header. */
export class RedisSession implements Session<RedisRequest, RedisReply> {
  readonly #stream: ByteStream;
  readonly #host: SessionHost;
  readonly #decoder: ReplyDecoder;
  readonly #capacity: number;
  readonly #writer = new CommandWriter();
  readonly #pending = new Pending<RedisAttempt>();
  /** How many of those that wait, counted from the oldest, were sent. */
  #sent = 0;
  /** Replies that the oldest one still gets. */
  #due = 0;
  /** Why a transaction will be refused: the first error among its steps. */
  #stepError: ErrorReply | undefined;
  /** Given up, in their place; few at any time. */
  readonly #abandoned = new Set<RedisAttempt>();
  #cancelWatch: (() => void) | undefined;
  #cancelPing: (() => void) | undefined;
  /** When the batch that gathers was begun; one look at the clock for all of it. */
  #batchAt = 0;
  #scheduled = false;
  #writing = false;
  #throttled = false;
  #closing = false;
  #ended = false;
  readonly #flush = () => {
    this.#scheduled = false;
    if (!this.#writing && !this.#ended) this.#write();
  };

  /** `decoder` is the one the handshake was read with. */
  constructor(stream: ByteStream, host: SessionHost, decoder: ReplyDecoder, capacity: number) {
    this.#stream = stream;
    this.#host = host;
    this.#decoder = decoder;
    this.#capacity = capacity;
    this.#read();
  }

  get inflight(): number {
    return this.#pending.size;
  }

  get capacity(): number {
    return this.#throttled ? Math.min(this.#pending.size, this.#capacity) : this.#capacity;
  }

  get open(): boolean {
    return !this.#closing && !this.#ended;
  }

  get waitingSince(): number {
    return this.#pending.since;
  }

  start(attempt: RedisAttempt): void {
    if (this.#ended) return attempt.fail(this.#error("reset", "it was closed", false, undefined));
    const { request } = attempt;
    const writer = this.#writer;
    if (!this.#scheduled) this.#schedule();
    if (request.steps === undefined) writer.command(request.command, request.args);
    else {
      writer.command(multi, []);
      for (const { command, args } of request.steps) writer.command(command, args);
      writer.command(exec, []);
    }
    const pending = this.#pending;
    pending.push(attempt, this.#batchAt);
    if (pending.size === 1) this.#due = repliesOf(request);
    if (writer.pendingBytes > mostUnwrittenBytes) this.#throttled = true;
  }

  abandon(attempt: RedisAttempt): void {
    if (this.#ended) return;
    this.#abandoned.add(attempt);
    this.#watch();
  }

  ping(timeoutMs: number): void {
    if (!this.open || this.#pending.size > 0) return;
    const end = () => this.#end("timeout", `no answer to PING within ${timeoutMs} ms`);
    this.#cancelPing = this.#host.clock.after(timeoutMs, end);
    const settled = () => {
      this.#cancelPing?.();
      this.#cancelPing = undefined;
    };
    // Whatever comes, the connection answers.
    this.start({
      request: pingRequest,
      timeoutAt: Infinity,
      sent: false,
      succeed: settled,
      fail: settled,
      release() {},
    });
  }

  close(now = false): void {
    if (this.#ended) return;
    if (now || this.#pending.size === 0) return this.#end("reset", "it was closed");
    if (this.#closing) return;
    this.#closing = true;
    this.#host.changed();
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#batchAt = this.#host.clock.now();
    // What is written later goes along with the write that follows the one under way.
    if (!this.#writing) queueMicrotask(this.#flush);
  }

  async #write(): Promise<void> {
    const writer = this.#writer;
    this.#writing = true;
    try {
      for (let bytes = writer.take(); bytes; bytes = writer.take()) {
        this.#markSent();
        let written = await this.#stream.write(bytes);
        while (written < bytes.length) written += await this.#stream.write(bytes.subarray(written));
        writer.written();
        if (this.#throttled) this.#relax();
      }
    } catch (error) {
      this.#end("reset", "writing failed", error);
    } finally {
      this.#writing = false;
    }
  }

  /** All that wait, for whatever was gathered leaves now. */
  #markSent(): void {
    this.#scheduled = false;
    const pending = this.#pending;
    const { size } = pending;
    for (let index = this.#sent; index < size; index++) pending.at(index)!.sent = true;
    this.#sent = size;
  }

  #relax(): void {
    if (this.#writer.pendingBytes > mostUnwrittenBytes / 2) return;
    this.#throttled = false;
    if (this.open) this.#host.changed();
  }

  async #read(): Promise<void> {
    const stream = this.#stream;
    const decoder = this.#decoder;
    try {
      this.#take();
      while (!this.#ended) {
        const bytes = await stream.read(decoder.room());
        if (this.#ended) return;
        if (bytes === null) return this.#end("reset", "the server closed it");
        decoder.filled(bytes);
        this.#take();
      }
    } catch (error) {
      if (error instanceof ReplyError) this.#end("protocol", error.message, error);
      else this.#end("reset", "reading failed", error);
    }
  }

  /** Gives every reply that is there to whoever waits for it. Throws ReplyError. */
  #take(): void {
    const decoder = this.#decoder;
    const pending = this.#pending;
    while (!this.#ended) {
      const attempt = pending.first;
      const reply = decoder.next(attempt !== undefined && attempt.request.bytes);
      if (reply === unfinished) return;
      // Nobody here asked for pushes, and no reply is one.
      if (decoder.push) continue;
      if (attempt === undefined) throw new ReplyError("a reply that nobody asked for");
      if (--this.#due > 0) this.#step(reply);
      else this.#settle(attempt, reply);
    }
  }

  /** Replies within a transaction say only whether it will be tried. */
  #step(reply: RedisReply): void {
    if (reply instanceof ErrorReply) this.#stepError ??= reply;
  }

  #settle(attempt: RedisAttempt, reply: RedisReply): void {
    const pending = this.#pending;
    pending.shift();
    this.#sent--;
    const { first } = pending;
    if (first !== undefined) this.#due = repliesOf(first.request);
    if (this.#stepError) {
      // EXECABORT names no cause; the step's own error does.
      if (reply instanceof ErrorReply) reply = this.#stepError;
      this.#stepError = undefined;
    }
    if (this.#abandoned.size === 0 || !this.#abandoned.delete(attempt)) attempt.succeed(reply);
    attempt.release();
    if (this.#closing && pending.size === 0) this.#end("reset", "it was closed");
    else this.#host.changed();
  }

  /** Looks, once it may be too late, whether the reply that is to be skipped has come. */
  #watch(): void {
    if (this.#cancelWatch) return;
    const { clock, plan } = this.#host;
    const look = () => {
      this.#cancelWatch = undefined;
      if (this.#ended || this.#abandoned.size === 0) return;
      const mostMs = plan.timeouts.total;
      if (clock.now() - this.#pending.since >= mostMs) {
        return this.#end("timeout", `a reply that was given up did not come within ${mostMs} ms`);
      }
      this.#watch();
    };
    const leftMs = plan.timeouts.total - (clock.now() - this.#pending.since);
    this.#cancelWatch = clock.after(Math.max(1, leftMs), look);
  }

  /** The one end of the connection. */
  #end(failure: FailureKind, text: string, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelWatch?.();
    this.#cancelPing?.();
    this.#stream.close();
    const pending = this.#pending;
    const sent = this.#sent;
    for (let index = 0, left = pending.size; index < left; index++) {
      const attempt = pending.first!;
      pending.shift();
      if (this.#abandoned.delete(attempt)) attempt.release();
      // Only the reply in turn breaks the protocol; what stands behind it is lost.
      else attempt.fail(this.#error(index === 0 ? failure : "reset", text, index < sent, cause));
    }
    this.#host.changed();
  }

  #error(failure: FailureKind, text: string, sent: boolean, cause: unknown): UpstreamError {
    const { upstream, endpoint } = this.#host;
    const { address } = endpoint.spec;
    return new UpstreamError(
      failure,
      `The connection to ${address} of upstreams.${upstream} ended: ${text}`,
      {
        upstream,
        endpoint: address,
        sent,
        cause,
      },
    );
  }
}

function repliesOf({ steps }: RedisRequest): number {
  return steps === undefined ? 1 : steps.length + 2;
}
