/**
 * What a handler gets beside its message. The same on every protocol and, as far as threads allow, on pool threads.
 */
import type { Stream } from "./stream/contract.ts";

/** Structured logger; `fields` are merged into the line, an Error under `error` brings its stack. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger below this one: `log.child("cache")` of `listeners.api` is `listeners.api.cache`. */
  child(name: string): Log;
}

/** User statistics; names are prefixed with `app_` on the metrics page. Labels are few and bounded. */
export interface UserStats {
  /** Adds to a counter (total). */
  counter(name: string, add?: number, labels?: Record<string, string>): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Record<string, string>): void;
  /** Records a duration in milliseconds. */
  timing(name: string, durationMs: number, labels?: Record<string, string>): void;
  /** Counts distinct values (HyperLogLog). */
  distinct(name: string, value: string, labels?: Record<string, string>): void;
}

/** A named pool of threads. */
export interface PoolHandle {
  /**
   * Runs `export` of `module` (a file URL or a path relative to the manifest) with structured-cloneable `args` on a
   * thread of this pool. From a thread of the same pool it runs in place. Rejects with ServiceError `pool_full`,
   * `pool_timeout`, `pool_lost` or with what the function threw.
   */
  run<T = unknown>(
    module: string | URL,
    exportName: string,
    args: unknown[],
    options?: { inlineIf?: (...args: unknown[]) => boolean; transfer?: Transferable[] },
  ): Promise<T>;
}

/**
 * Reply of a redis upstream. Error replies are thrown, as RedisError; only within a list they are values, because its
 * other elements hold (EXEC).
 */
export type RedisValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Error
  | RedisValue[]
  | Map<RedisValue, RedisValue>;

/** Argument of a redis command; bytes may not change before the reply is there. */
export type RedisArgument = string | number | bigint | Uint8Array;

/** Limits and hints of one upstream call. */
export interface UpstreamCallOptions {
  /** Shorter than `timeouts.total`, in ms. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Key of a ring hash. */
  key?: string;
  /** Whether it may be sent twice; protocols know it of most calls. */
  idempotent?: boolean;
  /** thrift with tracking: hears the texts that the upstream sent back beside its reply. */
  onReplyMeta?: (meta: Readonly<Record<string, string>>) => void;
}

/** One reply to a survey. */
export interface SurveyReply {
  /** Address of the endpoint that answered. */
  readonly endpoint: string;
  readonly value: unknown;
}

/**
 * A named upstream as a handler sees it. Which methods work depends on its protocol; the others throw a TypeError that
 * says so. All reject with UpstreamError where the upstream cannot be had.
 */
export interface Upstream {
  readonly name: string;
  readonly protocol: string;
  /** The same, asking endpoints of that role. */
  role(role: string): Upstream;
  /** http: `path` with query ("/users/7"), or a Request or URL of which path and query count. */
  fetch(path: string | URL | Request, init?: RequestInit & UpstreamCallOptions): Promise<Response>;
  /** redis: one command, for example `command("GET", "key")`; pipelined with those of other callers. */
  command<T extends RedisValue = RedisValue>(name: string, ...args: RedisArgument[]): Promise<T>;
  /** redis: the same for values that are no text: strings of the reply are bytes. */
  commandBytes<T extends RedisValue = RedisValue>(name: string, ...args: RedisArgument[]): Promise<T>;
  /**
   * redis: all of `commands` or none, nobody else's between them (MULTI, EXEC). Resolves with their replies; one that
   * failed while it ran is a RedisError in the list, and does not undo the others.
   */
  transaction<T extends readonly RedisValue[] = RedisValue[]>(
    commands: ReadonlyArray<readonly [name: string, ...args: RedisArgument[]]>,
  ): Promise<T>;
  /** redis: messages of a channel, or of a pattern such as `news.*`, until `unsubscribe`; reconnects by itself. */
  subscribe(
    channel: string,
    onMessage: (message: Uint8Array, channel: string) => void,
  ): Promise<{ unsubscribe(): void }>;
  /** frames: sends one frame, resolves with its reply. */
  request(frame: Uint8Array, options?: UpstreamCallOptions): Promise<Uint8Array>;
  /**
   * zmq, sockets dealer, req and pair: sends a message, resolves with the value of its reply; of one with several parts
   * with an array of their values. What may be sent twice (`idempotent`) is tried again elsewhere.
   */
  request(message: unknown, options?: UpstreamCallOptions): Promise<unknown>;
  /**
   * frames `oneWay`: resolves when the frame was handed to the kernel. zmq, sockets push and pair: when the message is in
   * the queue of a connection; waits while that is full.
   */
  send(message: unknown, options?: UpstreamCallOptions): Promise<void>;
  /**
   * zmq, sockets pub and xpub: to all subscribers of topics that `topic` begins with; who is not there misses it.
   * Resolves when it is on its way; rejects where it is on none.
   */
  publish(topic: string, message: unknown): Promise<void>;
  /**
   * zmq, socket dealer: asks all endpoints at once, resolves with the replies that came within `timeoutMs` (and
   * `timeouts.attempt`), in the order in which they came.
   */
  survey(message: unknown, options?: { timeoutMs?: number }): Promise<SurveyReply[]>;
  /**
   * thrift: calls `method` with arguments by name, resolves with what it returns; a oneway method when the call was
   * handed to the kernel. Throws TypeError for arguments that the IDL does not allow. Rejects with ThriftException where
   * the method throws an exception that it declares, with ApplicationException where the server could not do it.
   */
  call<T = unknown>(
    method: string,
    args?: Readonly<Record<string, unknown>>,
    options?: UpstreamCallOptions,
  ): Promise<T>;
}

/** Who asked, and under which number. */
export interface RequestInfo {
  /** Id of the whole call tree: taken from the caller (`x-request-id`, `traceparent`) or made here. */
  readonly id: string;
  /** Place in the call tree, `1` at its root. */
  readonly rpcId: string;
  /** Declared client name, empty where unknown. */
  readonly client: string;
  /** Peer address without port, empty where the transport has none. */
  readonly address: string;
  readonly meta: Readonly<Record<string, string>>;
  /** The caller's `traceparent` (W3C Trace Context), where it sent a valid one. */
  readonly trace?: string;
}

/** The second argument of every handler. */
export interface Context {
  /** Aborts when the client leaves, the deadline passes or the worker stops. Made on first use. */
  readonly signal: AbortSignal;
  /** Epoch ms by which the answer must be there; Infinity where the listener has no deadline. */
  readonly deadline: number;
  readonly request: RequestInfo;
  readonly log: Log;
  readonly stats: UserStats;
  /** Layered configuration of the service (`governance.config`); an empty object where there is none. */
  readonly config: Readonly<Record<string, unknown>>;
  pool(name: string): PoolHandle;
  /**
   * A declared upstream: connected, balanced, broken and retried as the manifest says; its calls end with this request.
   * TypeError where none is declared under that name.
   */
  upstream(name: string): Upstream;
  /**
   * A declared stream: records go to the spool on disk, and from there to their sink. TypeError where none is declared
   * under that name. On the I/O thread only.
   */
  stream(name: string): Stream;
  /** A short text shown in the list of requests in flight, also while this request hangs. */
  mark(text: string): void;
}
