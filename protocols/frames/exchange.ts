/**
 * One connection of a frames listener: bytes in, frames to the listener's stack, replies out. Up to `pipeline` frames
 * are with the handler at once; while that many are, or while the peer does not read its replies, nothing more is read
 * from it, so that the peer is slowed down and memory stays bounded. Replies leave in the order of their frames,
 * however the handlers finish, and all that are ready in one turn of the loop leave in one write.
 *
 * It ends when the peer has closed its side, when the worker drains, when a frame was refused and no refusal frame is
 * declared, or when the bytes make no frame; what was asked before is answered first. It knows no policy and sets no
 * timer: the guard's limits run on the phases it reports.
 */
import { Refusal } from "../../core/errors.ts";
import { type Connection, type ListenerHost, Phase, type PhaseValue } from "../../core/protocol.ts";
import type { Reason } from "../../core/reasons.ts";
import type { Service } from "../../core/service.ts";
import { Decoder } from "./decoder.ts";
import type { Framing } from "./framing.ts";
import { FramingError } from "./framing_error.ts";
import { Outbox } from "./outbox.ts";
import { type Answer, ReplyOrder } from "./reply_order.ts";
import { streamed, type Turn } from "./stream_service.ts";

/** What the connections of one listener have in common. */
export interface ExchangeSetup {
  // deno-lint-ignore no-explicit-any
  readonly host: ListenerHost<any, Uint8Array, Uint8Array>;
  readonly framing: Framing;
  /** Frames with the handler at once, per connection. */
  readonly pipeline: number;
  /** Answers every frame; or, for streams, makes what answers one frame in its turn. */
  readonly service: Service<Uint8Array, Uint8Array> | ((turn: Turn) => Service<Uint8Array, Uint8Array>);
  readonly pattern: "requestReply" | "oneWay" | "stream";
  /** Sent in place of a reply that was refused; undefined: the connection ends instead. */
  readonly refusal: Uint8Array | undefined;
  /** Lets the loop turn: a flood of frames on one connection must not keep the others waiting. */
  readonly nextTurn: () => Promise<void>;
}

/** Unsent bytes at which nothing more is taken from the peer. */
export const highWaterBytes = 256 * 1024;
/** Frames of one connection that are taken before the loop turns. */
export const framesPerTurn = 256;
/** A frame that has gained this much has its time limit start anew. */
const progressBytes = 64 * 1024;
/** What is read and dropped of a peer that still sends while its last replies are on their way. */
const discardBytes = 1024 * 1024;

/** Serves `connection` until it ends. */
export function exchange(connection: Connection, setup: ExchangeSetup): void {
  // Replies leave in batches already: the kernel would hold back the second one until the first is acknowledged.
  (connection.stream.native as Partial<Deno.TcpConn> | undefined)?.setNoDelay?.(true);
  new Exchange(connection, setup).run();
}

class Exchange {
  readonly #connection: Connection;
  readonly #setup: ExchangeSetup;
  readonly #decoder: Decoder;
  readonly #outbox: Outbox;
  readonly #order: ReplyOrder;
  /** The service of every frame; undefined for streams, where each frame has its own. */
  readonly #service: Service<Uint8Array, Uint8Array> | undefined;
  readonly #oneWay: boolean;
  /** Frames whose handler has not finished. */
  #running = 0;
  #phase: PhaseValue = Phase.first;
  /** Frames taken, and bytes held of the next, when the phase began. */
  #phaseTaken = 0;
  #phaseHeld = 0;
  /** Why it ends once everything is out. */
  #last: Reason | undefined;
  /** No further reply is sent: one was refused, and the peer would count wrong. */
  #cut = false;
  #ended = false;
  #finishing = false;
  #reading = false;
  /** There may be more frames in what was read. */
  #taking = false;
  #discarding = false;
  /** The peer sent what nobody will look at. */
  #leftover = false;
  /** The peer has closed its side. */
  #peerDone = false;
  /** Continues the loop, or the stream, that waits for room. */
  #onRoom: (() => void) | undefined;
  #onSent: (() => void) | undefined;

