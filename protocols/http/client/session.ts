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
import { Burst, type Leaving } from "./burst.ts";
import type { HttpReply, HttpRequest } from "./message.ts";
import { type BodyOwner, ReplyBody } from "./reply_body.ts";
import { ReadBuffer } from "./read_buffer.ts";
import { ReplyError } from "./reply_error.ts";
import { awaitsContinue, headText, hostOf } from "./request_head.ts";
import { joinedBytes, RequestSender, type SenderOwner } from "./request_sender.ts";
import { Framing, Part, type PartValue, ResponseParser } from "./response_parser.ts";

/** Requests of which no more are gathered into one write. */
const batchBytes = 64 * 1024;
/** The rest of an unwanted body that is read and dropped to keep the connection, and how long that may take. */
const drainBytes = 64 * 1024;
const drainMs = 1000;
/** A connection that is used for the first time within this was not idle before. */
const freshMs = 10;
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

const burst = new Burst();

/** See the module's header. */
export class HttpSession implements Session<HttpRequest, HttpReply>, SenderOwner, BodyOwner, Leaving {
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
  readonly #input = new ReadBuffer();
  /** Body of the reply that is being received. */
  #body: ReplyBody | undefined;
  #drainLeft = 0;
  #ended = false;
  readonly #connectedAt: number;
  #served = false;
  /** Bytes of the reply that comes next are there. */
  #heard = false;
  /** It was the upstream, or the network, that ended the connection. */
  #lost = false;
  #writeError: unknown;
  #goOn: (() => void) | undefined;
  #cancelContinue: (() => void) | undefined;
  #cancelDrain: (() => void) | undefined;

  constructor(stream: ByteStream, host: SessionHost) {
    this.#stream = stream;
    this.#host = host;
    this.#connectedAt = host.clock.now();
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
    const since = this.#host.clock.now();
    this.#queue.push({ attempt, since, settled: false });
    this.inflight++;
    if (!this.#sender.busy && !burst.holds(this, since)) this.#send();
  }

  leave(): void {
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
      this.#lost = true;
      if (this.#before === 0) return this.#end("write", "nothing can be written");
    }
    // The upstream may have answered before it closed.
    this.#host.changed();
  }

  awaitsBody(waits: boolean): void {
    const exchange = this.#queue[this.#given - 1];
    if (exchange) exchange.attempt.awaitsBody = waits;
  }

  bodyFailed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#end("cancelled", `the body of the request failed: ${text}`, error, this.#queue[this.#given - 1]);
  }

  // ---- replies

  async #run(): Promise<void> {
    try {
      for (;;) {
        const room = this.#input.room();
        const count = await this.#stream.read(room);
        if (this.#ended) return;
        if (count === null) return this.#closed();
        this.#input.filled(count, room);
        this.#heard = true;
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
      return this.#end(answered ? "protocol" : "reset", error.message, error, answered);
    }
    this.#lost = true;
    this.#end("reset", "the connection broke", error);
  }

  #closed(): void {
    this.#lost = true;
    const { bytes, from, to } = this.#input;
    if (!this.#parser.end(bytes, from, to)) {
      return this.#end("reset", "the upstream closed the connection before its reply was complete");
    }
    if (this.#body) this.#finish(undefined);
    this.#end("reset", "the upstream closed the connection");
  }

  /** Takes all replies that are there. */
  #take(): void {
    const parser = this.#parser;
    while (!this.#ended) {
      const part = this.#next();
      if (part === Part.more) return;
      if (part === Part.head) this.#head();
      else if (part === Part.data) this.#data();
      else if (part === Part.end) this.#finish(undefined);
      else if (parser.status === 100 && this.#given === 1) this.#letGo();
    }
  }

  #next(): PartValue {
    const input = this.#input;
    const part = this.#parser.next(input.bytes, input.from, input.to);
    input.from = this.#parser.at;
    return part;
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
    const input = this.#input;
    let part = this.#next();
    let piece = nothing;
    if (part === Part.data) {
      const { dataFrom, dataTo } = parser;
      part = this.#next();
      piece = part === Part.end ? input.bytes.slice(dataFrom, dataTo) : input.piece(dataFrom, dataTo);
    }
    if (part === Part.end) {
      const body = framing === Framing.none ? null : piece;
      input.whole();
      return this.#finish({ status, headers, body, bodyBytes: length });
    }
    const body = new ReplyBody(this, this.#host.clock, this.#host.plan.timeouts.body);
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
    if (!body.cancelled) return body.push(this.#input.piece(dataFrom, dataTo));
    this.#drainLeft -= dataTo - dataFrom;
    if (this.#drainLeft < 0) this.#end("reset", "the body of a reply was not read to its end");
  }

  /** The first reply is complete; with `reply` it is delivered now, otherwise it was before. */
  #finish(reply: HttpReply | undefined): void {
    const last = this.#parser.last || this.#unfinished || this.#sender.stopped;
    const { attempt } = this.#queue.shift()!;
    this.#given--;
    if (this.#before > 0) this.#before--;
    this.inflight--;
    this.#served = true;
    this.#heard = this.#input.from < this.#input.to;
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
    if (last) {
      this.#lost = true;
      return this.#end("reset", "the upstream closed the connection after an earlier reply");
    }
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
    const rest = this.#input.bytes.slice(this.#input.from, this.#input.to);
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

  stalled(text: string): void {
    this.#end("timeout", text, undefined, this.#queue[0]);
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
    // Bytes that are there belong to the first reply.
    const first = this.#heard ? queue[0] : undefined;
    for (const exchange of queue) {
      const { attempt } = exchange;
      const innocent = culprit !== undefined && exchange !== culprit;
      const stale = exchange !== first && this.#isStale(exchange);
      const error = this.#error(innocent ? "reset" : failure, text, attempt, cause, stale);
      if (!exchange.settled) attempt.fail(error);
      else {
        this.#body?.fail(error);
        attempt.release();
      }
    }
    this.#body = undefined;
  }

  /** Of one without a byte of its reply. */
  #isStale({ since, settled }: Exchange): boolean {
    return this.#lost && !settled && (this.#served || since - this.#connectedAt > freshMs);
  }

  #error(
    failure: FailureKind,
    text: string,
    attempt: Attempt<HttpRequest, HttpReply>,
    cause?: unknown,
    stale = false,
  ): UpstreamError {
    const { upstream, endpoint } = this.#host;
    const { address } = endpoint.spec;
    return new UpstreamError(failure, `Cannot call ${address} of upstreams.${upstream}: ${text}`, {
      upstream,
      endpoint: address,
      sent: attempt.sent,
      stale,
      cause,
    });
  }
}
