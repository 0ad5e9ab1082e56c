/**
 * The stack of one upstream, written out once in request order: deadline, throttle, retry with budget, hedge, breaker,
 * health and balancer, pool, attempt timeout, session; fallback where nothing of it helped. The policies decide, this
 * carries out. A call that meets no trouble makes three objects (call, attempt, promise) and no timer: what is a matter
 * of time is seen by {@link UpstreamCaller.tick}.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Endpoint } from "../endpoint.ts";
import type { UpstreamPlan } from "../manifest/plan.ts";
import type { ByteStream } from "../protocol.ts";
import { type FailureKind, isLocal, UpstreamError } from "../upstream_error.ts";
import { UpstreamCall } from "./call.ts";
import type { CallMetrics } from "./call_metrics.ts";
import {
  type Breakers,
  type Caller,
  type CallOptions,
  type CallOwner,
  type Dedicated,
  type Health,
  type Hedge,
  type Outcome,
  Pass,
  type PassValue,
  type Retry,
  type Selector,
  type Throttle,
  type UpstreamProtocol,
} from "./contract.ts";
import type { SessionPool } from "./session_pool.ts";
import { Try, type TryOwner } from "./try.ts";

/** The parts of one upstream, made from its plan. */
export interface CallerParts {
  name: string;
  plan: UpstreamPlan;
  /** Name of the service that calls. */
  service?: string | undefined;
  clock: Clock;
  log: Log;
  // deno-lint-ignore no-explicit-any
  protocol: UpstreamProtocol<any, any, any>;
  selector: Selector;
  health: Health;
  retry: Retry;
  hedge: Hedge | undefined;
  breakers: Breakers | undefined;
  throttle: Throttle | undefined;
  metrics: CallMetrics;
  pool(endpoint: Endpoint): SessionPool;
  allEndpoints?(): Iterable<Endpoint>;
  /** Connects to an endpoint for one user alone; rejects with UpstreamError. */
  dial(endpoint: Endpoint): Promise<ByteStream>;
  /** The upstream to ask where this one cannot be had. */
  fallback(): Caller<unknown, unknown> | undefined;
}

/** Endpoints whose own breaker refuses are passed over this often before the call fails. */
const mostPasses = 4;
/** Attempts of a call that may end with their connection, untouched, beside those that `retry.attempts` allows. */
const mostForgiven = 2;

/** A call that may go elsewhere: nothing was sent and nobody could be asked. */
const nothingUsable: ReadonlySet<FailureKind> = new Set([
  "unavailable",
  "breaker",
  "resolve",
  "connect",
  "refused",
  "tls",
]);

/** See the module's header. */
export class UpstreamCaller implements Caller<unknown, unknown>, TryOwner {
  readonly name: string;
  readonly plan: UpstreamPlan;
  readonly service: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly #parts: CallerParts;
  #head: UpstreamCall | undefined;
  #tail: UpstreamCall | undefined;
  #size = 0;
  #closed = false;
  readonly #atEnd: Array<() => void> = [];
  readonly #outcome: Outcome = { ok: true, failure: undefined, status: 0, latencyMs: 0, now: 0 };

  constructor(parts: CallerParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.plan = parts.plan;
    this.service = parts.service;
    this.clock = parts.clock;
    this.log = parts.log;
  }

  /** Calls that wait for their reply. */
  get inflight(): number {
    return this.#size;
  }

  // deno-lint-ignore no-explicit-any
  call(request: any, owner: CallOwner, options: CallOptions): Promise<any> {
    const now = this.clock.now();
    const { total } = this.plan.timeouts;
    const { timeoutMs } = options;
    const limit = now + (timeoutMs !== undefined && timeoutMs < total ? timeoutMs : total);
    const call = new UpstreamCall(request, owner, options, now, Math.min(limit, owner.deadlineAt));
    return new Promise((resolve, reject) => {
      call.resolve = resolve;
      call.reject = reject;
      this.#begin(call, now);
    });
  }