  constructor(connection: Connection, setup: ExchangeSetup) {
    this.#connection = connection;
    this.#setup = setup;
    this.#oneWay = setup.pattern === "oneWay";
    if (setup.pattern !== "stream") this.#service = setup.service as Service<Uint8Array, Uint8Array>;
    this.#decoder = new Decoder(setup.framing);
    this.#order = new ReplyOrder(setup.pipeline, (answer) => this.#send(answer));
    this.#outbox = new Outbox(connection.stream, setup.framing, {
      moved: () => this.#moved(),
      broken: () => this.#end("client_reset"),
    });
    connection.kill = (reason) => this.#end(this.#cause(reason));
    connection.finish = () => this.#finish();
  }

  async run(): Promise<void> {
    const { stream } = this.#connection;
    const decoder = this.#decoder;
    try {
      for (;;) {
        this.#reading = true;
        const read = await stream.read(decoder.room(this.#running > 0 || this.#outbox.borrowing));
        this.#reading = false;
        if (this.#ended) return;
        if (this.#discarding) return void this.#discard(read);
        if (read === null) return this.#peerClosed();
        if (this.#last || (this.#running > 0 && this.#lastOne)) return this.#passOver();
        decoder.filled(read);
        const before = this.#order.taken;
        this.#taking = true;
        while (!this.#take()) await this.#room();
        this.#taking = false;
        if (this.#ended) return;
        this.#outbox.flush();
        if (this.#order.taken > before && this.#lastOne) this.#stop("drain");
        if (this.#last) return this.#settle();
        this.#report();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const reading = this.#reading;
    this.#reading = this.#taking = false;
    if (this.#ended) return;
    if (error instanceof FramingError) return this.#malformed(error);
    // A TLS peer that closes without saying so.
    if (error instanceof Deno.errors.UnexpectedEof) return this.#peerClosed();
    if (reading) return this.#end("client_reset");
    this.#setup.host.log.error("a connection failed", { error });
    this.#end("handler_error");
  }

  /** Gives the frames that were read to the handler; false when it has to wait for room or for the loop to turn. */
  #take(): boolean {
    for (let turn = framesPerTurn; turn > 0; turn--) {
      if (this.#cut || this.#ended) return true;
      if (this.#full) return false;
      const frame = this.#decoder.next();
      if (frame === undefined) return true;
      this.#handle(frame);
    }
    return false;
  }

  #handle(frame: Uint8Array): void {
    const number = this.#order.take();
    const service = this.#service ?? (this.#setup.service as (turn: Turn) => never)(this.#turn(number));
    const answer = this.#setup.host.handle(this.#connection, frame, "frame", service);
    if (answer instanceof Uint8Array || answer instanceof Refusal) return this.#answer(number, answer);
    this.#running++;
    answer.then((late) => this.#late(number, late), (error) => this.#lost(number, error));
  }

  #late(number: number, answer: Answer): void {
    this.#running--;
    if (this.#ended) return;
    // Its handler may still be at work, with its view of the frame.
    if (answer instanceof Refusal) this.#decoder.abandon();
    this.#answer(number, answer);
    this.#outbox.flushSoon();
    this.#offerRoom();
    if (this.#running === 0 && !this.#taking) {
      if (this.#lastOne) this.#stop("drain");
      if (!this.#last) this.#report();
    }
    if (this.#last) this.#settle();
  }

  /** The stack never rejects; should it, the frame is still answered. */
  #lost(number: number, error: unknown): void {
    this.#setup.host.log.error("the listener's stack failed", { error });
    this.#late(number, new Refusal("handler_error"));
  }

  #answer(number: number, answer: Answer): void {
    if (!this.#oneWay) this.#order.answer(number, answer);
    else if (answer instanceof Refusal) this.#send(answer);
  }

  #send(answer: Answer): void {
    if (this.#cut || answer === streamed) return;
    if (answer instanceof Uint8Array) return this.#outbox.push(answer);
    if (this.#setup.refusal) return this.#outbox.push(this.#setup.refusal);
    this.#cut = true;
    this.#stop(answer.reason);
  }

  // ---- room

  get #full(): boolean {
    const many = this.#oneWay ? this.#running >= this.#setup.pipeline : this.#order.full;
    return many || this.#outbox.pendingBytes >= highWaterBytes;
  }

  /** Waits until another frame may be taken. */
  #room(): Promise<void> {
    this.#outbox.flush();
    this.#report();
    if (!this.#full) return this.#setup.nextTurn();
    return new Promise((resolve) => this.#onRoom = resolve);
  }

  #offerRoom(): void {
    if (!this.#onRoom) return;
    if (this.#full && !this.#cut && !this.#ended) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom();
  }

  /** A write went out. */
  #moved(): void {
    if (this.#ended) return;
    this.#offerRoom();
    if (this.#onSent && !this.#outbox.borrowing && this.#outbox.pendingBytes < highWaterBytes) this.#sent();
    if (this.#last) this.#settle();
    // A peer that reads its replies slowly is not idle.
    else if (this.#taking && this.#phase === Phase.idle) this.#enter(Phase.idle);
  }

  #sent(): void {
    const onSent = this.#onSent;
    this.#onSent = undefined;
    onSent?.();
  }

  /** What the stream that answers frame `number` may do. Only one at a time has its turn, so one can wait. */
  #turn(number: number): Turn {
    const isOpen = () => !this.#ended && !this.#cut && this.#order.isOpen(number);
    return {
      get open() {
        return isOpen();
      },
      wait: () => this.#order.turn(number),
      send: (frame) => {
        this.#outbox.push(frame);
        this.#outbox.flushSoon();
        if (!this.#outbox.borrowing && this.#outbox.pendingBytes < highWaterBytes) return undefined;
        return new Promise((resolve) => this.#onSent = resolve);
      },
    };
  }

  // ---- phases

  /** Tells the guard where the connection is, where that is news to it. */
  #report(): void {
    if (this.#running > 0) {
      const phase = this.#setup.pattern === "stream" ? Phase.stream : Phase.serving;
      if (phase !== this.#phase) this.#enter(phase);
      return;
    }
    const held = this.#decoder.heldBytes;
    // What waits for room is complete: then it is the peer's reading that is waited for.
    if (held === 0 || this.#taking) return this.#enter(Phase.idle);
    const same = this.#phase === Phase.head && this.#phaseTaken === this.#order.taken;
    if (same && held - this.#phaseHeld < progressBytes) return;
    this.#enter(Phase.head);
  }

  #enter(phase: PhaseValue): void {
    this.#phase = phase;
    this.#phaseTaken = this.#order.taken;
    this.#phaseHeld = this.#decoder.heldBytes;
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
    // Half a frame may still become a request; its time limit runs.
    if (this.#running > 0 || this.#taking || this.#decoder.heldBytes > 0) return;
    this.#stop("drain");
    this.#settle();
  }

  #peerClosed(): void {
    try {
      this.#decoder.end();
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#setup.host.refuse(this.#connection, error.reason, error.message);
      this.#stop(error.reason);
    }
    this.#peerDone = true;
    this.#stop("client_closed");
    this.#settle();
  }

  /** The refusal takes its place behind the replies to what came before it. */
  #malformed(error: FramingError): void {
    this.#setup.host.refuse(this.#connection, error.reason, error.message);
    this.#leftover = true;
    this.#stop(error.reason);
    this.#answer(this.#order.take(), new Refusal(error.reason));
    this.#settle();
  }

  /** Something came after the last answer was decided on. */
  #passOver(): void {
    this.#leftover = true;
    if (this.#last) this.#settle();
  }

  #stop(reason: Reason): void {
    this.#last ??= reason;
  }

  /** Ends a connection that was stopped, when everything it owes is out. */
  #settle(): void {
    if (this.#ended || this.#taking || this.#discarding) return;
    if (this.#running > 0 && (this.#oneWay || !this.#cut)) return;
    if (this.#outbox.pendingBytes > 0) {
      this.#outbox.flush();
      this.#enter(Phase.head);
      return;
    }
    // With a read under way there was nothing more to read.
    const unread = this.#leftover || this.#decoder.heldBytes > 0 || !this.#reading;
    if (unread && !this.#peerDone && this.#outbox.used) return void this.#linger();
    this.#end(this.#last!);
  }

  /**
   * Closing a socket with unread bytes resets it, and a reset destroys replies that are still on their way: so this
   * side closes first. Where the peer is still sending, that is dropped until it has closed as well.
   */
  async #linger(): Promise<void> {
    const sending = this.#leftover || this.#decoder.heldBytes > 0;
    this.#discarding = true;
    this.#enter(Phase.head);
    try {
      await this.#connection.stream.closeWrite();
    } catch {
      return this.#end(this.#last!);
    }
    if (!this.#reading && !this.#ended) this.#discard(0);
    if (sending) return;
    for (let turn = 0; turn < 2; turn++) await this.#setup.nextTurn();
    if (!this.#leftover) this.#end(this.#last!);
  }

  async #discard(read: number | null): Promise<void> {
    const memory = new Uint8Array(16 * 1024);
    let left = discardBytes;
    try {
      while (read !== null && left > 0 && !this.#ended) {
        left -= read;
        if (read > 0) this.#leftover = true;
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
    return waiting && this.#running === 0 && this.#outbox.pendingBytes > 0 ? "write_timeout" : reason;
  }

  #end(reason: Reason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#offerRoom();
    this.#sent();
    this.#order.release();
    this.#connection.done(reason);
  }
}
