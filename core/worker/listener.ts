/**
 * One listener in this worker: every message of every connection of it goes through {@link Listener.handle}, whatever
 * the protocol. In request order: trace (text, row in the table of requests in flight), stats, access log, the filters
 * (access, rate, admission), deadline, handler. What every request needs is written out here once; the rest are
 * filters. The path of a handler that answers at once allocates one object, the call.
 */
import type { Clock } from "../clock.ts";
import type { Log, PoolHandle, RequestInfo, Upstream, UserStats } from "../context.ts";
import { Refusal, ServiceError } from "../errors.ts";
import type { AccessLog } from "../log/mod.ts";
import type { Connection, ListenerHost, MessageSource } from "../protocol.ts";
import { type Reason, reasonCodes, reasonIndex, reasons } from "../reasons.ts";
import type { ServerFilter } from "../server_filter.ts";
import type { Service } from "../service.ts";
import type { Counter, Gauge, Histogram, SlotWriter } from "../stats/mod.ts";
import { type CallHost, type CallPeer, RequestCall } from "./call.ts";
import { CallList } from "./call_list.ts";
import { SocketPeers } from "./socket_peers.ts";
import type { Stream } from "../stream/contract.ts";

/** Takes one line per request. */
export type AccessLines = Pick<AccessLog, "enabled" | "write">;

/** What a listener is built from. */
export interface ListenerParts {
  name: string;
  /** See {@link ListenerHost.member}. */
  member?: string;
  // deno-lint-ignore no-explicit-any
  plan: any;
  directory: string;
  log: Log;
  access: AccessLines;
  stats: SlotWriter;
  userStats: UserStats;
  config: Readonly<Record<string, unknown>>;
  clock: Clock;
  /** Holds the time of the last request or sweep. */
  guard: { now: number };
  filters: readonly ServerFilter[];
  pool(name: string, call: RequestCall): PoolHandle;
  upstreamHandle(name: string, call: RequestCall): Upstream;
  streamHandle(name: string, call: RequestCall): Stream;
  upstream: ListenerHost<unknown, unknown, unknown>["upstream"];
  load(handler: { module: string; export: string }): Promise<unknown>;
  onPool: ListenerHost<unknown, unknown, unknown>["onPool"];
  nextRequestId(): string;
}

/** Handlers that hold their slot for this many deadlines lose it: the leak is counted and logged. */
const leakFactor = 3;
/** An answer that took no longer than this came in the turn of the loop that brought its request. */
const turnMs = 0.05;

