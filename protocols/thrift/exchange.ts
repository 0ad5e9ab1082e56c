/**
 * One connection of a thrift listener: bytes in, calls to the listener's stack, replies out in the order of their calls.
 * Up to `pipeline` calls are with the handler at once; while that many are, or while the peer does not read its replies,
 * nothing more is read from it. What can be said of a message whose end is known is said in a reply, and the connection
 * goes on: unknown methods, arguments that do not fit, refusals. Where the end is lost, the connection ends behind what
 * was asked before.
 *
 * While the worker drains, the connection ends between two calls: what was taken is answered, what comes after that is
 * refused with `draining`, what idles is closed at once.
 */
import { setImmediate } from "node:timers";
import { Refusal } from "../../core/errors.ts";
import { type Connection, type ListenerHost, Phase, type PhaseValue } from "../../core/protocol.ts";
import type { Reason } from "../../core/reasons.ts";
import type { Service } from "../../core/service.ts";
import { Outbox } from "../frames/outbox.ts";
import { ReplyOrder } from "../frames/reply_order.ts";
import { type Answerable, errorReply, nothing, refusalReply } from "./answer.ts";
import { applicationErrors } from "./application_exception.ts";
import type { HealthMethod } from "./health_method.ts";
import { IncomingMessages } from "./incoming.ts";
import { ThriftRequest } from "./request.ts";
import type { ServiceCodec } from "./service_codec.ts";
import { framed, unframed } from "./stream_framing.ts";
import { WireError } from "./wire/wire_error.ts";

/** What the connections of one listener have in common. */
export interface ExchangeSetup {
  // deno-lint-ignore no-explicit-any
  readonly host: ListenerHost<any, ThriftRequest, Uint8Array>;
  readonly service: ServiceCodec;
  readonly answer: Service<ThriftRequest, Uint8Array>;
  readonly pipeline: number;
  readonly maxBytes: number;
  readonly tracking: boolean;
  /** Messages are read by the threads of a pool. */
  readonly pooled: boolean;
  readonly health: HealthMethod | undefined;
}

const highWaterBytes = 256 * 1024;
/** Messages of one connection that are taken before the loop turns. */
const messagesPerTurn = 256;
/** A message that has gained this much has its time limit start anew. */
const progressBytes = 64 * 1024;
/** What is read and dropped of a peer that still sends while its last replies are on their way. */
const discardBytes = 1024 * 1024;

/** Serves `connection` until it ends. */
export function exchange(connection: Connection, setup: ExchangeSetup): void {
  (connection.stream.native as Partial<Deno.TcpConn> | undefined)?.setNoDelay?.(true);
  new Exchange(connection, setup).run();
}

class Exchange {
  readonly #connection: Connection;
  readonly #setup: ExchangeSetup;
  readonly #incoming: IncomingMessages;
  readonly #order: ReplyOrder;
  #outbox: Outbox | undefined;
  #running = 0;
  #phase: PhaseValue = Phase.first;
  #phaseTaken = 0;
  #phaseHeld = 0;
  #taken = 0;
  /** Why it ends once everything is out. */
  #last: Reason | undefined;
  #ended = false;
  #finishing = false;
  #taking = false;
  #reading = false;
  #discarding = false;
  #peerDone = false;
  /** The stream is broken behind what was taken. */
  #lost = false;
  #onRoom: (() => void) | undefined;

  constructor(connection: Connection, setup: ExchangeSetup) {
    this.#connection = connection;
    this.#setup = setup;
    this.#incoming = new IncomingMessages(setup);
    this.#order = new ReplyOrder(setup.pipeline, (answer) => this.#send(answer as Uint8Array));
    connection.kill = (reason) => this.#end(this.#cause(reason));
    connection.finish = () => this.#finish();
  }

