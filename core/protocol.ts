/**
 * What a protocol is: one value `{ kind, name, make }`. The worker accepts connections and owns their limits; the
 * protocol turns bytes into messages, hands each to the listener's stack and writes what comes back. A protocol knows
 * no policy, opens no socket and sets no timer of its own.
 */
import type { Refusal } from "./errors.ts";
import type { Reason } from "./reasons.ts";
import type { Log, RequestInfo } from "./context.ts";
import type { Scope } from "./scope.ts";
import type { SeriesWriter } from "./series_writer.ts";
import type { Service } from "./service.ts";
import type { Caller } from "./upstream/contract.ts";

/** Where a connection is in its life; decides which limit applies. */
export const Phase = {
  /** Accepted, nothing read yet: `accept.firstByte`. */
  first: 0,
  /** A message has begun and is not complete: `accept.headers`. */
  head: 1,
  /** A message body is being received: `accept.body`. */
  body: 2,
  /** A complete message is with the handler: `deadline`. */
  serving: 3,
  /** Between messages: `accept.idle`. */
  idle: 4,
  /** Upgraded or streaming: no limit but the connection's age. */
  stream: 5,
} as const;

/** A value of {@link Phase}. */
export type PhaseValue = typeof Phase[keyof typeof Phase];

/**
 * One accepted connection, made by the accept path, handed to exactly one protocol server. The protocol sets the two
 * callbacks before it first yields, moves `phase` along, and calls {@link done} exactly once.
 */
export interface Connection {
  /** Running number within this worker. */
  readonly id: number;
  /** The byte stream; a protocol may read and write it, or give it to the runtime's own server. */
  readonly stream: ByteStream;
  /** Peer address without port; empty for unix sockets. */
  readonly address: string;
  /** Subject of the verified client certificate; empty where there is none. */
  readonly client: string;
  readonly tls: boolean;
  /** The protocol that TLS negotiated (`h2`); empty where none was. */
  readonly alpn: string;
  /** Requests served so far. */
  requests: number;
  /** True when the next answer should be the last one (drain, age). Read it for every answer. */
  closing: boolean;
  /**
   * Set by a protocol that gives the stream to the runtime's own server and cannot see what is read from it: then the
   * guard asks the kernel whether bytes came, and whether the peer has left.
   */
  opaque?: boolean;
  /** Whether {@link peerLeft} has said so before. */
  readonly left?: boolean;
  /** Whether the peer has closed its side of an `opaque` connection, as far as the kernel knows; a system call. */
  peerLeft?(): boolean;
  /** See {@link ByteStream.detach}; from then on the limits run on the new descriptor. */
  detach?(): number;
  /** For the last answer to a peer that has closed its side; undefined where that is not possible. See `detach`. */
  lastWriter?(): LastWriter | undefined;
  /** Moves to `phase`; the limit of that phase starts to run now. Cheap. */
  enter(phase: PhaseValue): void;
  /** Called by the guard: end at once, whatever is going on. Must not throw. */
  kill: (reason: Reason) => void;
  /** Called by the guard on drain: end as soon as nothing is in flight; idle ones now. Must not throw. */
  finish: () => void;
  /** The protocol is through with it; closes the stream where that has not happened. */
  done(reason: Reason): void;
}