  #begin(call: UpstreamCall, now: number): void {
    this.#join(call);
    const { signal } = call.options;
    if (call.owner.abandoned || signal?.aborted) {
      return this.#end(call, this.#error("cancelled", "the caller is gone"));
    }
    if (call.deadlineAt <= now) return this.#end(call, this.#error("deadline", "its deadline has passed"));
    const { throttle, retry, hedge } = this.#parts;
    retry.deposit(now);
    if (hedge && call.options.idempotent) {
      hedge.deposit(now);
      call.hedgeAt = now + hedge.delayMs();
    }
    if (!throttle) return this.#attempt(call, now, false);
    const turn = throttle.enter(now);
    if (turn === true) {
      call.throttled = true;
      return this.#attempt(call, now, false);
    }
    if (turn === false) return this.#end(call, this.#error("throttle", "as many calls run and wait as may"));
    turn.then((mine) => {
      if (mine && call.ended) throttle.leave();
      if (call.ended) return;
      if (!mine) return this.#end(call, this.#error("throttle", "it waited too long for its turn"));
      call.throttled = true;
      this.#attempt(call, this.clock.now(), false);
    });
  }

  /** Picks an endpoint and begins; `second` for a hedge beside the first. */
  #attempt(call: UpstreamCall, now: number, second: boolean): void {
    call.retryAt = 0;
    const { health, breakers } = this.#parts;
    if (!health.admits(now)) {
      return this.#refused(call, second, this.#error("unavailable", "it recovers from an outage"));
    }
    let pass: PassValue = Pass.yes;
    let breaker = undefined;
    if (breakers && breakers.per !== "endpoint") {
      breaker = breakers.of(breakers.per === "method" ? call.options.method ?? "" : this.name);
      pass = breaker.enter(now);
      if (pass === Pass.no) return this.#refused(call, second, this.#error("breaker", `the breaker is open`));
    }
    const before = call.tried.length;
    for (let n = 0; n < mostPasses; n++) {
      const endpoint = call.options.endpoint ?? this.#parts.selector.pick(call, now);
      if (!endpoint) break;
      if (n > 0 && call.tried.includes(endpoint)) break;
      call.asked(endpoint);
      if (breakers?.per === "endpoint") {
        breaker = breakers.of(endpoint.key);
        pass = breaker.enter(now);
        if (pass === Pass.no) continue;
      }
      return this.#ask(call, endpoint, breaker, pass, now, second);
    }
    if (breakers?.per !== "endpoint") breaker?.leave(pass, false, false, now);
    const cause = call.tried.length > before
      ? this.#error("breaker", "the breakers of its endpoints are open")
      : this.#error("unavailable", "no endpoint can be used");
    this.#refused(call, second, cause);
  }

  #ask(
    call: UpstreamCall,
    endpoint: Endpoint,
    breaker: Try["breaker"],
    pass: PassValue,
    now: number,
    second: boolean,
  ): void {
    const { pool, selector } = this.#parts;
    const timeoutAt = Math.min(now + this.plan.timeouts.attempt, call.deadlineAt);
    const alone = call.options.idempotent !== true;
    const one = new Try(
      this,
      call,
      call.request,
      pool(endpoint),
      now,
      timeoutAt,
      alone,
      second,
      breaker,
      pass,
    );
    if (second) call.second = one;
    else {
      call.current = one;
      call.attempts++;
    }
    endpoint.inflight++;
    endpoint.attempts++;
    selector.started(endpoint, now);
    one.begin(now);
  }

  /** No attempt could begin. */
  #refused(call: UpstreamCall, second: boolean, error: UpstreamError): void {
    // A second attempt is a favour: without it the first goes on.
    if (!second) this.#end(call, error);
  }

  succeeded(one: Try, reply: unknown): void {
    const now = this.clock.now();
    const { protocol, hedge } = this.#parts;
    const call = one.call!;
    const verdict = protocol.judge(reply);
    if (hedge && !one.hedge && call.attempts === 1) hedge.observe(now - one.startedAt);
    this.#learn(one, verdict.ok ? undefined : "status", verdict.status, now);
    if (!verdict.ok || verdict.retryAfterMs > 0) {
      const again = this.#retries(call, one, "status", verdict.status, verdict.retryAfterMs, now);
      if (again) {
        protocol.discard?.(reply);
        return;
      }
    }
    this.#end(call, undefined, reply);
  }

  failed(one: Try, error: UpstreamError): void {
    const now = this.clock.now();
    const call = one.call!;
    this.#learn(one, error.failure, 0, now);
    this.#after(call, one, error, now);
  }

  released(one: Try): void {
    one.endpoint.inflight--;
  }

  /** What follows from an attempt that failed. */
  #after(call: UpstreamCall, one: Try, error: UpstreamError, now: number): void {
    if (call.ended) return;
    if (one === call.second) call.second = undefined;
    else call.current = undefined;
    // The other one may still make it.
    if (call.current || call.second) return;
    (call.errors ??= []).push(error);
    // Taken away while a connection to it was waited for: no attempt that a budget need pay for.
    if (error.failure === "unavailable" && one.endpoint.removed && call.tried.length <= mostPasses) {
      call.attempts--;
      return this.#attempt(call, now, false);
    }
    const refusal = refusalOf(call, one, error);
    // All connections that idled may have ended at once, and the next one may be another of them.
    if (refusal !== error.failure && call.forgiven < mostForgiven) call.forgiven++;
    if (this.#retries(call, one, refusal, 0, error.retryAfterMs, now)) return;
    this.#end(call, error);
  }

  /** True where another attempt was begun or is waited for. */
  #retries(
    call: UpstreamCall,
    one: Try,
    failure: FailureKind,
    status: number,
    retryAfterMs: number,
    now: number,
  ): boolean {
    const elsewhere = one === call.second ? call.current : call.second;
    if (call.ended || elsewhere || call.owner.abandoned) return false;
    // Nobody would wait for it: the budget is for those that can still make it.
    if (now + retryAfterMs >= call.deadlineAt) return false;
    // All connections to one endpoint are busy: that helps only where there is another one.
    if (failure === "full") {
      const other = this.#parts.selector.pick(call, now);
      if (!other || call.tried.includes(other)) return false;
      failure = "refused";
    }
    const safe = !one.sent || call.options.idempotent === true;
    const attempts = call.attempts - call.forgiven;
    const waitMs = this.#parts.retry.next(failure, status, attempts, safe, retryAfterMs, now);
    if (waitMs < 0 || now + waitMs >= call.deadlineAt) return false;
    call.current = call.second = undefined;
    call.hedgeAt = Infinity;
    if (waitMs === 0) this.#attempt(call, now, false);
    else call.retryAt = now + waitMs;
    return true;
  }

  /** Tells everybody who learns from attempts. */
  #learn(one: Try, failure: FailureKind | undefined, status: number, now: number): void {
    const local = failure !== undefined && isLocal(failure);
    const { endpoint } = one;
    one.breaker?.leave(one.pass, failure === undefined, !local, now);
    one.breaker = undefined;
    this.#parts.metrics.attempt(failure);
    if (local) return;
    if (failure !== undefined) {
      endpoint.failures++;
      endpoint.lastFailure = failure;
    }
    const outcome = this.#outcome;
    outcome.ok = failure === undefined;
    outcome.failure = failure;
    outcome.status = status;
    outcome.latencyMs = now - one.startedAt;
    outcome.now = now;
    this.#parts.selector.ended(endpoint, outcome);
    this.#parts.health.ended(endpoint, outcome);
  }

  /** The one end of every call. */
  #end(call: UpstreamCall, error: UpstreamError | undefined, reply?: unknown): void {
    if (call.ended) return;
    call.ended = true;
    this.#leave(call);
    // The first attempt of a call that its second has won was slow: without it, hedges would start earlier and earlier.
    if (!error && call.attempts === 1 && call.current && !call.current.settled) {
      this.#parts.hedge?.observe(this.clock.now() - call.current.startedAt);
    }
    this.#drop(call.current);
    this.#drop(call.second);
    call.current = call.second = undefined;
    if (call.throttled) this.#parts.throttle!.leave();
    const now = this.clock.now();
    if (!error) {
      this.#parts.metrics.call("ok", now - call.startedAt);
      return call.resolve(reply);
    }
    if (call.errors && call.errors.length > 0) error.attempts = call.errors.filter((one) => one !== error);
    this.#parts.metrics.call(error.reason, now - call.startedAt);
    const fallback = nothingUsable.has(error.failure) && !error.sent && !call.owner.abandoned &&
      now < call.deadlineAt && this.#parts.fallback();
    if (!fallback) return call.reject(error);
    fallback.call(call.request, call.owner, call.options).then(call.resolve, call.reject);
  }

  /** Gives up on an attempt of which nothing is learned: it lost, or its caller is gone. */
  #drop(one: Try | undefined): void {
    if (!one || one.settled) return;
    one.breaker?.leave(one.pass, false, false, this.clock.now());
    one.breaker = undefined;
    one.abandon();
  }

  /** Time limits, pauses before retries, hedges, callers that are gone. Every 10 to 50 ms. */
  tick(now: number): void {
    for (let call = this.#head; call;) {
      const next: UpstreamCall | undefined = call.next;
      this.#look(call, now);
      call = next;
    }
    this.#parts.metrics.inflight(this.#size);
  }

  #look(call: UpstreamCall, now: number): void {
    if (call.owner.abandoned || call.options.signal?.aborted) {
      return this.#end(call, this.#error("cancelled", "the caller is gone"));
    }
    if (call.current?.awaitsBody) this.#hold(call, call.current, now);
    if (call.current && !call.current.settled && call.current.timeoutAt <= now) {
      this.#timeOut(call, call.current, now);
    }
    if (call.second && !call.second.settled && call.second.timeoutAt <= now) {
      this.#timeOut(call, call.second, now);
    }
    if (call.ended) return;
    if (call.deadlineAt <= now) {
      const mine = call.deadlineAt < call.owner.deadlineAt;
      return this.#end(
        call,
        mine
          ? this.#error("timeout", "no reply in time")
          : this.#error("deadline", "its deadline has passed"),
      );
    }
    if (call.retryAt > 0 && call.retryAt <= now) return this.#attempt(call, now, false);
    if (call.hedgeAt <= now && call.current && !call.second) {
      call.hedgeAt = Infinity;
      if (this.#parts.hedge!.take(now)) this.#attempt(call, now, true);
    }
  }

  /** The upstream has not got all of the request yet, and that is not its fault: its time begins when it has. */
  #hold(call: UpstreamCall, one: Try, now: number): void {
    const { attempt, total } = this.plan.timeouts;
    call.deadlineAt = Math.min(call.owner.deadlineAt, Math.max(call.deadlineAt, now + total));
    one.timeoutAt = Math.min(call.deadlineAt, now + attempt);
  }

  #timeOut(call: UpstreamCall, one: Try, now: number): void {
    const { endpoint, sent } = one;
    // The caller's own deadline may have left the endpoint less time than it was promised.
    const short = one.timeoutAt - one.startedAt < this.plan.timeouts.attempt &&
      call.deadlineAt >= call.owner.deadlineAt;
    const failure = short ? "deadline" : "timeout";
    const error = new UpstreamError(
      failure,
      `No reply from ${endpoint.spec.address} of upstreams.${this.name} within ${
        Math.round(now - one.startedAt)
      } ms`,
      { upstream: this.name, endpoint: endpoint.spec.address, sent },
    );
    if (this.#parts.hedge && !one.hedge && call.attempts === 1) {
      this.#parts.hedge.observe(now - one.startedAt);
    }
    this.#learn(one, failure, 0, now);
    one.abandon();
    this.#after(call, one, error, now);
  }

  /** Endpoints that refuse are passed over once each. */
  async dedicated(): Promise<Dedicated> {
    const tried: Endpoint[] = [];
    let failure = this.#error("unavailable", "no endpoint can be used");
    for (let n = 0; n < mostPasses && !this.#closed; n++) {
      const endpoint = this.#parts.selector.pick({ role: null, key: undefined, tried }, this.clock.now());
      if (!endpoint || tried.includes(endpoint)) break;
      tried.push(endpoint);
      try {
        const stream = await this.#parts.dial(endpoint);
        return this.#dedicate(stream, endpoint);
      } catch (error) {
        failure = error as UpstreamError;
      }
    }
    throw this.#closed ? this.#error("cancelled", "the worker stops") : failure;
  }

  #dedicate(stream: ByteStream, endpoint: Endpoint): Dedicated {
    let open = true;
    const close = () => {
      if (open) stream.close();
      open = false;
    };
    if (!this.#closed) return { stream, endpoint, close };
    close();
    throw this.#error("cancelled", "the worker stops");
  }

  endpoints(): Iterable<Endpoint> {
    return this.#parts.allEndpoints?.() ?? [];
  }

  onEnd(callback: () => void): void {
    if (this.#closed) callback();
    else this.#atEnd.push(callback);
  }

  /** Ends everything that waits; for the end of the worker. */
  close(): void {
    this.#closed = true;
    for (const callback of this.#atEnd.splice(0)) callback();
    for (let call = this.#head; call; call = this.#head) {
      this.#end(call, this.#error("cancelled", "the worker stops"));
    }
  }

  #error(failure: FailureKind, text: string): UpstreamError {
    return new UpstreamError(failure, `Cannot call upstreams.${this.name}: ${text}`, { upstream: this.name });
  }

  #join(call: UpstreamCall): void {
    call.previous = this.#tail;
    if (this.#tail) this.#tail.next = call;
    else this.#head = call;
    this.#tail = call;
    this.#size++;
  }

  #leave(call: UpstreamCall): void {
    if (call.previous) call.previous.next = call.next;
    else this.#head = call.next;
    if (call.next) call.next.previous = call.previous;
    else this.#tail = call.previous;
    call.previous = call.next = undefined;
    this.#size--;
  }
}

/**
 * A connection that ended before it took the request has refused it; so has one that was ending when the request came,
 * where that may be sent twice. What `retry.on` says of `refused` holds then.
 */
function refusalOf({ options }: UpstreamCall, { sent }: Try, { failure, stale }: UpstreamError): FailureKind {
  const ended = failure === "reset" || failure === "write";
  return ended && (!sent || (stale && options.idempotent === true)) ? "refused" : failure;
}