  async run(): Promise<void> {
    const { stream } = this.#connection;
    const { cutter } = this.#incoming;
    try {
      while (!this.#ended) {
        this.#reading = true;
        const read = await stream.read(cutter.room());
        this.#reading = false;
        if (this.#ended) return;
        if (this.#discarding) return void this.#discard(read);
        if (read === null) return this.#peerClosed();
        cutter.filled(read);
        const before = this.#taken;
        this.#taking = true;
        while (!this.#take()) await this.#room();
        this.#taking = false;
        if (this.#ended) return;
        this.#outbox?.flush();
        if (this.#lost) return this.#settle();
        if (this.#taken > before && this.#lastOne) this.#stop("drain");
        if (this.#last) this.#settle();
        else this.#report();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const reading = this.#reading;
    this.#reading = this.#taking = false;
    if (this.#ended) return;
    if (error instanceof Deno.errors.UnexpectedEof) return this.#peerClosed();
    if (reading) return this.#end("client_reset");
    this.#setup.host.log.error("a connection failed", { error });
    this.#end("handler_error");
  }

  /** Takes the messages that were read; false when it has to wait for room or for the loop to turn. */
  #take(): boolean {
    for (let turn = messagesPerTurn; turn > 0; turn--) {
      if (this.#ended || this.#lost) return true;
      if (this.#full) return false;
      try {
        if (!this.#next()) return true;
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        this.#malformed(error);
      }
    }
    return false;
  }

  #next(): boolean {
    const incoming = this.#incoming;
    const found = incoming.next();
    if (found === undefined) return false;
    this.#taken++;
    const mode = incoming.cutter.mode!;
    this.#outbox ??= new Outbox(this.#connection.stream, mode.framed ? framed : unframed, {
      moved: () => this.#moved(),
      broken: () => this.#end("client_reset"),
    });
    // Bytes are an answer already: a handshake, an error.
    if (found instanceof Uint8Array) {
      if (incoming.refusal) this.#setup.host.refuse(this.#connection, incoming.refusal, incoming.text);
      if (found !== nothing) this.#order.answer(this.#order.take(), found);
    } else this.#handle(found);
    return true;
  }

  #handle(request: ThriftRequest): void {
    const { host, answer, health } = this.#setup;
    if (health && request.method === health.method) {
      return this.#order.answer(this.#order.take(), health.answer(request, this.#lastOne));
    }
    const oneway = request.method.oneway;
    const number = oneway ? -1 : this.#order.take();
    if (this.#last) {
      host.refuse(this.#connection, "draining", request.name);
      return this.#answer(number, request, new Refusal("draining"));
    }
    const reply = host.handle(this.#connection, request, request.name, answer);
    if (reply instanceof Uint8Array || reply instanceof Refusal) return this.#answer(number, request, reply);
    this.#running++;
    reply.then((late) => this.#late(number, request, late), (error) => {
      // The stack never rejects; should it, the call is still answered.
      host.log.error("the listener's stack failed", { error });
      this.#late(number, request, new Refusal("handler_error"));
    });
  }

  #late(number: number, request: ThriftRequest, reply: Uint8Array | Refusal): void {
    this.#running--;
    if (this.#ended) return;
    this.#answer(number, request, reply);
    this.#outbox!.flushSoon();
    this.#offerRoom();
    if (this.#running === 0 && !this.#taking) {
      if (this.#lastOne) this.#stop("drain");
      if (!this.#last) this.#report();
    }
    if (this.#last) this.#settle();
  }

  #answer(number: number, to: Answerable, reply: Uint8Array | Refusal): void {
    if (number < 0) return;
    this.#order.answer(number, reply instanceof Refusal ? refusalReply(to, reply) : reply);
  }

  #send(reply: Uint8Array): void {
    this.#outbox!.push(reply);
  }

  // ---- room

  get #full(): boolean {
    return this.#order.full || this.#running >= this.#setup.pipeline ||
      (this.#outbox?.pendingBytes ?? 0) >= highWaterBytes;
  }

  #room(): Promise<void> {
    this.#outbox?.flush();
    this.#report();
    if (!this.#full) return new Promise((resolve) => void setImmediate(resolve));
    return new Promise((resolve) => this.#onRoom = resolve);
  }

  #offerRoom(): void {
    if (!this.#onRoom || (this.#full && !this.#ended)) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom();
  }

  /** A write went out. */
  #moved(): void {
    if (this.#ended) return;
    this.#offerRoom();
    if (this.#last) this.#settle();
    // A peer that reads its replies slowly is not idle.
    else if (this.#taking && this.#phase === Phase.idle) this.#enter(Phase.idle);
  }

  // ---- phases

  #report(): void {
    if (this.#running > 0) {
      if (this.#phase !== Phase.serving) this.#enter(Phase.serving);
      return;
    }
    const held = this.#incoming.cutter.heldBytes;
    if (held === 0 || this.#taking) return this.#enter(Phase.idle);
    const same = this.#phase === Phase.head && this.#phaseTaken === this.#taken;
    if (same && held - this.#phaseHeld < progressBytes) return;
    this.#enter(Phase.head);
  }

  #enter(phase: PhaseValue): void {
    this.#phase = phase;
    this.#phaseTaken = this.#taken;
    this.#phaseHeld = this.#incoming.cutter.heldBytes;
    this.#connection.enter(phase);
  }

  // ---- the end

  /** Whether the answers under way are the last ones. */
  get #lastOne(): boolean {
    return this.#finishing || this.#connection.closing;
  }

  #finish(): void {
    if (this.#ended) return;
    this.#finishing = true;
    if (this.#taking || this.#incoming.cutter.heldBytes > 0) return;
    this.#stop("drain");
    this.#settle();
  }

  #peerClosed(): void {
    if (this.#incoming.cutter.heldBytes > 0) {
      this.#setup.host.refuse(this.#connection, "client_closed", "half a message");
    }
    this.#peerDone = true;
    this.#stop("client_closed");
    this.#settle();
  }

  /** Where the message ends nobody knows, so this was the last one. */
  #malformed(error: WireError): void {
    const reason = error.tooLarge ? "body_too_large" : "protocol_error";
    this.#setup.host.refuse(this.#connection, reason, error.message);
    this.#lost = true;
    this.#stop(reason);
    const head = this.#incoming.lastHead;
    if (!head || !this.#outbox) return;
    this.#order.answer(
      this.#order.take(),
      errorReply(head, applicationErrors.protocolError, `${reason}: ${error.message}`),
    );
  }

  #stop(reason: Reason): void {
    this.#last ??= reason;
  }

  /** Ends a connection that was stopped, when everything it owes is out. */
  #settle(): void {
    if (this.#ended || this.#taking || this.#discarding || this.#running > 0) return;
    const outbox = this.#outbox;
    if (outbox && outbox.pendingBytes > 0) {
      outbox.flush();
      return this.#enter(Phase.head);
    }
    if (!this.#peerDone && outbox?.used) return void this.#linger();
    this.#end(this.#last!);
  }

  /**
   * Closing a socket with unread bytes resets it, and a reset destroys replies that are still on their way: so this side
   * closes first, and what the peer still sends is dropped until it has closed as well.
   */
  async #linger(): Promise<void> {
    // With nothing on its way in either direction there is nothing to wait for.
    const sending = this.#lost || this.#incoming.cutter.heldBytes > 0;
    this.#discarding = true;
    this.#enter(Phase.head);
    try {
      await this.#connection.stream.closeWrite();
    } catch {
      return this.#end(this.#last!);
    }
    if (this.#ended) return;
    if (!sending) return this.#end(this.#last!);
    if (!this.#reading) this.#discard(1);
  }

  async #discard(read: number | null): Promise<void> {
    const memory = new Uint8Array(16 * 1024);
    let dropped = 0;
    try {
      while (read !== null && dropped < discardBytes && !this.#ended) {
        dropped += read;
        read = await this.#connection.stream.read(memory);
      }
    } catch {
      // The peer is gone, which is all that was waited for.
    }
    this.#end(this.#last!);
  }

  /** What a limit of the guard means here. */
  #cause(reason: Reason): Reason {
    if (this.#discarding) return this.#last!;
    const waiting = reason === "idle_timeout" || reason === "head_timeout";
    return waiting && this.#running === 0 && (this.#outbox?.pendingBytes ?? 0) > 0 ? "write_timeout" : reason;
  }

  #end(reason: Reason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#offerRoom();
    this.#order.release();
    this.#connection.done(reason);
  }
}
