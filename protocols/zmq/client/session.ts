/**
 * One socket to one endpoint. dealer: any number of requests at once, told apart by an envelope of eight bytes that every
 * REP and every well-behaved ROUTER sends back. req and pair: one request at a time. push and pair: a message is through
 * as soon as libzmq has it, and waits while its queue is full. pub, xpub: the same, without waiting.
 *
 * The session ends with its connection: libzmq would connect again by itself, but then nobody knows which requests are
 * lost. What it has queued goes out still, for as long as `linger` says.
 */
import { randomFillSync } from "node:crypto";
import type { Attempt, Session } from "../../../core/upstream/contract.ts";
import { type FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import type { Codec } from "../../codec/codec.ts";
import { type Layout, Parts } from "../envelope.ts";
import type { MonitorEvent } from "../monitor.ts";
import { Received } from "../receive_memory.ts";
import type { Signer } from "../signature.ts";
import type { ZmqSocket } from "../socket.ts";
import type { OpenedSocket, OpenHost } from "./open_socket.ts";
import { connectOnly, handedOver, type ZmqReply, type ZmqRequest } from "./request.ts";

type ZmqAttempt = Attempt<ZmqRequest, ZmqReply>;

/** A request that waits for its reply. */
interface Waiting {
  readonly attempt: ZmqAttempt;
  readonly signature: Uint8Array | undefined;
  readonly since: number;
}

const nothing = new Uint8Array(0);
const idBytes = 8;

/** See the module's header. */
export class ZmqSession implements Session<ZmqRequest, ZmqReply> {
  readonly capacity: number;
  readonly #host: OpenHost;
  readonly #socket: ZmqSocket;
  readonly #codec: Codec;
  readonly #signer: Signer | undefined;
  readonly #onEnd: () => void;
  readonly #layout: Layout;
  readonly #parts = new Parts();
  /** By the number in their envelope; oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  /** Messages that found no room yet. */
  readonly #unsent: ZmqAttempt[] = [];
  readonly #id = new Uint8Array(idBytes);
  readonly #idView = new DataView(this.#id.buffer);
  #lastId = 0;
  #told = false;
  #closing = false;
  #ended = false;

  constructor(
    opened: OpenedSocket,
    host: OpenHost,
    capacity: number,
    codec: Codec,
    signer: Signer | undefined,
    onEnd: () => void,
  ) {
    this.capacity = capacity;
    this.#host = host;
    this.#socket = opened.socket;
    this.#codec = codec;
    this.#signer = signer;
    this.#onEnd = onEnd;
    const dealer = opened.socket.kind === "dealer";
    this.#layout = {
      identity: false,
      envelope: dealer ? "required" : "none",
      topic: false,
      signed: signer !== undefined,
    };
    // Replies to a session that is gone must not meet the numbers of this one.
    randomFillSync(this.#id, 0, 4);
    opened.onEvent = (event) => this.#heard(event, opened.bound);
    opened.socket.serve((untilMs) => this.#work(untilMs));
  }

  get inflight(): number {
    return this.#waiting.size + this.#unsent.length;
  }

  get open(): boolean {
    return !this.#closing && !this.#ended;
  }

  get waitingSince(): number {
    for (const { since } of this.#waiting.values()) return since;
    return 0;
  }

  start(attempt: ZmqAttempt): void {
    if (this.#ended) return attempt.fail(this.#error("reset", "it was closed", false));
    const { request } = attempt;
    if (request === connectOnly) settle(attempt, handedOver);
    else if (this.#unsent.length > 0 || !this.#send(attempt)) {
      if (request.answered) attempt.fail(this.#error("full", "its queue is full", false));
      else return void this.#unsent.push(attempt);
    }
    if (!request.answered || !attempt.sent) this.#changedSoon();
  }

  abandon(attempt: ZmqAttempt): void {
    if (this.#ended) return;
    const at = this.#unsent.indexOf(attempt);
    if (at >= 0) this.#unsent.splice(at, 1);
    else {
      // One at a time and in order: the reply that still comes could not be told from the next one.
      if (this.#socket.kind !== "dealer") {
        this.#waiting.clear();
        attempt.release();
        return this.#end("reset", "a request was given up");
      }
      for (const [id, waiting] of this.#waiting) if (waiting.attempt === attempt) this.#waiting.delete(id);
    }
    attempt.release();
    this.#changed();
  }

  close(now = false): void {
    if (this.#ended) return;
    if (now || this.inflight === 0) return this.#end("reset", "it was closed");
    if (this.#closing) return;
    this.#closing = true;
    this.#host.changed();
  }

  // ------------------------------------------------------------------------------------------ sending

  /** False where there is no room now. */
  #send(attempt: ZmqAttempt): boolean {
    const { request: { body, topic, answered } } = attempt;
    const { sendMemory } = this.#socket.context;
    const signature = this.#signer?.sign(topic ?? nothing, body);
    const id = this.#lastId + 1 >>> 0;
    sendMemory.begin();
    if (this.#socket.kind === "dealer") {
      this.#idView.setUint32(4, id);
      sendMemory.add(this.#id);
      sendMemory.add(nothing);
    }
    if (topic) sendMemory.add(topic);
    if (signature) sendMemory.add(signature);
    for (const part of body) sendMemory.add(part);
    let result;
    try {
      result = this.#socket.flush();
    } catch (error) {
      attempt.fail(this.#error("write", (error as Error).message, false, error));
      return true;
    }
    if (result !== "sent") return false;
    attempt.sent = true;
    if (answered) {
      this.#lastId = id;
      this.#waiting.set(id, { attempt, signature, since: this.#host.clock.now() });
    } else settle(attempt, handedOver);
    return true;
  }

  #sendUnsent(): void {
    let sent = 0;
    while (sent < this.#unsent.length && this.#send(this.#unsent[sent]!)) sent++;
    if (sent === 0) return;
    this.#unsent.splice(0, sent);
    this.#changed();
  }

  // ------------------------------------------------------------------------------------------ receiving

  #work(untilMs: number): boolean {
    if (this.#unsent.length > 0) this.#sendUnsent();
    for (let i = 1; !this.#ended; i++) {
      const count = this.#socket.receive();
      if (count === Received.nothing) return true;
      if (count > 0) this.#take(count);
      if (i % 16 === 0 && this.#host.clock.now() >= untilMs) return false;
    }
    return true;
  }

  #take(count: number): void {
    const { receiveMemory: memory } = this.#socket.context;
    const parts = this.#parts;
    // Subscriptions, and whatever else nobody asked for.
    if (this.#waiting.size === 0 || !parts.find(memory, count, this.#layout)) return;
    const [id, waiting] = this.#waitingFor(parts.envelope) ?? [];
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    const { attempt, signature } = waiting;
    const body: Uint8Array<ArrayBuffer>[] = [];
    for (let i = parts.body; i < count; i++) body.push(memory.copy(i));
    const verification = this.#signer?.verify(memory.copy(parts.signature), nothing, body, signature) ??
      "good";
    if (verification !== "good") {
      attempt.fail(this.#error("protocol", `the signature of its reply is ${verification}`, true));
      return this.#changed();
    }
    let values: unknown[];
    try {
      values = body.map((part) => this.#codec.decode(part));
    } catch (error) {
      attempt.fail(this.#error("protocol", "its reply cannot be decoded", true, error));
      return this.#changed();
    }
    settle(attempt, { parts: values });
    this.#changed();
  }

  /** Whose reply it is: late ones are nobody's. */
  #waitingFor(envelope: number): [number, Waiting] | undefined {
    if (this.#socket.kind !== "dealer") return [...this.#waiting][0];
    const bytes = this.#socket.context.receiveMemory.view(0);
    if (envelope < 2 || bytes.length !== idBytes) return undefined;
    for (let i = 0; i < 4; i++) if (bytes[i] !== this.#id[i]) return undefined;
    const id = new DataView(bytes.buffer, bytes.byteOffset, idBytes).getUint32(4);
    const waiting = this.#waiting.get(id);
    return waiting && [id, waiting];
  }

  #heard({ name }: MonitorEvent, bound: boolean): void {
    if (name === "disconnected" && !bound) this.#end("reset", "the connection ended");
  }

  /** The pool is in the middle of something when it starts attempts. */
  #changedSoon(): void {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      if (!this.#ended) this.#changed();
    });
  }

  #changed(): void {
    if (this.#closing && this.inflight === 0) this.#end("reset", "it was closed");
    else this.#host.changed();
  }

  #end(failure: FailureKind, text: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.close();
    this.#onEnd();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { attempt } of waiting) attempt.fail(this.#error(failure, text, true));
    for (const attempt of this.#unsent.splice(0)) attempt.fail(this.#error(failure, text, false));
    this.#host.changed();
  }

  #error(failure: FailureKind, text: string, sent: boolean, cause?: unknown): UpstreamError {
    const { upstream, endpoint } = this.#host;
    const { address } = endpoint.spec;
    return new UpstreamError(failure, `${address} of upstreams.${upstream}: ${text}`, {
      upstream,
      endpoint: address,
      sent,
      cause,
    });
  }
}

function settle(attempt: ZmqAttempt, reply: ZmqReply): void {
  attempt.succeed(reply);
  attempt.release();
}
