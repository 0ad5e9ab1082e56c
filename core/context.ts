/**
 * What a handler gets beside its message. The same on every protocol and, as far as threads allow, on pool threads.
 */

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
  /** A short text shown in the list of requests in flight, also while this request hangs. */
  mark(text: string): void;
}
