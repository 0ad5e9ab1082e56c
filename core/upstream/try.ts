/**
 * One attempt of one call: picked endpoint, session, time limit. Waits in the pool's queue as itself, is given to the
 * session as itself, and tells the call how it ended. Exactly one end is reported, whoever comes first.
 */
import type { Endpoint } from "../endpoint.ts";
import { UpstreamError } from "../upstream_error.ts";
import type { UpstreamCall } from "./call.ts";
import type { Attempt, Breaker, PassValue, Session } from "./contract.ts";
import type { SessionPool, Waiter } from "./session_pool.ts";

/** Who made the attempt and hears of it. */
export interface TryOwner {
  succeeded(one: Try, reply: unknown): void;
  failed(one: Try, error: UpstreamError): void;
  /** The session has let go of it; told once for every attempt that was begun. */
  released(one: Try): void;
}

/** See the module's header. */
export class Try implements Attempt<unknown, unknown>, Waiter {
  readonly owner: TryOwner;
  /** The call it belongs to; probes belong to none. */
  readonly call: UpstreamCall | undefined;
  readonly request: unknown;
  readonly endpoint: Endpoint;
  readonly pool: SessionPool;
  readonly startedAt: number;
  timeoutAt: number;
  readonly alone: boolean;
  /** The second one of a hedged call. */
  readonly hedge: boolean;
  breaker: Breaker | undefined;
  pass: PassValue;
  sent = false;
  awaitsBody = false;
  /** Its end was reported, or nobody wants to hear of it any more. */
  settled = false;
  #released = false;
  #session: Session<unknown, unknown> | undefined;
  waitUntil = 0;
  waiting = false;
  previousWaiter: Waiter | undefined;
  nextWaiter: Waiter | undefined;

  constructor(
    owner: TryOwner,
    call: UpstreamCall | undefined,
    request: unknown,
    pool: SessionPool,
    startedAt: number,
    timeoutAt: number,
    alone: boolean,
    hedge: boolean,
    breaker: Breaker | undefined,
    pass: PassValue,
  ) {
    this.owner = owner;
    this.call = call;
    this.request = request;
    this.pool = pool;
    this.endpoint = pool.endpoint;
    this.startedAt = startedAt;
    this.timeoutAt = timeoutAt;
    this.alone = alone;
    this.hedge = hedge;
    this.breaker = breaker;
    this.pass = pass;
  }

  /** Looks for a session; everything else follows from that. */
  begin(now: number): void {
    const session = this.pool.acquire(this, now);
    if (session instanceof UpstreamError) this.refuse(session);
    else if (session) this.ready(session);
  }

  ready(session: Session<unknown, unknown>): void {
    this.#session = session;
    session.start(this);
  }

  refuse(error: UpstreamError): void {
    this.fail(error);
  }

  succeed(reply: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.owner.succeeded(this, reply);
  }

  fail(error: UpstreamError): void {
    if (!this.settled) {
      this.settled = true;
      this.owner.failed(this, error);
    }
    this.release();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.owner.released(this);
  }

  /** Nobody wants its reply any more; its place is free as soon as the session says so. */
  abandon(): void {
    if (this.settled) return;
    this.settled = true;
    if (this.waiting) {
      this.pool.forget(this);
      this.release();
    } else if (this.#session) this.#session.abandon(this);
    else this.release();
  }
}
