/**
 * One request in this worker: what filters see of it (Call), what its handler gets (Context), and its place in the
 * list of those that wait for an answer. Everything a handler may or may not use is made on first use.
 */
import type { Context, Log, PoolHandle, RequestInfo, Upstream, UserStats } from "../context.ts";
import { ServiceError } from "../errors.ts";
import type { Reason } from "../reasons.ts";
import type { Stream } from "../stream/contract.ts";
import type { Call } from "../server_filter.ts";
import type { HandleContext } from "../upstream/contract.ts";

/** Whom a call comes from, as far as it matters here: an accepted connection, or the source of a message. */
export interface CallPeer {
  readonly address: string;
  readonly client: string;
  readonly tls: boolean;
  /** Row in the shared connection table; -1 without one. */
  readonly row: number;
  requests: number;
  /** The peer is gone; answers have nobody to go to. */
  readonly gone: boolean;
  readonly left: boolean;
  watchers: Set<() => void> | undefined;
  /** With the time now (monotonic ms), what was seen a moment ago will do. */
  peerLeft(now?: number): boolean;
}

/** What all calls of one listener share. */
export interface CallHost {
  readonly log: Log;
  readonly userStats: UserStats;
  readonly config: Readonly<Record<string, unknown>>;
  /** Epoch ms minus monotonic ms, refreshed by the worker's tick. */
  readonly epochOffset: number;
  readonly inflight: { mark(row: number, text: string): void };
  /** Monotonic ms of the last request or sweep. */
  readonly now: number;
  pool(name: string, call: RequestCall): PoolHandle;
  upstreamHandle(name: string, call: RequestCall): Upstream;
  streamHandle(name: string, call: RequestCall): Stream;
  identify(message: unknown): Partial<RequestInfo>;
  nextRequestId(): string;
}

/** How often the kernel is asked whether the client of a call that waits has left, ms; not before it waited as long. */
const askEveryMs = 100;

/** See the module's header. */
export class RequestCall implements Call, Context, HandleContext {
  readonly #host: CallHost;
  readonly connection: CallPeer;
  readonly message: unknown;
  readonly text: string;
  readonly startedAt: number;
  readonly deadlineAt: number;
  /** Row in the table of requests in flight; -1 once it was given back. */
  row: number;
  queuedMs = 0;
  ended = false;
  /** How many filters let it pass; those get their `after`. */
  passed = 0;
  /** Monotonic ms when the handler was called; 0 before. */
  handlerAt = 0;
  /** Set while its answer is awaited. */
  answer: ((value: unknown) => void) | undefined;
  previous: RequestCall | undefined;
  next: RequestCall | undefined;
  #expired = false;
  #askAt: number;
  #calls = 0;
  #controller: AbortController | undefined;
  #onLeft: (() => void) | undefined;
  #request: RequestInfo | undefined;
  #log: Log | undefined;

  constructor(
    host: CallHost,
    connection: CallPeer,
    message: unknown,
    text: string,
    startedAt: number,
    deadlineAt: number,
    row: number,
  ) {
    this.#host = host;
    this.connection = connection;
    this.message = message;
    this.text = text;
    this.startedAt = startedAt;
    this.deadlineAt = deadlineAt;
    this.row = row;
    this.#askAt = startedAt + askEveryMs;
  }

  get address(): string {
    return this.connection.address;
  }

  get left(): boolean {
    return this.connection.peerLeft();
  }

  get client(): string {
    return this.request.client;
  }

  get subject(): string {
    return this.connection.client;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      const controller = this.#controller;
      const left = this.#onLeft = () =>
        controller.abort(new ServiceError("client_left", "The client left", { source: "client" }));
      (this.connection.watchers ??= new Set()).add(left);
      if (this.ended) controller.abort(new ServiceError("deadline", "The request has ended"));
      else if (this.connection.gone || this.connection.left) left();
    }
    return this.#controller.signal;
  }

  /** Ends it for those who listen to its signal; called once when it ends early (`reason`) or for good (none). */
  release(reason?: Reason): void {
    if (reason) this.#expired = true;
    if (!this.#controller) return;
    if (reason) this.#controller.abort(new ServiceError(reason, `The request was ended: ${reason}`));
    this.connection.watchers?.delete(this.#onLeft!);
  }

  /** True once nobody waits for its answer: the client is gone, or got another one at the deadline. */
  get abandoned(): boolean {
    if (this.#expired || this.connection.gone || this.connection.left) return true;
    const { now } = this.#host;
    if (now < this.#askAt) return false;
    this.#askAt = now + askEveryMs;
    return this.connection.peerLeft();
  }

  get requestId(): string {
    return this.request.id;
  }

  get requestMeta(): Readonly<Record<string, string>> {
    return this.request.meta;
  }

  get trace(): string | undefined {
    return this.request.trace;
  }

  /** Numbers the calls that this request makes: `1.1`, `1.2`, … below `1`. */
  nextRpcId(): string {
    return `${this.request.rpcId}.${++this.#calls}`;
  }

  get deadline(): number {
    return this.deadlineAt + this.#host.epochOffset;
  }

  get request(): RequestInfo {
    if (!this.#request) {
      const known = this.#host.identify(this.message);
      const { connection } = this;
      const { trace } = known;
      const request = {
        id: known.id || this.#host.nextRequestId(),
        rpcId: known.rpcId || "1",
        client: known.client || connection.client,
        address: connection.address,
        meta: known.meta ?? {},
      };
      this.#request = trace ? { ...request, trace } : request;
    }
    return this.#request;
  }

  /** The id where somebody asked for it, else nothing: an id that nobody saw helps nobody. */
  get knownId(): string {
    return this.#request?.id ?? "";
  }

  get log(): Log {
    return this.#log ??= withRequest(this.#host.log, this);
  }

  get stats(): UserStats {
    return this.#host.userStats;
  }

  get config(): Readonly<Record<string, unknown>> {
    return this.#host.config;
  }

  pool(name: string): PoolHandle {
    return this.#host.pool(name, this);
  }

  upstream(name: string): Upstream {
    return this.#host.upstreamHandle(name, this);
  }

  stream(name: string): Stream {
    return this.#host.streamHandle(name, this);
  }

  mark(text: string): void {
    this.#host.inflight.mark(this.row, text);
  }
}

/** A log whose lines carry the id of the request. */
function withRequest(log: Log, call: RequestCall): Log {
  const add = (fields?: Record<string, unknown>) => ({ request: call.request.id, ...fields });
  return {
    debug: (message, fields) => log.debug(message, add(fields)),
    info: (message, fields) => log.info(message, add(fields)),
    warn: (message, fields) => log.warn(message, add(fields)),
    error: (message, fields) => log.error(message, add(fields)),
    child: (name) => withRequest(log.child(name), call),
  };
}
