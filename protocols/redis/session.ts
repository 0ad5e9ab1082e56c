/**
 * One connection to one Redis, used by everybody at once: what is called in one turn of the loop leaves in one write,
 * replies are matched in order. While a write is under way the next batch gathers, so batches grow with the load.
 */
import { setImmediate } from "node:timers";
import type { ByteStream } from "../../core/protocol.ts";
import type { Attempt, SessionHost } from "../../core/upstream/contract.ts";
import { OrderedSession } from "../../core/upstream/ordered_session.ts";
import { CommandWriter } from "./command_writer.ts";
import { commandOf } from "./commands.ts";
import { ErrorReply } from "./redis_error.ts";
import { type RedisReply, type ReplyDecoder, ReplyError, unfinished } from "./reply_decoder.ts";
import type { RedisRequest } from "./request.ts";

// With more than this unwritten a session takes nothing further until the server reads on.
const mostUnwrittenBytes = 4 * 1024 * 1024;

const multi = commandOf("MULTI");
const exec = commandOf("EXEC");
const pingRequest: RedisRequest = { command: commandOf("PING"), args: [], bytes: false, steps: undefined };

/** See the module's header. */
export class RedisSession extends OrderedSession<RedisRequest, RedisReply> {
  readonly #stream: ByteStream;
  readonly #decoder: ReplyDecoder;
  readonly #capacity: number;
  readonly #writer = new CommandWriter();
  /** Replies that the oldest attempt still gets. */
  #due = 0;
  /** Why a transaction will be refused: the first error among its steps. */
  #stepError: ErrorReply | undefined;
  /** When the batch that gathers was begun; one look at the clock for all of it. */
  #batchAt = 0;
  #scheduled = false;
  #writing = false;
  #full = false;
  readonly #flush = () => {
    this.#scheduled = false;
    if (!this.#writing && !this.ended) this.#write();
  };

  /** `decoder` is the one the handshake was read with. */
  constructor(stream: ByteStream, host: SessionHost, decoder: ReplyDecoder, capacity: number) {
    super(host);
    this.#stream = stream;
    this.#decoder = decoder;
    this.#capacity = capacity;
    this.#read();
  }

  get capacity(): number {
    return this.#full ? Math.min(this.pending.size, this.#capacity) : this.#capacity;
  }

  start(attempt: Attempt<RedisRequest, RedisReply>): void {
    if (this.ended) return attempt.fail(this.error("reset", "it was closed", false));
    if (!this.#scheduled) this.#schedule();
    const { request } = attempt;
    const writer = this.#writer;
    if (request.steps === undefined) writer.command(request.command, request.args);
    else {
      writer.command(multi, []);
      for (const { command, args } of request.steps) writer.command(command, args);
      writer.command(exec, []);
    }
    const { pending } = this;
    pending.push(attempt, this.#batchAt);
    if (pending.size === 1) this.#due = repliesOf(request);
    if (writer.pendingBytes > mostUnwrittenBytes) this.#full = true;
  }

  ping(timeoutMs: number): void {
    this.askWhetherItLives(pingRequest, timeoutMs);
  }

  protected disconnect(): void {
    this.#stream.close();
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#batchAt = this.host.clock.now();
    // What comes during a write goes along with the one that follows it.
    if (this.#writing) return;
    // A lone caller's command leaves at once. Where others wait already, the requests that this turn of the loop still
    // brings (each in a task of its own) come along: at 64 requests a tenth of the writes, a fifth less processor time.
    if (this.pending.size === 0) queueMicrotask(this.#flush);
    else setImmediate(this.#flush);
  }

  async #write(): Promise<void> {
    const writer = this.#writer;
    this.#writing = true;
    try {
      for (let bytes = writer.take(); bytes && !this.ended; bytes = writer.take()) {
        this.#scheduled = false;
        this.markSent();
        let written = await this.#stream.write(bytes);
        while (written < bytes.length) written += await this.#stream.write(bytes.subarray(written));
        writer.written();
        if (this.#full) this.#relax();
      }
    } catch (error) {
      this.end("reset", "writing failed", error);
    } finally {
      this.#writing = false;
    }
  }

  #relax(): void {
    if (this.#writer.pendingBytes > mostUnwrittenBytes / 2) return;
    this.#full = false;
    if (this.open) this.host.changed();
  }

  async #read(): Promise<void> {
    const stream = this.#stream;
    const decoder = this.#decoder;
    try {
      this.#take();
      while (!this.ended) {
        const bytes = await stream.read(decoder.room());
        if (this.ended) return;
        if (bytes === null) return this.end("reset", "the server closed it");
        decoder.filled(bytes);
        this.#take();
      }
    } catch (error) {
      if (error instanceof ReplyError) this.end("protocol", error.message, error);
      else this.end("reset", "reading failed", error);
    }
  }

  /** Gives every reply that is there to whoever waits for it. Throws ReplyError. */
  #take(): void {
    const decoder = this.#decoder;
    const { pending } = this;
    while (!this.ended) {
      const attempt = pending.first;
      const reply = decoder.next(attempt !== undefined && attempt.request.bytes);
      if (reply === unfinished) return;
      // Nobody here asked for pushes, and no reply is one.
      if (decoder.push) continue;
      if (attempt === undefined) throw new ReplyError("a reply that nobody asked for");
      if (--this.#due > 0) this.#step(reply);
      else this.#last(reply);
    }
  }

  /** Replies within a transaction say only whether it will be tried. */
  #step(reply: RedisReply): void {
    if (reply instanceof ErrorReply) this.#stepError ??= reply;
  }

  #last(reply: RedisReply): void {
    const next = this.pending.at(1);
    if (next !== undefined) this.#due = repliesOf(next.request);
    if (this.#stepError) {
      // EXECABORT names no cause; the step's own error does.
      if (reply instanceof ErrorReply) reply = this.#stepError;
      this.#stepError = undefined;
    }
    this.settle(reply);
  }
}

function repliesOf({ steps }: RedisRequest): number {
  return steps === undefined ? 1 : steps.length + 2;
}
