/**
 * One ZeroMQ socket, of one owner on one thread: options, endpoints, messages, events. It never waits: what cannot be done
 * now says so. Messages come into and leave from the memory of its {@link ZmqContext}.
 */
import type { ZmqContext } from "./context.ts";
import {
  Errno,
  Option,
  pollIn,
  pollOut,
  type SocketKind,
  SocketType,
  text,
  type ZmqCalls,
} from "./library.ts";
import { type MonitorEvent, SocketMonitor } from "./monitor.ts";
import { addressOf } from "./receive_memory.ts";
import type { Waited } from "./readiness.ts";

/** A call that libzmq refused; `code` is its errno. */
export class ZmqError extends Error {
  override readonly name = "ZmqError";
  readonly code: number;

  constructor(what: string, code: number, why: string) {
    super(`Cannot ${what}: ${why}`);
    this.code = code;
  }
}

/** What a send came to. */
export type SendResult = "sent" | "full" | "unreachable";

const word = new Int32Array(new ArrayBuffer(8));
const wordAddress = addressOf(word);
const size = new BigUint64Array(new ArrayBuffer(8));
const sizeAddress = addressOf(size);

/** See the module's header. */
export class ZmqSocket implements Waited {
  readonly kind: SocketKind;
  readonly descriptor: number;
  readonly address: Deno.PointerValue;
  readonly context: ZmqContext;
  readonly #calls: ZmqCalls;
  #work: ((untilMs: number) => boolean) | undefined;
  #wanted = true;
  #monitor: SocketMonitor | undefined;
  #closed = false;

  /** Throws ZmqError where the context has no more. */
  constructor(context: ZmqContext, kind: SocketKind) {
    this.context = context;
    this.kind = kind;
    this.#calls = context.calls;
    const address = context.calls.zmq_socket(context.address, SocketType[kind]);
    if (address === null) throw this.#error(`make a ${kind} socket`);
    this.address = address;
    this.descriptor = this.#get(Option.fd);
  }

  get closed(): boolean {
    return this.#closed;
  }

  // ------------------------------------------------------------------------------------------ options, endpoints

  /** Sets an option; numbers are ints, except the 64 bit ones. Throws ZmqError. */
  set(option: keyof typeof Option, value: number | string | Uint8Array): void {
    const bytes = typeof value === "number" ? numberBytes(option, value) : asBytes(value);
    if (this.#calls.zmq_setsockopt(this.address, Option[option], bytes, bytes.length) === 0) return;
    throw this.#error(`set ${option} of a ${this.kind} socket`);
  }

  /** False where somebody else has that address. Throws ZmqError for all else. */
  bind(endpoint: string): boolean {
    if (this.#calls.zmq_bind(this.address, text(endpoint)) === 0) return true;
    if (this.#calls.zmq_errno() === Errno.addressInUse) return false;
    throw this.#error(`listen on ${endpoint}`);
  }

  /** Takes effect a little later; the monitor says when (`closed`). */
  unbind(endpoint: string): void {
    this.#calls.zmq_unbind(this.address, text(endpoint));
  }

  /** Begins to connect, for as long as it takes. Throws ZmqError where the endpoint makes no sense. */
  connect(endpoint: string): void {
    if (this.#calls.zmq_connect(this.address, text(endpoint)) !== 0) {
      throw this.#error(`connect to ${endpoint}`);
    }
  }

  disconnect(endpoint: string): void {
    this.#calls.zmq_disconnect(this.address, text(endpoint));
  }

  /** Endpoint of the last bind with its port resolved. */
  lastEndpoint(): string {
    const bytes = new Uint8Array(512);
    size[0] = BigInt(bytes.length);
    if (
      this.#calls.zmq_getsockopt(this.address, Option.lastEndpoint, addressOf(bytes), sizeAddress) !== 0
    ) {
      throw this.#error("find an endpoint");
    }
    return new TextDecoder().decode(bytes.subarray(0, Number(size[0]) - 1));
  }

  // ------------------------------------------------------------------------------------------ messages

  /** See ReceiveMemory.receive; the parts are in `context.receiveMemory`. */
  receive(): number {
    return this.context.receiveMemory.receive(this.#calls, this.address);
  }

  /** Sends what was put into `context.sendMemory`. Throws ZmqError for what is neither full nor unreachable. */
  flush(): SendResult {
    const sent = this.context.sendMemory.send(this.#calls, this.address);
    // A send may have taken in the word that something can be read.
    if (this.#work && this.#wanted) this.context.readiness.look(this);
    if (sent) return "sent";
    switch (this.#calls.zmq_errno()) {
      case Errno.again:
        return "full";
      case Errno.hostUnreachable:
        return "unreachable";
      default:
        throw this.#error(`send on a ${this.kind} socket`);
    }
  }

  /** Sends these parts. */
  send(parts: readonly Uint8Array[]): SendResult {
    const { sendMemory } = this.context;
    sendMemory.begin();
    for (const part of parts) sendMemory.add(part);
    return this.flush();
  }

  /** Whether a message could be received, or sent, now. */
  canReceive(): boolean {
    return (this.#get(Option.events) & pollIn) !== 0;
  }

  canSend(): boolean {
    return (this.#get(Option.events) & pollOut) !== 0;
  }

  // ------------------------------------------------------------------------------------------ readiness

  /** Calls `work` whenever something may have happened; see {@link Waited.work}. */
  serve(work: (untilMs: number) => boolean): void {
    this.#work = work;
    this.context.readiness.add(this);
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  /** Stops to be told, or begins again. */
  want(wanted: boolean): void {
    if (this.#wanted === wanted || this.#closed) return;
    this.#wanted = wanted;
    this.context.readiness.wantedChanged(this);
  }

  work(untilMs: number): boolean {
    return this.#work!(untilMs);
  }

  /** Tells what happens to its connections from now on. */
  monitor(onEvent: (event: MonitorEvent) => void): void {
    this.#monitor = new SocketMonitor(this, onEvent);
  }

  /** What was sent goes out still, for as long as `linger` says. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#work) this.context.readiness.remove(this);
    // The monitor's last word comes after this socket's end; nobody waits for it.
    this.#monitor?.close();
    this.#calls.zmq_close(this.address);
  }

  #get(option: number): number {
    size[0] = 4n;
    while (this.#calls.zmq_getsockopt(this.address, option, wordAddress, sizeAddress) !== 0) {
      if (this.#calls.zmq_errno() !== Errno.interrupted) return 0;
    }
    return word[0]!;
  }

  #error(what: string): ZmqError {
    const code = this.#calls.zmq_errno();
    const pointer = this.#calls.zmq_strerror(code);
    const why = pointer === null ? `error ${code}` : new Deno.UnsafePointerView(pointer).getCString();
    return new ZmqError(what, code, why);
  }
}

function numberBytes(option: keyof typeof Option, value: number): Uint8Array<ArrayBuffer> {
  const wide = option === "maxmsgsize";
  return new Uint8Array(wide ? new BigInt64Array([BigInt(value)]).buffer : new Int32Array([value]).buffer);
}

function asBytes(value: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof value === "string" ? new TextEncoder().encode(value) : new Uint8Array(value);
}
