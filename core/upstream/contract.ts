/**
 * What a call to an upstream is made of. Types only, in request order:
 *
 *   handle (the protocol's own methods) → Caller (deadline, throttle, breaker, retry + budget, hedge, fallback)
 *    → Selector (who is asked: role, priority, health, panic, balancer) → SessionPool of that endpoint → Session → bytes
 *
 * Policies (governance) know no protocol, protocols know no policy, and nothing here knows either: they are passed in
 * as {@link UpstreamParts}. Times are monotonic ms of the {@link Clock}. Nothing on the way of a call sets a timer:
 * the caller sweeps what waits.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Endpoint } from "../endpoint.ts";
import type { UpstreamPlan } from "../manifest/plan.ts";
import type { ByteStream } from "../protocol.ts";
import type { Scope } from "../scope.ts";
import type { FilterStats } from "../server_filter.ts";
import type { SharedNumbers } from "../stats/mod.ts";
import type { FailureKind, UpstreamError } from "../upstream_error.ts";

// ---------------------------------------------------------------------------------------------- protocols

/** One try of one call, as a session sees it. Made by the caller, settled by the session: exactly one of `succeed`
 * and `fail`, then exactly one `release` (by `fail` itself where it failed). */
export interface Attempt<Request, Reply> {
  readonly request: Request;
  /** When its reply must be there; the caller abandons it then, the session need not look. */
  readonly timeoutAt: number;
  /** Set by the session as soon as bytes of it may have left this process. */
  sent: boolean;
  /**
   * Set by the session while it waits for the request's own body to go on: whoever makes it is slow, not the upstream,
   * and the time limits of attempt and call wait too.
   */
  awaitsBody?: boolean;
  /** The reply is there, or for a streamed one its head. */
  succeed(reply: Reply): void;
  /** It failed; the session must have let go of it. */
  fail(error: UpstreamError): void;
  /** The session is through with it, streamed body included: what it held is free. */
  release(): void;
}

/**
 * One connection to one endpoint, speaking the protocol. Keeps a read pending while it is idle, so that a connection
 * that the peer has closed is never handed out; bytes nobody asked for end it.
 */
export interface Session<Request, Reply> {
  /** Attempts that were started and not released. */
  readonly inflight: number;
  /** How many it can take at once, `pool.pipeline` at most. */
  readonly capacity: number;
  /** False as soon as it can take no further attempt: closing, broken, taken over. */
  readonly open: boolean;
  /** Monotonic ms since when the oldest of its attempts waits for its reply; 0 where none does. */
  readonly waitingSince: number;
  /** Starts an attempt; only called while `open` and below its capacity. Must not throw. */
  start(attempt: Attempt<Request, Reply>): void;
  /**
   * The caller gives up on an attempt that is neither settled nor released (timeout, caller gone): nothing of it may
   * be settled any more, but `release` is called when its place is free. A session whose protocol cannot skip a reply
   * ends: the attempts behind it fail with `reset`, except that those which were not written may be started elsewhere.
   */
  abandon(attempt: Attempt<Request, Reply>): void;
  /** A heartbeat on an idle session; it ends itself when there is no answer within `timeoutMs`. */
  ping?(timeoutMs: number): void;
  /** No further attempts; closes when nothing is in flight, or `now`. Idempotent, must not throw. */
  close(now?: boolean): void;
}

/** What a session gets. */
export interface SessionHost {
  /** Name of the upstream. */
  readonly upstream: string;
  readonly endpoint: Endpoint;
  readonly plan: UpstreamPlan;
  readonly clock: Clock;
  readonly log: Log;
  /** True on TLS connections. */
  readonly tls: boolean;
  /** Protocol that TLS negotiated; empty where none was. */
  readonly alpn: string;
  /** Name of the service that calls, where it is known. */
  readonly service?: string;
  /** Tell it whenever an attempt was released or the session stopped to be `open`. */
  changed(): void;
}

/** What a reply means for the policies. */
export interface Verdict {
  /** False where the upstream failed although it answered (HTTP 5xx). */
  ok: boolean;
  /** Status of the protocol, for `retry.on`; 0 where it has none. */
  status: number;
  /** When the upstream asked to come back, in ms from now; 0 where it did not. */
  retryAfterMs: number;
}

/** What a call needs beside its request. */
export interface CallOptions {
  /** What breakers `per: method` and the statistics go by: `GET`, the name of a method, a command. */
  method?: string;
  /** Key of a ring hash. */
  key?: string;
  role?: string;
  /** Whether it may be sent twice: decides over retry after bytes were sent, and over hedging. */
  idempotent?: boolean;
  /** Shorter limit than the plan's `timeouts.total`, in ms. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Ask this one, whatever balancer and health say. */
  endpoint?: Endpoint;
}

/** On whose behalf a call is made: the request in this worker, or nobody in particular. */
export interface CallOwner {
  /** When the answer to the owner's own client must be there; Infinity where there is no such time. */
  readonly deadlineAt: number;
  /** True once nobody waits any more: the client has left, or its deadline has passed. Polled, cheap. */
  readonly abandoned: boolean;
}