/** Writes to a connection that nobody else writes to any more. */
export interface LastWriter {
  /** Resolves when all of `bytes` are with the kernel; rejects when the peer is gone or the writer closed. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** The part of Deno.Conn that protocols use; node sockets are adapted to it. */
export interface ByteStream {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  /** The runtime's own connection where this is one; undefined for handed-over node sockets. */
  readonly native?: Deno.Conn;
  /** The node socket where this is one. */
  readonly node?: unknown;
  /**
   * Lets go of the stream without closing the connection: a descriptor of it that the caller owns from now on, -1
   * where that is not possible (TLS, other systems). What was read from the stream before stays read.
   */
  detach?(): number;
}

/** Whom messages come from where no connection was accepted: a socket of a {@link SocketProtocol}. */
export interface MessageSource {
  /** Peer address without port; empty where it is unknown. */
  readonly address: string;
  /** Declared or proven name of the client; empty where there is none. */
  readonly client: string;
}

/** Connections that the library of a {@link SocketProtocol} makes, told for statistics and pages. */
export interface PeerCounts {
  /** Address of the peer, empty where unknown; returns what {@link left} wants. */
  connected(address: string, secure: boolean): number;
  left(peer: number, reason: Reason): void;
  /** One that was connected but not let in. */
  refused(reason: Reason): void;
}

/**
 * What a protocol gets from the worker for one listener. `Wire` is what travels to pool threads and back: bytes, or texts
 * with a body (`Payload` of core/pool).
 */
// deno-lint-ignore no-explicit-any
export interface ListenerHost<Plan, Message, Answer, Wire = any> {
  /** `api` of `listeners.api`. */
  readonly name: string;
  readonly plan: Plan;
  readonly log: Log;
  /** The manifest's folder. */
  readonly directory: string;
  /** Monotonic ms of the last request or sweep: free, where the time of this very moment is not needed. */
  readonly now: number;
  /**
   * Runs one message through the listener's stack (stats, access log, rate, deadline, admission) and then `service`,
   * whose second argument is the {@link Context}. Never throws and never rejects: what goes wrong comes back as a {@link Refusal}. Synchronous when nothing waits.
   * `text` names the request in the table of requests in flight and the access log ("GET /users").
   */
  handle(
    connection: Connection,
    message: Message,
    text: string,
    service: Service<Message, Answer>,
  ): Answer | Refusal | Promise<Answer | Refusal>;
  /**
   * The same for messages that came another way than over an accepted connection. `now`, monotonic ms, where the caller
   * knows the time (that of the message before, in a row): to ask for it costs as much as all the counting.
   */
  take(
    source: MessageSource,
    message: Message,
    text: string,
    service: Service<Message, Answer>,
    now?: number,
  ): Answer | Refusal | Promise<Answer | Refusal>;
  /** For protocols whose library connects by itself. */
  readonly peers?: PeerCounts;
  /** Series of this worker, for what only the protocol can count; labels begin with `listener`. */
  readonly stats?: SeriesWriter;
  /** `service-listener-worker`: this listener in this worker, where somebody outside has to tell members apart. */
  readonly member?: string;
  /** Counts and logs the refusal of something that never became a message (too large, malformed). */
  refuse(connection: Connection | MessageSource, reason: Reason, text: string): void;
  /**
   * Set by the protocol when it is made: what it can tell about a message (`id`, `rpcId`, `client`, `meta`) and an
   * answer (status, bytes; -1 where unknown). Asked only when somebody wants to know; `statusOf` of every answer: -1 for
   * one that cannot be sent, which makes it a `handler_error`.
   */
  identify?: (message: Message) => Partial<RequestInfo>;
  statusOf?: (answer: Answer) => number;
  bytesOf?: (answer: Answer) => number;
  /** Loads `{ module, export }` of the plan once per worker, running its `start(ctx)`; `stop(ctx)` runs at the end. */
  load(handler: { module: string; export: string }): Promise<unknown>;
  /**
   * The stack of the declared upstream `name`, for protocols that pass messages on without code; the contexts of this
   * listener's requests are its owners. TypeError where there is none.
   */
  // deno-lint-ignore no-explicit-any
  upstream(name: string): Caller<any, any>;
  /** A service that runs on the pool `name` through the protocol's adapter module (see core/pool). */
  onPool(
    pool: string,
    adapter: string,
    handler: { module: string; export: string },
  ): (payload: Wire, signal: AbortSignal | undefined, deadline: number) => Promise<Wire>;
}

/** Serves the connections of one listener. */
export interface ProtocolServer {
  /** Takes over an accepted connection. Must not throw. */
  serve(connection: Connection): void;
  /** Bytes sent to a connection that is refused at accept, before it is closed; nothing where there are none. */
  farewell?(reason: Reason): Uint8Array | undefined;
}

/** A protocol, registered by being in the list that the worker is built with. */
export interface Protocol<Plan, Message, Answer> {
  readonly kind: "protocol";
  readonly name: string;
  /** ALPN names offered on TLS listeners. */
  readonly alpn: readonly string[];
  /** False where it can only serve node sockets (the runtime lacks a hook); true unless given. */
  readonly native?: boolean;
  make(host: ListenerHost<Plan, Message, Answer>, scope: Scope): Promise<ProtocolServer>;
}

/**
 * A protocol that opens its sockets itself (zmq, kafka): nothing is accepted, so nothing of the accept path applies; the
 * rest of the stack (statistics, access log, admission, deadline) is the same, through {@link ListenerHost.take}.
 */
export interface SocketProtocol<Plan, Message, Answer> {
  readonly kind: "socketProtocol";
  readonly name: string;
  make(host: ListenerHost<Plan, Message, Answer>, scope: Scope): Promise<SocketServer>;
}

/** The sockets of one listener. */
export interface SocketServer {
  /** Binds or dials, when all handlers are loaded. Resolves with where it listens; rejects where that is impossible. */
  open(): Promise<string[]>;
  /** What is a matter of time; every 5 to 50 ms. */
  tick?(now: number): void;
  /** Takes no further messages; those that were taken are answered. Resolves when that is done. */
  drain(): Promise<void>;
}
