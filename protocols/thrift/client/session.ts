/**
 * One connection to a thrift server. Replies are matched by seqid, so they may come in any order; what is sent in one
 * turn of the loop leaves in one write. Of a call that was given up the reply is dropped when it comes; does it take
 * longer than `timeouts.total`, the connection ends, for then it is the connection that is ill. A oneway call is through
 * when it is with the kernel.
 */
import type { ByteStream } from "../../../core/protocol.ts";
import type { Attempt, Session, SessionHost } from "../../../core/upstream/contract.ts";
import { type FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import { Outbox, type OutboxOwner } from "../../frames/outbox.ts";
import { writerFor } from "../answer.ts";
import { applicationErrors, applicationException } from "../application_exception.ts";
import type { MethodCodec } from "../service_codec.ts";
import { framed, unframed } from "../stream_framing.ts";
import { ThriftException } from "../thrift_exception.ts";
import { requestHeader, responseHeader } from "../tracking.ts";
import { compactVersion } from "../wire/compact_protocol.ts";
import type { Fields } from "../wire/struct_codec.ts";
import type { MessageCutter } from "../wire/transport.ts";
import { MessageType } from "../wire/ttype.ts";
import type { MessageHead, Reader } from "../wire/wire.ts";
import { WireError } from "../wire/wire_error.ts";
import { borrowBytes } from "../../frames/outbox.ts";
import { applicationError, ErrorReply, type ThriftCall } from "./call.ts";

type ThriftAttempt = Attempt<ThriftCall, unknown>;

/** A call that waits for its reply. */
interface Waiting {
  readonly attempt: ThriftAttempt;
  readonly since: number;
  abandoned: boolean;
}

/** What a session is made with. */
export interface ThriftSessionParts {
  cutter: MessageCutter;
  reader: Reader;
  /** Of tracking. */
  version: number;
  capacity: number;
  /** Asks whether the peer lives; undefined where nobody knows such a call. */
  ping: ThriftCall | undefined;
}

// With more than this unwritten a session takes nothing further until the peer reads on.
const mostUnwrittenBytes = 4 * 1024 * 1024;
const lastSeqid = 0x7fff_ffff;

/** See the module's header. */
export class ThriftSession implements Session<ThriftCall, unknown>, OutboxOwner {
  readonly ping: ((timeoutMs: number) => void) | undefined;
  readonly #stream: ByteStream;
  readonly #host: SessionHost;
  readonly #parts: ThriftSessionParts;
  readonly #outbox: Outbox;
  /** By seqid, in the order in which they were begun. */
  readonly #waiting = new Map<number, Waiting>();
  /** Put into the outbox since its last write began. */
  #unsent: ThriftAttempt[] = [];
  /** Oneway calls that are not written yet, each with where it ends in all that is put in. */
  readonly #oneway: Array<{ attempt: ThriftAttempt; end: number }> = [];
  #putBytes = 0;
  #seqid = 0;
  #full = false;
  #closing = false;
  #ended = false;
  #cancelWatch: (() => void) | undefined;
  #cancelPing: (() => void) | undefined;
  readonly #head: MessageHead = { name: "", type: 0, seqid: 0 };

  constructor(stream: ByteStream, host: SessionHost, parts: ThriftSessionParts) {
    this.#stream = stream;
    this.#host = host;
    this.#parts = parts;
    this.#outbox = new Outbox(stream, parts.cutter.mode!.framed ? framed : unframed, this);
    const { ping } = parts;
    this.ping = ping && ((timeoutMs) => this.#ask(ping, timeoutMs));
    this.#read();
  }

  get inflight(): number {
    return this.#waiting.size + this.#oneway.length;
  }

  get capacity(): number {
    const { capacity } = this.#parts;
    return this.#full ? Math.min(this.inflight, capacity) : capacity;
  }

  get open(): boolean {
    return !this.#closing && !this.#ended;
  }

  get waitingSince(): number {
    for (const { since } of this.#waiting.values()) return since;
    return 0;
  }

  start(attempt: ThriftAttempt): void {
    if (this.#ended) return attempt.fail(this.#error("reset", "it was closed", false));
    const { request } = attempt;
    if (request === connectOnly) {
      attempt.succeed(undefined);
      return attempt.release();
    }
    const seqid = this.#nextSeqid();
    const outbox = this.#outbox;
    const before = outbox.pendingBytes;
    outbox.push(this.#message(request, seqid));
    const after = outbox.pendingBytes;
    this.#putBytes += after - before;
    this.#unsent.push(attempt);
    if (request.method.oneway) this.#oneway.push({ attempt, end: this.#putBytes });
    else this.#waiting.set(seqid, { attempt, since: this.#host.clock.now(), abandoned: false });
    if (after > mostUnwrittenBytes) this.#full = true;
    outbox.flushSoon();
  }

  /** A view that is good until the outbox has it, or a copy where the outbox keeps it. */
  #message({ method, values, args, protocol, id, rpcId, meta }: ThriftCall, seqid: number): Uint8Array {
    const mode = this.#parts.cutter.mode!;
    const writer = writerFor(mode);
    if (this.#parts.version > 0) {
      requestHeader.write(writer, { request_id: id || undefined, seq: rpcId || undefined, meta });
    }
    writer.messageBegin(method.name, method.oneway ? MessageType.oneway : MessageType.call, seqid);
    if (protocol === mode.protocol) writer.sink.raw(args);
    else method.args.write(writer, values);
    const { bytes, length } = writer.sink;
    return length < borrowBytes ? bytes.subarray(0, length) : writer.sink.copy();
  }

  #nextSeqid(): number {
    do this.#seqid = this.#seqid === lastSeqid ? 1 : this.#seqid + 1; while (this.#waiting.has(this.#seqid));
    return this.#seqid;
  }

  abandon(attempt: ThriftAttempt): void {
    if (this.#ended) return;
    for (const waiting of this.#waiting.values()) {
      if (waiting.attempt !== attempt) continue;
      waiting.abandoned = true;
      return this.#watch();
    }
  }

  close(now = false): void {
    if (this.#ended) return;
    if (now || this.inflight === 0) return this.#end("reset", "it was closed");
    if (this.#closing) return;
    this.#closing = true;
    this.#host.changed();
  }

  // ---- writing

  sending(): void {
    for (const attempt of this.#unsent) attempt.sent = true;
    this.#unsent = [];
  }

  moved(): void {
    if (this.#ended) return;
    const { pendingBytes } = this.#outbox;
    if (this.#oneway.length > 0) this.#settleWritten(this.#putBytes - pendingBytes);
    if (this.#ended || !this.#full || pendingBytes > mostUnwrittenBytes / 2) return;
    this.#full = false;
    if (this.open) this.#host.changed();
  }

  broken(error: unknown): void {
    this.#end("reset", "writing failed", error);
  }

  #settleWritten(bytes: number): void {
    while (this.#oneway.length > 0 && this.#oneway[0]!.end <= bytes) {
      const { attempt } = this.#oneway.shift()!;
      attempt.succeed(undefined);
      attempt.release();
      this.#changed();
    }
  }

  // ---- reading

  async #read(): Promise<void> {
    const { cutter, version } = this.#parts;
    const header = version >= 2 ? "maybe" : false;
    try {
      while (!this.#ended) {
        const count = await this.#stream.read(cutter.room());
        if (this.#ended) return;
        if (count === null) return this.#end("reset", "the peer closed it");
        cutter.filled(count);
        while (!this.#ended && cutter.next(header)) this.#received();
      }
    } catch (error) {
      if (error instanceof WireError) this.#end("protocol", error.message, error);
      else this.#end("reset", "reading failed", error);
    }
  }

  /** One message. Throws WireError where it cannot be told whose it is. */
  #received(): void {
    const { cutter, reader, version } = this.#parts;
    const head = this.#head;
    reader.open(cutter.bytes, cutter.from, cutter.to, cutter.view);
    try {
      let meta: unknown;
      // Some servers forget the header before exceptions; no header begins as messages do.
      const first = cutter.bytes[cutter.from];
      if (version >= 2 && first !== 0x80 && first !== compactVersion) meta = responseHeader.read(reader).meta;
      reader.messageBegin(head);
      const waiting = this.#waiting.get(head.seqid);
      if (!waiting) throw new WireError(`a reply to a call that nobody made (${head.seqid})`);
      this.#waiting.delete(head.seqid);
      if (waiting.abandoned) waiting.attempt.release();
      else this.#settle(waiting.attempt, reader, meta);
      this.#changed();
    } finally {
      reader.close();
    }
  }

  #settle(attempt: ThriftAttempt, reader: Reader, meta: unknown): void {
    const { method, onReplyMeta } = attempt.request;
    let reply: unknown;
    try {
      reply = replyOf(method, this.#head, reader);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      // Where this message ends is known, so the others are not touched.
      return attempt.fail(this.#error("protocol", error.message, true, error, "made no sense"));
    }
    if (onReplyMeta && meta instanceof Map) onReplyMeta(Object.fromEntries(meta));
    attempt.succeed(reply);
    attempt.release();
  }

  // ---- the end

  #changed(): void {
    if (this.#closing && this.inflight === 0) this.#end("reset", "it was closed");
    else this.#host.changed();
  }

  /** The one end: all that wait fail, the oldest one with `failure`, the others with `reset`. */
  #end(failure: FailureKind, text: string, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelWatch?.();
    this.#cancelPing?.();
    this.#stream.close();
    let kind = failure;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { attempt, abandoned } of waiting) {
      if (abandoned) attempt.release();
      else attempt.fail(this.#error(kind, text, attempt.sent, cause));
      kind = "reset";
    }
    for (const { attempt } of this.#oneway.splice(0)) {
      attempt.fail(this.#error("reset", text, attempt.sent, cause));
    }
    this.#host.changed();
  }

  #error(failure: FailureKind, text: string, sent: boolean, cause?: unknown, what = "ended"): UpstreamError {
    const { upstream, endpoint } = this.#host;
    const { address } = endpoint.spec;
    const subject = what === "ended" ? "The connection to" : "A reply of";
    return new UpstreamError(failure, `${subject} ${address} of upstreams.${upstream} ${what}: ${text}`, {
      upstream,
      endpoint: address,
      sent,
      cause,
    });
  }

  /** Looks, once it may be too late, whether the reply that is to be dropped has come. */
  #watch(): void {
    if (this.#cancelWatch) return;
    const { clock, plan } = this.#host;
    const mostMs = plan.timeouts.total;
    const look = () => {
      this.#cancelWatch = undefined;
      const late = [...this.#waiting.values()].find(({ abandoned }) => abandoned);
      if (this.#ended || !late) return;
      if (clock.now() - late.since < mostMs) return this.#watch();
      this.#end("timeout", `a reply that was given up did not come within ${mostMs} ms`);
    };
    this.#cancelWatch = clock.after(Math.max(1, mostMs - (clock.now() - this.waitingSince)), look);
  }

  /** Whatever is answered in time is good. */
  #ask(request: ThriftCall, timeoutMs: number): void {
    if (!this.open || this.inflight > 0) return;
    this.#cancelPing = this.#host.clock.after(
      timeoutMs,
      () => this.#end("timeout", `no answer to a heartbeat within ${timeoutMs} ms`),
    );
    const answered = () => {
      this.#cancelPing?.();
      this.#cancelPing = undefined;
    };
    this.start({
      request,
      timeoutAt: Infinity,
      sent: false,
      succeed: answered,
      fail: answered,
      release() {},
    });
  }
}

/** What a message that answers a call of `method` says. Throws WireError. */
function replyOf(method: MethodCodec, head: MessageHead, reader: Reader): unknown {
  if (head.type === MessageType.exception) {
    const { type, message } = applicationException.read(reader);
    return applicationError(Number(type ?? 0), String(message ?? ""));
  }
  if (head.type !== MessageType.reply) throw new WireError("a call where a reply was due");
  if (head.name !== method.name) {
    throw new WireError(`a reply to ${head.name} where one to ${method.name} was due`);
  }
  const result = method.result.read(reader);
  for (const [name, field] of method.throws) {
    const fields = result[field];
    if (fields !== undefined) return new ErrorReply(new ThriftException(name, fields as Fields));
  }
  if (!method.returns || result.success !== undefined) return result.success;
  return applicationError(applicationErrors.missingResult, `${method.name} returned nothing`);
}

/** A call that sends nothing and is answered at once: a connection is all it asks for. */
export const connectOnly = Object.freeze({}) as ThriftCall;
