/**
 * One call as its thread sees it, and the Context that its handler gets. Everything is made on first use: most handlers
 * look at their payload and nothing else.
 */
import type { Stream } from "../stream/contract.ts";
import type { Context, Log, PoolHandle, RequestInfo, Upstream, UserStats } from "../context.ts";
import { noRequest } from "./thread_protocol.ts";

/** What a Context needs from its thread. */
export interface CallHost {
  readonly log: Log;
  readonly stats: UserStats;
  readonly config: Readonly<Record<string, unknown>>;
  /** The pool `name`, called by `call`. */
  pool(name: string, call: ThreadCall): PoolHandle;
  /** Shows `text` for the call `id`. */
  mark(id: number, text: string): void;
}

/** A call that was claimed by this thread. */
export class ThreadCall implements Context {
  readonly id: number;
  readonly deadline: number;
  readonly #host: CallHost;
  /** The request info as JSON. */
  readonly #info: string | undefined;
  #request: RequestInfo | undefined;
  #abort: AbortController | undefined;
  #abortReason: Error | undefined;
  /** Monotonic ms of its start. */
  startedMs = 0;
  /** Nobody waits for its answer any more. */
  dropped = false;
  /** The thread does not wait for it (any more): it was dropped or waits for another pool. */
  released = false;
  /** Resolves the thread's wait for it. */
  free: (() => void) | undefined;

  constructor(host: CallHost, id: number, deadline: number, info: string | undefined) {
    this.#host = host;
    this.id = id;
    this.deadline = deadline;
    this.#info = info;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  /** The caller has left, or its time is over. */
  abort(reason: Error): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(this.#abortReason);
  }

  /** Lets the thread go on with the next call. */
  release(): void {
    this.released = true;
    this.free?.();
  }

  get request(): RequestInfo {
    return this.#request ??= this.#info === undefined
      ? noRequest
      : { ...noRequest, ...JSON.parse(this.#info) };
  }

  get log(): Log {
    return this.#host.log;
  }

  get stats(): UserStats {
    return this.#host.stats;
  }

  get config(): Readonly<Record<string, unknown>> {
    return this.#host.config;
  }

  pool(name: string): PoolHandle {
    return this.#host.pool(name, this);
  }

  /** Throws TypeError: connections of upstreams belong to the I/O thread. */
  upstream(name: string): Upstream {
    throw new TypeError(
      `Cannot call upstreams.${name} from a pool thread: call it on the I/O thread and pass the result`,
    );
  }

  /** Throws TypeError: spools are written on the I/O thread. */
  stream(name: string): Stream {
    throw new TypeError(
      `Cannot write streams.${name} from a pool thread: return the record and send it on the I/O thread`,
    );
  }

  mark(text: string): void {
    this.#host.mark(this.id, String(text));
  }
}