/** The composed stack of one upstream. */
export interface Caller<Request, Reply> {
  readonly name: string;
  readonly plan: UpstreamPlan;
  /** Name of the service that calls, where it is known. */
  readonly service?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Rejects with an {@link UpstreamError}. The reply of an upstream that failed with a status comes as a reply. */
  call(request: Request, owner: CallOwner, options: CallOptions): Promise<Reply>;
  /**
   * A connection for one user alone (subscriptions): an endpoint is picked and dialled as for a call, but neither pool
   * nor health look after it. Rejects with an {@link UpstreamError}; `cancelled` once the worker stops.
   */
  dedicated?(): Promise<Dedicated>;
  /** The endpoints that are known now. */
  endpoints?(): Iterable<Endpoint>;
  /** Calls back once, when the worker stops: dedicated connections are to be closed and no further ones asked for. */
  onEnd?(callback: () => void): void;
}

/** A connection that is no session's: whoever asked for it reads, writes and closes it. */
export interface Dedicated {
  readonly stream: ByteStream;
  readonly endpoint: Endpoint;
  /** Idempotent. */
  close(): void;
}

/** Who makes the calls of a handle, and what is told to the upstream about it. */
export interface HandleContext extends CallOwner {
  /** Id and place in the call tree for what the protocol can carry; `nextRpcId` numbers the calls of this request. */
  readonly requestId: string;
  nextRpcId(): string;
  /** Texts that travel with the request through the call tree. */
  readonly requestMeta?: Readonly<Record<string, string>>;
  /** What the caller's own `traceparent` said, see core/trace_context.ts. */
  readonly trace?: string;
}

/** A protocol as upstreams speak it. */
export interface UpstreamProtocol<Request, Reply, Handle> {
  readonly kind: "upstreamProtocol";
  readonly name: UpstreamPlan["protocol"];
  /** ALPN names offered on TLS connections. */
  readonly alpn: (plan: UpstreamPlan) => readonly string[];
  /**
   * Most attempts at once on one connection, whatever they are: one connection is filled before a second is opened.
   * Undefined, or where it says so: `pool.pipeline` as it is given, and only for what may be sent twice.
   */
  readonly pipeline?: (plan: UpstreamPlan) => number | undefined;
  /** Speaks over a connected (and, with `tls`, authenticated) stream; handshakes of its own count as connecting. */
  connect(stream: ByteStream, host: SessionHost): Session<Request, Reply> | Promise<Session<Request, Reply>>;
  /**
   * In place of {@link connect}, for protocols whose connections are no byte streams: makes one by itself, within
   * `timeouts.connect`. Rejects with UpstreamError.
   */
  open?(host: Omit<SessionHost, "tls" | "alpn">): Promise<Session<Request, Reply>>;
  /** The plan as the protocol can use it: how many connections it needs, how long they are kept. */
  adapt?(plan: UpstreamPlan): UpstreamPlan;
  /** Resolves when sessions that were closed have let go of everything; bounded. The worker waits for it at its end. */
  released?(): Promise<void>;
  judge(reply: Reply): Verdict;
  /** The reply is not used (a lost hedge, a retried status): free what it holds. */
  discard?(reply: Reply): void;
  /** The request of an active probe, and whether its reply is a good one. */
  probe(plan: UpstreamPlan): { request: Request; good(reply: Reply): boolean };
  /** What `ctx.upstream(name)` returns; made per request, so cheap. */
  handle(caller: Caller<Request, Reply>, context: HandleContext): Handle;
}

// ---------------------------------------------------------------------------------------------- policies

/** How an attempt ended, for those who learn from it. One object is reused: read it, do not keep it. */
export interface Outcome {
  /** True where the upstream did its work; a 404 is its work. */
  ok: boolean;
  /** Why not; `status` where it answered that it failed. */
  failure: FailureKind | undefined;
  status: number;
  /** From start to the reply's head, ms. */
  latencyMs: number;
  /** Monotonic ms. */
  now: number;
}

/** What every policy gets when it is made. */
export interface PolicyHost {
  /** Name of the upstream. */
  readonly name: string;
  readonly plan: UpstreamPlan;
  readonly clock: Clock;
  readonly stats: FilterStats;
  readonly log: Log;
  /** Numbers that all workers of the host share; see `acrossProcesses` for where they do not. */
  readonly shared: SharedNumbers;
}

/** What a pick goes by. */
export interface Picking {
  readonly role: string | null;
  readonly key: string | undefined;
  /** Endpoints that were asked before; avoided while there is another. */
  readonly tried: readonly Endpoint[];
}

