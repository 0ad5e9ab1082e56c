/**
 * One HTTP/1.1 connection to an endpoint. A read is always pending, also while it is idle, so a connection that the
 * upstream has closed ends at once; a session reads no further only while the reader of a reply's body is behind. Replies
 * are matched to requests in order. It retries nothing: what was sent is told, and the caller decides.
 *
 * It ends with `connection: close`, HTTP/1.0, any error, an attempt that is given up after it was written, a reply that
 * was complete before its request, and a body that nobody reads to its end (unless its rest is short).
 */
import type { ByteStream } from "../../../core/protocol.ts";
import type { Attempt, Session, SessionHost } from "../../../core/upstream/contract.ts";
import { type FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import type { HttpReply, HttpRequest } from "./message.ts";
import { type BodyOwner, ReplyBody } from "./reply_body.ts";
import { ReplyError } from "./reply_error.ts";
import { awaitsContinue, headText, hostOf } from "./request_head.ts";
import { joinedBytes, RequestSender, type SenderOwner } from "./request_sender.ts";
import { Framing, Part, ResponseParser } from "./response_parser.ts";

/** Reads take this much at first, and this much once replies turned out to be longer. */
const firstReadBytes = 16 * 1024;
const largeReadBytes = 64 * 1024;
/** After so many short replies in a row the large buffer is given back. */
const shortReplies = 64;
/** Requests of which no more are gathered into one write. */
const batchBytes = 64 * 1024;
/** The rest of an unwanted body that is read and dropped to keep the connection, and how long that may take. */
const drainBytes = 64 * 1024;
const drainMs = 1000;
/** How long a body waits for `100 Continue`. */
const continueMs = 1000;

const nothing = new Uint8Array(0);

/** An attempt on this connection. */
interface Exchange {
  readonly attempt: Attempt<HttpRequest, HttpReply>;
  readonly since: number;
  /** Its reply was delivered, or its head. */
  settled: boolean;
}

/** See the module's header. */
export class HttpSession implements Session<HttpRequest, HttpReply>, SenderOwner, BodyOwner {
  readonly capacity: number;
  inflight = 0;
  open = true;
  readonly #stream: ByteStream;
  readonly #host: SessionHost;
  readonly #hostField: string;
  readonly #sender: RequestSender;
  readonly #parser: ResponseParser;
  /** In order; the reply that comes next belongs to the first. */
  #queue: Exchange[] = [];
  /** How many of them were given to the sender, and how many before what it writes now. */
  #given = 0;
  #before = 0;
  /** What was read and not taken stands from `#from` to `#to`. */
  #buffer = new Uint8Array(firstReadBytes);
  #from = 0;
  #to = 0;
  #short = 0;
  #grows = false;
  /** Body of the reply that is being received. */
  #body: ReplyBody | undefined;
  #drainLeft = 0;
  #ended = false;
  #writeError: unknown;
  #goOn: (() => void) | undefined;
  #cancelContinue: (() => void) | undefined;
  #cancelDrain: (() => void) | undefined;

  constructor(stream: ByteStream, host: SessionHost) {
    this.#stream = stream;
    this.#host = host;
    this.#hostField = hostOf(host);
    this.capacity = host.plan.pool.pipeline;
    this.#sender = new RequestSender(stream, this);
    this.#parser = new ResponseParser(host.plan.limits.head);
    this.#run();
  }

  get waitingSince(): number {
    for (const exchange of this.#queue) if (!exchange.settled) return exchange.since;
    return 0;
  }

  start(attempt: Attempt<HttpRequest, HttpReply>): void {
    this.#queue.push({ attempt, since: this.#host.clock.now(), settled: false });
    this.inflight++;
    if (!this.#sender.busy) this.#send();
  }

  abandon(attempt: Attempt<HttpRequest, HttpReply>): void {
    const at = this.#queue.findIndex((exchange) => exchange.attempt === attempt);
    if (at < 0) return;
    const sent = at < this.#given;
    this.#queue.splice(at, 1);
    this.inflight--;
    if (sent) {
      if (at === 0) this.#body = undefined;
      this.#given--;
    }
    attempt.release();
    // A write that its own request did not wait for any more, and that never ends.
    const stuck = !sent && this.#given === 0 && this.#sender.busy;
    if (sent || stuck) this.#end("reset", "a request before it was given up");
    else this.#settleDown();
  }

  close(now = false): void {
    if (this.#ended) return;
    this.open = false;
    if (now) this.#end("reset", "the connection was closed on this side");
    else this.#settleDown();
  }

  // ---- requests

  /** Gives the sender what waits, as much as fits into one write. */
  #send(): void {
    const sender = this.#sender;
    this.#before = this.#given;
    while (this.#given < this.#queue.length && !sender.busy && sender.filled < batchBytes) {
      const { attempt } = this.#queue[this.#given]!;
      const { request } = attempt;
      const { body } = request;
      // Nothing may stand behind an upgrade.
      if (this.#given > 0 && this.#queue[this.#given - 1]!.attempt.request.upgrade) break;
      if (body instanceof ReadableStream && body.locked) {
        this.#refuse("its body was read before");
        continue;
      }
      attempt.sent = true;
      if (this.#given++ === 0) this.#parser.expect(request.method, request.upgrade !== undefined);
      const head = headText(request, this.#hostField);
      const waits = awaitsContinue(request);
      if (body === null || (body instanceof Uint8Array && body.length <= joinedBytes && !waits)) {
        sender.add(head, body);
        continue;
      }
      sender.add(head, null);
      if (waits) this.#holdBack();
      return sender.flushWith(body, request.bodyBytes, waits);
    }
    if (sender.filled > 0 && !sender.busy) sender.flush();
  }

  /** The body that comes next waits for the upstream's word, for a while. */
  #holdBack(): void {
    this.#cancelContinue?.();
    this.#cancelContinue = this.#host.clock.after(continueMs, () => this.#letGo());
  }

  #letGo(): void {
    this.#cancelContinue?.();
    this.#cancelContinue = undefined;
    this.#sender.goOn();
  }

  /** The request that would be sent next cannot be. */
  #refuse(text: string): void {
    const [{ attempt }] = this.#queue.splice(this.#given, 1) as [Exchange];
    this.inflight--;
    attempt.fail(this.#error("cancelled", text, attempt));
    this.#host.changed();
  }

  sent(): void {
    if (this.#given < this.#queue.length) this.#send();
  }

  unsendable(error: unknown, nothingLeft: boolean): void {
    this.open = false;
    this.#writeError = error;
    if (nothingLeft && !this.#host.tls) {
      for (let i = this.#before; i < this.#given; i++) this.#queue[i]!.attempt.sent = false;
      if (this.#before === 0) return this.#end("write", "nothing can be written");
    }
    // The upstream may have answered before it closed.
    this.#host.changed();
  }

  bodyFailed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#end("cancelled", `the body of the request failed: ${text}`, error, this.#queue[this.#given - 1]);
  }

  // ---- replies

  async #run(): Promise<void> {
    try {
      for (;;) {
        const room = this.#room();
        const bytes = await this.#stream.read(room);
        if (this.#ended) return;
        if (bytes === null) return this.#closed();
        if (bytes === room.length) this.#grows = true;
        this.#to += bytes;
        this.#take();
        while (!this.#ended && this.#body?.full) await this.#wanted();
        if (this.#ended) return;
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const answered = this.#given > 0 ? this.#queue[0] : undefined;
    if (error instanceof ReplyError) {
      this.#end(answered ? "protocol" : "reset", error.message, error, answered);
    } else this.#end("reset", "the connection broke", error);
  }

  #closed(): void {
    if (!this.#parser.end(this.#buffer, this.#from, this.#to)) {
      return this.#end("reset", "the upstream closed the connection before its reply was complete");
    }
    if (this.#body) this.#finish(undefined);
    this.#end("reset", "the upstream closed the connection");
  }

  /** Room for the next read: the buffer is used again, but for the beginning of a head that is not complete. */
  #room(): Uint8Array<ArrayBuffer> {
    if (this.#from === this.#to) {
      this.#from = this.#to = 0;
      if (this.#grows) this.#resize(largeReadBytes);
      else if (this.#short >= shortReplies) this.#resize(firstReadBytes);
      this.#grows = false;
      return this.#buffer;
    }
    if (this.#to < this.#buffer.length) return this.#buffer.subarray(this.#to);
    const held = this.#buffer.subarray(this.#from, this.#to);
    if (this.#from === 0) {
      // The parser has bounded it.
      this.#buffer = new Uint8Array(this.#buffer.length * 2);
      this.#buffer.set(held);
    } else this.#buffer.copyWithin(0, this.#from, this.#to);
    this.#to = held.length;
    this.#from = 0;
    return this.#buffer.subarray(this.#to);
  }

  #resize(bytes: number): void {
    this.#short = 0;
    if (this.#buffer.length !== bytes) this.#buffer = new Uint8Array(bytes);
  }

  /** Takes all replies that are there. */
  #take(): void {
    const parser = this.#parser;
    while (!this.#ended) {
      const part = parser.next(this.#buffer, this.#from, this.#to);
      this.#from = parser.at;
      if (part === Part.more) return;
      if (part === Part.head) this.#head();
      else if (part === Part.data) this.#data();
      else if (part === Part.end) this.#finish(undefined);
      else if (parser.status === 100 && this.#given === 1) this.#letGo();
    }
  }

  /** A head is there: with its whole body the reply is complete, otherwise the body becomes a stream. */
  #head(): void {
    const parser = this.#parser;
    const { status, headers, length, framing } = parser;
    if (status === 101) return this.#handOver();
    // Its request is not wanted to its end.
    if (status >= 400 && this.#unfinished) {
      this.#sender.stop(new Error(`the upstream answered ${status} before`));
    }
    let part = parser.next(this.#buffer, this.#from, this.#to);
    this.#from = parser.at;
    let piece = nothing;
    if (part === Part.data) {
      const { dataFrom, dataTo } = parser;
      part = parser.next(this.#buffer, this.#from, this.#to);
      piece = part === Part.end ? this.#buffer.slice(dataFrom, dataTo) : this.#piece(dataFrom, dataTo);
    }
    if (part === Part.end) {
      const body = framing === Framing.none ? null : piece;
      this.#short = this.#to <= firstReadBytes ? this.#short + 1 : 0;
      return this.#finish({ status, headers, body, bodyBytes: length });
    }
    const body = new ReplyBody(this);
    this.#body = body;
    if (piece.length > 0) body.push(piece);
    const exchange = this.#queue[0]!;
    exchange.settled = true;
    if (parser.last) this.open = false;
    exchange.attempt.succeed({ status, headers, body: body.stream(), bodyBytes: length });
    if (parser.last) this.#host.changed();
  }

  /** Whether the request that is answered now is not completely given to the kernel. */
  get #unfinished(): boolean {
    return this.#given === 1 && this.#sender.unfinished;
  }

  #data(): void {
    const { dataFrom, dataTo } = this.#parser;
    const body = this.#body!;
    if (!body.cancelled) return body.push(this.#piece(dataFrom, dataTo));
    this.#drainLeft -= dataTo - dataFrom;
    if (this.#drainLeft < 0) this.#end("reset", "the body of a reply was not read to its end");
  }

  /** Bytes of the buffer for a reader: a copy, or where that is long the buffer itself, and a new one is read into. */
  #piece(from: number, to: number): Uint8Array<ArrayBuffer> {
    if (this.#from < this.#to || to - from < this.#buffer.length / 2) return this.#buffer.slice(from, to);
    const piece = this.#buffer.subarray(from, to);
    this.#buffer = new Uint8Array(largeReadBytes);
    this.#from = this.#to = 0;
    return piece;
  }

  /** The first reply is complete; with `reply` it is delivered now, otherwise it was before. */
  #finish(reply: HttpReply | undefined): void {
    const last = this.#parser.last || this.#unfinished || this.#sender.stopped;
    const { attempt } = this.#queue.shift()!;
    this.#given--;
    if (this.#before > 0) this.#before--;
    this.inflight--;
    if (last) this.open = false;
    else if (this.#given > 0) {
      const { request } = this.#queue[0]!.attempt;
      this.#parser.expect(request.method, request.upgrade !== undefined);
    }
    this.#cancelDrain?.();
    this.#cancelDrain = undefined;
    const body = this.#body;
    this.#body = undefined;
    if (reply) attempt.succeed(reply);
    else body?.end();
    attempt.release();
    if (last) return this.#end("reset", "the upstream closed the connection after an earlier reply");
    if (this.#given < this.#queue.length && !this.#sender.busy) this.#send();
    this.#settleDown();
  }

  /** 101: the connection is the reader's from now on. */
  #handOver(): void {
    if (this.#unfinished) throw new ReplyError("101 came before the request was complete");
    const exchange = this.#queue.shift()!;
    this.inflight--;
    const { attempt } = exchange;
    const { headers } = this.#parser;
    const rest = this.#buffer.slice(this.#from, this.#to);
    this.#ended = true;
    this.open = false;
    attempt.succeed({
      status: 101,
      headers,
      body: null,
      bodyBytes: -1,
      upgraded: { stream: this.#stream, rest },
    });
    attempt.release();
    this.#drop("reset", "the connection was upgraded", undefined, undefined);
    this.#host.changed();
  }

  // ---- bodies of replies

  /** Waits until the reader of the body wants more. */
  #wanted(): Promise<void> {
    return new Promise((resolve) => this.#goOn = resolve);
  }

  wanted(): void {
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }

  unwanted(): void {
    if (this.#ended || !this.#body?.cancelled) return;
    const { framing, left } = this.#parser;
    if (framing === Framing.close || left > drainBytes) {
      return this.#end("reset", "the body of a reply was not read to its end");
    }
    this.#drainLeft = drainBytes;
    const late = () => this.#end("reset", "the rest of a reply that nobody reads did not come");
    this.#cancelDrain = this.#host.clock.after(drainMs, late);
    this.wanted();
  }

  // ---- the end

  /** Closes where that was asked for and nothing is left to do. */
  #settleDown(): void {
    if (!this.open && this.inflight === 0) this.#end("reset", "");
    else this.#host.changed();
  }

  /** Ends the connection. What is in flight fails with `reset`, but for the `culprit`: with `failure`; all, without one. */
  #end(failure: FailureKind, text: string, cause?: unknown, culprit?: Exchange): void {
    if (this.#ended) return;
    this.#ended = true;
    this.open = false;
    this.#cancelContinue?.();
    this.#cancelDrain?.();
    const kind = failure === "reset" && this.#writeError !== undefined ? "write" : failure;
    this.#sender.stop(cause ?? this.#writeError ?? new Error(text));
    this.#stream.close();
    this.#drop(kind, text, cause ?? this.#writeError, culprit);
    this.wanted();
    this.#host.changed();
  }

  #drop(failure: FailureKind, text: string, cause: unknown, culprit: Exchange | undefined): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#given = this.inflight = 0;
    for (const exchange of queue) {
      const { attempt } = exchange;
      const innocent = culprit !== undefined && exchange !== culprit;
      const error = this.#error(innocent ? "reset" : failure, text, attempt, cause);
      if (!exchange.settled) attempt.fail(error);
      else {
        this.#body?.fail(error);
        attempt.release();
      }
    }
    this.#body = undefined;
  }

  #error(
    failure: FailureKind,
    text: string,
    attempt: Attempt<HttpRequest, HttpReply>,
    cause?: unknown,
  ): UpstreamError {
    const { upstream, endpoint } = this.#host;
    const { address } = endpoint.spec;
    return new UpstreamError(failure, `Cannot call ${address} of upstreams.${upstream}: ${text}`, {
      upstream,
      endpoint: address,
      sent: attempt.sent,
      cause,
    });
  }
}