/** See the module's header. */
// deno-lint-ignore no-explicit-any
export class Listener implements ListenerHost<any, any, any>, CallHost {
  readonly name: string;
  readonly member: string;
  readonly stats: SlotWriter;
  // deno-lint-ignore no-explicit-any
  readonly plan: any;
  readonly directory: string;
  readonly log: Log;
  readonly userStats: UserStats;
  readonly config: Readonly<Record<string, unknown>>;
  readonly guard: { now: number };
  readonly inflight: SlotWriter["inflight"];
  readonly load: ListenerParts["load"];
  readonly onPool: ListenerParts["onPool"];
  readonly pool: ListenerParts["pool"];
  readonly upstreamHandle: ListenerParts["upstreamHandle"];
  readonly streamHandle: ListenerParts["streamHandle"];
  readonly upstream: ListenerParts["upstream"];
  readonly nextRequestId: () => string;
  epochOffset: number;
  identifyWith: ((message: unknown) => Partial<RequestInfo>) | undefined;
  // deno-lint-ignore no-explicit-any
  statusOf: ((answer: any) => number) | undefined;
  // deno-lint-ignore no-explicit-any
  bytesOf: ((answer: any) => number) | undefined;
  readonly #parts: ListenerParts;
  readonly #clock: Clock;
  readonly #access: AccessLines;
  readonly #filters: readonly ServerFilter[];
  readonly #index: number;
  readonly #deadlineMs: number;
  /** Longest time a request may wait before its turn; what the loop itself owes is part of it. */
  readonly #waitMs: number;
  readonly #ended: Array<Counter | undefined> = new Array(reasonCodes.length);
  readonly #statuses: Array<Counter | undefined> = new Array(6);
  readonly #duration: Histogram;
  readonly #inFlight: Gauge;
  readonly #leaked: Counter;
  #peers: SocketPeers | undefined;
  #source: MessageSource | undefined;
  #sourcePeer: CallPeer | undefined;
  /** Calls whose answer is awaited. */
  readonly #waiting = new CallList();
  /** Calls that were answered early (deadline) while their handler still runs. */
  readonly #late = new CallList();
  /** Handler time since the loop last turned: what has been ready all that while has waited as long. */
  #busyMs = 0;
  /** The longest of it. */
  #longestMs = 0;
  #turning = false;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.member = parts.member ?? parts.name;
    this.stats = parts.stats;
    this.plan = parts.plan;
    this.directory = parts.directory;
    this.log = parts.log;
    this.userStats = parts.userStats;
    this.config = parts.config;
    this.guard = parts.guard;
    this.inflight = parts.stats.inflight;
    this.load = parts.load;
    this.onPool = parts.onPool;
    this.pool = parts.pool;
    this.upstreamHandle = parts.upstreamHandle;
    this.streamHandle = parts.streamHandle;
    this.upstream = parts.upstream;
    this.nextRequestId = parts.nextRequestId;
    this.#clock = parts.clock;
    this.#access = parts.access;
    this.#filters = parts.filters;
    this.#index = parts.stats.intern(parts.name);
    this.#deadlineMs = parts.plan.deadline > 0 ? parts.plan.deadline : Infinity;
    this.#waitMs = parts.plan.admit?.wait > 0 ? parts.plan.admit.wait : Infinity;
    this.epochOffset = parts.clock.epoch() - parts.clock.now();
    const labels = { listener: parts.name };
    this.#duration = parts.stats.histogram("weir_request_duration_seconds", labels, {
      unit: "ms",
      help: "Time from a complete request head to its answer",
    });
    this.#inFlight = parts.stats.gauge("weir_requests_in_flight", labels, "Requests that wait or run");
    this.#leaked = parts.stats.counter(
      "weir_slots_leaked_total",
      labels,
      "Requests that held their slot for three deadlines",
    );
    this.#counter("ok");
  }

  set identify(identify: ((message: unknown) => Partial<RequestInfo>) | undefined) {
    this.identifyWith = identify;
  }

  get identify(): (message: unknown) => Partial<RequestInfo> {
    return this.identifyWith ?? (() => ({}));
  }

  get now(): number {
    return this.guard.now;
  }

  get peers(): SocketPeers {
    return this.#peers ??= new SocketPeers(this.#parts.stats, this.name, () => this.#clock.epoch());
  }

  /** Requests that wait for an answer or whose handler still runs. */
  get pending(): number {
    return this.#waiting.size + this.#late.size;
  }

  handle<Message, Answer>(
    connection: Connection,
    message: Message,
    text: string,
    service: Service<Message, Answer>,
  ): Answer | Refusal | Promise<Answer | Refusal> {
    return this.#handle(connection as unknown as CallPeer, message, text, service, this.#clock.now());
  }

  take<Message, Answer>(
    source: MessageSource,
    message: Message,
    text: string,
    service: Service<Message, Answer>,
    now = this.#clock.now(),
  ): Answer | Refusal | Promise<Answer | Refusal> {
    // Most protocols have one source for all they bring.
    if (source !== this.#source) {
      this.#source = source;
      this.#sourcePeer = peerOf(source);
    }
    return this.#handle(this.#sourcePeer!, message, text, service, now);
  }

  #handle<Message, Answer>(
    owner: CallPeer,
    message: Message,
    text: string,
    service: Service<Message, Answer>,
    now: number,
  ): Answer | Refusal | Promise<Answer | Refusal> {
    this.guard.now = now;
    const row = this.inflight.begin(this.#index, owner.row, now + this.epochOffset, text);
    const call = new RequestCall(this, owner, message, text, now, now + this.#deadlineMs, row);
    owner.requests++;
    if (owner.row >= 0) this.#parts.stats.connections.request(owner.row, now + this.epochOffset);
    // The loop has not turned for longer than anybody may wait: this request was ready and waited all that time. One
    // long pause is left out, a collection of garbage or a stolen core: there is no queue of work behind it.
    if (this.#busyMs - this.#longestMs > this.#waitMs) {
      return this.#refuseCall(call, new Refusal("queue_timeout", this.#waitMs));
    }
    const filters = this.#filters;
    for (let i = 0; i < filters.length; i++) {
      const verdict = filters[i]!.before(call);
      if (verdict === undefined) call.passed = i + 1;
      else if (verdict instanceof Refusal) return this.#refuseCall(call, verdict);
      else return this.#await(call, this.#resume(call, verdict, i, message, service));
    }
    return this.#run(call, message, service);
  }

  async #resume<Message, Answer>(
    call: RequestCall,
    verdict: Promise<undefined | Refusal>,
    at: number,
    message: Message,
    service: Service<Message, Answer>,
  ): Promise<Answer | Refusal> {
    for (let i = at;;) {
      const refusal = await verdict;
      if (refusal) return refusal;
      call.passed = ++i;
      if (call.ended) return new Refusal("deadline");
      // Under overload most of those who waited for their turn may be gone: nobody works for them.
      if (call.left) return new Refusal("client_left");
      for (; i < this.#filters.length; i++) {
        const next = this.#filters[i]!.before(call);
        if (next === undefined) call.passed = i + 1;
        else if (next instanceof Refusal) return next;
        else {
          verdict = next;
          break;
        }
      }
      if (i >= this.#filters.length) break;
    }
    call.handlerAt = this.#clock.now();
    return await service(message, call);
  }

  #run<Message, Answer>(
    call: RequestCall,
    message: Message,
    service: Service<Message, Answer>,
  ): Answer | Refusal | Promise<Answer | Refusal> {
    call.handlerAt = call.startedAt;
    let answer: Answer | Promise<Answer>;
    try {
      answer = service(message, call);
    } catch (error) {
      return this.#end(call, this.#failure(call, error)) as Refusal;
    }
    if (answer instanceof Promise) return this.#await(call, answer);
    return this.#end(call, answer) as Answer;
  }

  /** Waits for `work` no longer than the deadline; what comes later is only cleaned up after. */
  #await<Answer>(call: RequestCall, work: Promise<Answer | Refusal>): Promise<Answer | Refusal> {
    this.#waiting.push(call);
    this.#inFlight.set(this.pending);
    return new Promise((resolve) => {
      call.answer = resolve as (value: unknown) => void;
      work.then(
        (answer) => this.#settle(call, answer),
        (error) => this.#settle(call, call.ended ? undefined : this.#failure(call, error)),
      );
    });
  }

  #settle(call: RequestCall, answer: unknown): void {
    if (call.ended) {
      this.#late.remove(call);
      this.#finish(call, "deadline");
      return;
    }
    this.#waiting.remove(call);
    this.#inFlight.set(this.pending);
    const resolve = call.answer!;
    resolve(this.#end(call, answer));
  }

  #refuseCall(call: RequestCall, refusal: Refusal): Refusal {
    return this.#end(call, refusal) as Refusal;
  }

  /** The one end of every call that ends with its answer: statistics, access line, slot given back. */
  #end(call: RequestCall, answer: unknown): unknown {
    const now = this.guard.now = this.#clock.now();
    if (answer instanceof Refusal) {
      this.#report(call, answer.reason, answer, answer.status, now);
      this.#finish(call, answer.reason, now);
      return answer;
    }
    const status = this.statusOf ? this.statusOf(answer) : 0;
    if (status < 0) return this.#end(call, this.#unusable(call, answer));
    const reason: Reason = this.#hasLeft(call, now) ? "client_left" : "ok";
    this.#report(call, reason, answer, status, now);
    this.#finish(call, reason, now);
    return answer;
  }

  /** Asked of the kernel only where the loop may have turned since the request came. */
  #hasLeft(call: RequestCall, now: number): boolean {
    const { connection } = call;
    return connection.gone ||
      (call.answer !== undefined && now - call.startedAt > turnMs && connection.peerLeft(now));
  }

  #unusable(call: RequestCall, answer: unknown): Refusal {
    this.log.error("handler gave no usable answer: one of the wrong kind, or one that was sent before", {
      request: call.text,
      type: typeof answer === "object" && answer !== null ? answer.constructor?.name : typeof answer,
    });
    return new Refusal("handler_error");
  }

  #report(call: RequestCall, reason: Reason, answer: unknown, status: number, now: number): void {
    call.ended = true;
    const totalMs = now - call.startedAt;
    (this.#ended[reasonIndex[reason]] ?? this.#counter(reason)).add();
    this.#duration.record(totalMs);
    if (status > 0) this.#countStatus(status);
    if (!this.#access.enabled) return;
    const handlerMs = call.handlerAt === 0 ? 0 : now - call.handlerAt;
    this.#access.write(
      call.startedAt + this.epochOffset,
      call.text,
      status,
      reason,
      call.connection.address,
      call.knownId,
      call.queuedMs,
      handlerMs,
      totalMs,
      answer instanceof Refusal || !this.bytesOf ? -1 : this.bytesOf(answer),
    );
  }

  #countStatus(status: number): void {
    const group = (status / 100) | 0;
    (this.#statuses[group] ?? this.#statusCounter(group)).add();
  }

  /** Gives back what the call held; its work is over. */
  #finish(call: RequestCall, reason: Reason, now = this.#clock.now()): void {
    const handlerMs = call.handlerAt === 0 ? 0 : now - call.handlerAt;
    // Only work that kept the loop: what was awaited left it free.
    if (call.answer === undefined) this.#busy(now - call.startedAt);
    for (let i = call.passed - 1; i >= 0; i--) this.#filters[i]!.after?.(call, reason, handlerMs);
    call.passed = 0;
    this.inflight.end(call.row);
    call.row = -1;
    call.release();
  }

  /** Counts until the loop turns; asks for that turn only when it begins to matter. */
  #busy(ms: number): void {
    this.#busyMs += ms;
    if (ms > this.#longestMs) this.#longestMs = ms;
    if (this.#busyMs < this.#waitMs / 4 || this.#turning) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      this.#busyMs = this.#longestMs = 0;
    });
  }

  #failure(call: RequestCall, error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    if (error instanceof ServiceError) {
      if (error.source === "internal") this.log.error(error.message, { error, request: call.text });
      return new Refusal(error.reason);
    }
    // What fails because the client left half-way is no failure of the handler.
    if (call.connection.peerLeft()) return new Refusal("client_left");
    this.log.error("handler failed", { error, request: call.text, id: call.knownId });
    return new Refusal("handler_error");
  }

  refuse(connection: Connection | MessageSource, reason: Reason, text: string): void {
    const now = this.#clock.now();
    this.#counter(reason).add();
    const { status } = reasons[reason];
    if (status > 0) this.#countStatus(status);
    if (!this.#access.enabled) return;
    this.#access.write(now + this.epochOffset, text, status, reason, connection.address, "", 0, 0, 0, -1);
  }

  /** What is past its deadline is answered, what leaks is taken back. */
  tick(): void {
    const now = this.#clock.now();
    this.epochOffset = this.#clock.epoch() - now;
    for (let call = this.#waiting.head; call && call.deadlineAt <= now; call = this.#waiting.head) {
      this.#waiting.remove(call);
      this.#late.push(call);
      const refusal = new Refusal("deadline");
      this.#report(call, "deadline", refusal, refusal.status, now);
      call.release("deadline");
      call.answer!(refusal);
    }
    if (this.#deadlineMs === Infinity) return;
    const leakMs = leakFactor * this.#deadlineMs;
    for (let call = this.#late.head; call && now - call.startedAt >= leakMs; call = this.#late.head) {
      this.#late.remove(call);
      this.#leaked.add();
      this.log.error("handler holds its slot beyond three deadlines; the slot is taken back", {
        request: call.text,
        forMs: Math.round(now - call.startedAt),
      });
      this.#finish(call, "slot_leaked", now);
    }
    this.#inFlight.set(this.pending);
  }

  #counter(reason: Reason): Counter {
    return this.#ended[reasonIndex[reason]] ??= this.#parts.stats.counter(
      "weir_requests_total",
      { listener: this.name, reason },
      "Requests by how they ended",
    );
  }

  #statusCounter(group: number): Counter {
    return this.#statuses[group] ??= this.#parts.stats.counter(
      "weir_responses_total",
      { listener: this.name, status: `${group}xx` },
      "Answers by class of status",
    );
  }
}

const never = () => false;

/** A source of messages has no connection that could end. */
function peerOf({ address, client }: MessageSource): CallPeer {
  return {
    address,
    client,
    tls: false,
    row: -1,
    requests: 0,
    gone: false,
    left: false,
    watchers: undefined,
    peerLeft: never,
  };
}