/** Chooses endpoints: role, priority, health, panic, slow start, balancer. All O(1) per call. */
export interface Selector {
  /** Undefined where nobody can be asked. */
  pick(picking: Picking, now: number): Endpoint | undefined;
  /** The set has changed. */
  update(added: readonly Endpoint[], removed: readonly Endpoint[], changed: readonly Endpoint[]): void;
  /** An attempt began; `endpoint.inflight` counts it already. */
  started(endpoint: Endpoint, now: number): void;
  /** An attempt ended (local failures are not told); `endpoint.inflight` may count it still while its body streams. */
  ended(endpoint: Endpoint, outcome: Outcome): void;
  /** Health has changed `endpoint.healthy`. */
  healthChanged(endpoint: Endpoint): void;
  /** Every 10 to 50 ms. */
  tick(now: number): void;
  /** Whether health is ignored now. */
  readonly panic: boolean;
}

/** Decides over `endpoint.healthy`. */
export interface Health {
  update(added: readonly Endpoint[], removed: readonly Endpoint[]): void;
  /** An attempt ended; never a local failure. */
  ended(endpoint: Endpoint, outcome: Outcome): void;
  /** Takes an endpoint out of use until {@link restore}, or puts it back. For people; `reason` is shown. */
  eject(endpoint: Endpoint, reason: string): void;
  restore(endpoint: Endpoint, reason: string): void;
  /**
   * After an outage of all or nearly all endpoints: whether this call may go now (recovery throttle). Refused calls
   * fail with `unavailable` and are not retried.
   */
  admits(now: number): boolean;
  tick(now: number): void;
  /** What {@link tick} wants probed now; the worker sends `protocol.probe()` and tells {@link probed}. */
  readonly probes: Endpoint[];
  probed(endpoint: Endpoint, good: boolean, cause: string): void;
}

/** What a breaker lets through. */
export const Pass = {
  /** Refused. */
  no: 0,
  /** As usual. */
  yes: 1,
  /** One of the probes of the half-open state: its end must be told as such. */
  probe: 2,
} as const;

/** A value of {@link Pass}. */
export type PassValue = typeof Pass[keyof typeof Pass];

/** One breaker, shared by all workers of the host. */
export interface Breaker {
  readonly key: string;
  enter(now: number): PassValue;
  /** For every call that entered; `counts` is false where it says nothing (caller cancelled, local refusal). */
  leave(pass: PassValue, ok: boolean, counts: boolean, now: number): void;
  /** `auto` gives it back to its own judgement. */
  force(state: "open" | "closed" | "auto", reason: string): void;
  state(now: number): BreakerState;
}

/** What is shown of a breaker. */
export interface BreakerState {
  state: "closed" | "open" | "halfOpen" | "ramp" | "forcedOpen" | "forcedClosed";
  /** Monotonic ms when an open one lets its first probe through; 0 where it is not open. */
  until: number;
  /** Share of calls that it lets through, 0..1. */
  share: number;
  calls: number;
  failures: number;
  reason: string;
}

/** All breakers of an upstream: one, or one per method (bounded; the rest share one) or endpoint. */
export interface Breakers {
  readonly per: NonNullable<UpstreamPlan["breaker"]>["per"];
  of(key: string): Breaker;
  list(): Breaker[];
}

/** Decides over further attempts. */
export interface Retry {
  /** A call begins: it pays into the budget. */
  deposit(now: number): void;
  /**
   * ms to wait before the next attempt, or -1 for no further one. `attempts` counts those made; `retryAfterMs` is what
   * the upstream asked for. Takes from the budget when it says yes.
   */
  next(
    failure: FailureKind,
    status: number,
    attempts: number,
    safe: boolean,
    retryAfterMs: number,
    now: number,
  ): number;
  /** Retries that the budget has left now. */
  left(now: number): number;
}

/** Decides over a second attempt beside the first. */
export interface Hedge {
  deposit(now: number): void;
  /** ms after which a second attempt may start; Infinity while too little is known. */
  delayMs(): number;
  /** Takes one from the budget; false where there is none. */
  take(now: number): boolean;
  /** The first attempt of a call took this long; of abandoned ones at least this long. */
  observe(latencyMs: number): void;
}

/** Bounds the calls of this worker that are in flight. */
export interface Throttle {
  /** True: goes now. False: refused. A promise: waits for its turn, then the same; settles within `throttle.wait`. */
  enter(now: number): boolean | Promise<boolean>;
  leave(): void;
  readonly inflight: number;
  readonly waiting: number;
  tick(now: number): void;
}

/** What the upstreams of a worker are built with. */
export interface UpstreamParts {
  // deno-lint-ignore no-explicit-any
  protocols: readonly UpstreamProtocol<any, any, any>[];
  selector(host: PolicyHost, scope: Scope): Selector;
  health(host: PolicyHost, selector: Selector, scope: Scope): Health;
  /** Never undefined for `retry` left out of the manifest: there, connect failures alone are retried, within budget. */
  retry(host: PolicyHost): Retry;
  hedge(host: PolicyHost): Hedge | undefined;
  breakers(host: PolicyHost): Breakers | undefined;
  throttle(host: PolicyHost): Throttle | undefined;
}
