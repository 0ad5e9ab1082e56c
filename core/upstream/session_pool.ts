/**
 * The connections of this worker to one endpoint: a hard cap, bounded waiters with a time limit, last in first out so
 * that the tail can idle out, a jittered age, heartbeats, and a number that is kept open ahead. A closed connection is
 * never handed out, because every idle session keeps a read pending. It retries nothing: only the caller knows what
 * that entails. No timers of its own: its owner calls {@link SessionPool.tick}.
 */
import { type Clock, jitter } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Endpoint } from "../endpoint.ts";
import type { UpstreamPlan } from "../manifest/plan.ts";
import { UpstreamError } from "../upstream_error.ts";
import type { Session, SessionHost } from "./contract.ts";

// deno-lint-ignore no-explicit-any
type AnySession = Session<any, any>;

/** Somebody who waits for a session; an intrusive list, so that waiting allocates nothing. */
export interface Waiter {
  /** Monotonic ms until which it waits. */
  waitUntil: number;
  /** Whether it needs a session that nobody else uses (a request that must not be sent behind another). */
  readonly alone: boolean;
  waiting: boolean;
  previousWaiter: Waiter | undefined;
  nextWaiter: Waiter | undefined;
  /** Called with a session that has room; it must start something on it at once. */
  ready(session: AnySession): void;
  refuse(error: UpstreamError): void;
}

/** What a pool is made from. */
export interface SessionPoolParts {
  upstream: string;
  endpoint: Endpoint;
  plan: UpstreamPlan;
  clock: Clock;
  log: Log;
  /** Most attempts at once on one session, for those that have not said it themselves. */
  capacity: number;
  /** True where one session should be filled before a second is opened; otherwise idle ones come first. */
  fill: boolean;
  /** Connects and speaks; rejects with UpstreamError within `timeouts.connect`. */
  open(host: Omit<SessionHost, "tls" | "alpn">): Promise<AnySession>;
}

/** One session with what the pool knows of it. */
interface Held {
  session: AnySession;
  endAt: number;
  idleSince: number;
  pingedAt: number;
  /** In the list of those with room. */
  listed: boolean;
}

/** A dial for those that are kept ahead waits this long after one that failed; doubles up to {@link longestPauseMs}. */
const pauseMs = 250;
const longestPauseMs = 10_000;

/** See the module's header. */
export class SessionPool {
  readonly endpoint: Endpoint;
  readonly #parts: SessionPoolParts;
  readonly #held = new Set<Held>();
  /** Idle sessions, the last used on top; entries may be stale, see `#usable`. */
  readonly #idle: Held[] = [];
  /** Sessions in use that have room for more. */
  readonly #shared: Held[] = [];
  #first: Waiter | undefined;
  #last: Waiter | undefined;
  #waiters = 0;
  #dialling = 0;
  #closed = false;
  #failures = 0;
  #nextWarmAt = 0;

  constructor(parts: SessionPoolParts) {
    this.#parts = parts;
    this.endpoint = parts.endpoint;
  }

  /** Sessions with nothing to do. */
  get idle(): number {
    let count = 0;
    for (const held of this.#held) if (held.session.open && held.session.inflight === 0) count++;
    return count;
  }

  /** Sessions that are open or still finishing something. */
  get size(): number {
    return this.#held.size;
  }

  get waiters(): number {
    return this.#waiters;
  }

  get dialling(): number {
    return this.#dialling;
  }

  /** The last dial failed. */
  get failing(): boolean {
    return this.#failures > 0;
  }

  /** Monotonic ms since when the oldest unanswered request waits; 0 where none does. */
  get waitingSince(): number {
    let oldest = 0;
    for (const { session } of this.#held) {
      const since = session.waitingSince;
      if (since > 0 && (oldest === 0 || since < oldest)) oldest = since;
    }
    return oldest;
  }

  /**
   * A session with room, to be used at once; undefined: the waiter waits, and is told; an error where it cannot wait.
   */
  acquire(waiter: Waiter, now: number): AnySession | UpstreamError | undefined {
    const free = this.#take(waiter.alone);
    if (free) return free;
    if (this.#closed) return this.#error("unavailable", "the endpoint is gone");
    const { connections, waiters, wait } = this.#parts.plan.pool;
    const mayDial = this.#held.size + this.#dialling < connections;
    if (!mayDial && this.#waiters >= waiters) {
      return this.#error("full", `${waiters} calls wait for a connection`);
    }
    waiter.waitUntil = now + (mayDial ? Math.max(wait, this.#parts.plan.timeouts.connect) : wait);
    this.#join(waiter);
    if (mayDial && this.#expected < this.#waiters) this.#dial();
    return undefined;
  }

  /** The waiter has given up. */
  forget(waiter: Waiter): void {
    if (waiter.waiting) this.#leave(waiter);
  }

  /** Ends waits that took too long. */
  expire(now: number): void {
    for (let waiter = this.#first; waiter;) {
      const next = waiter.nextWaiter;
      if (waiter.waitUntil <= now) {
        this.#leave(waiter);
        waiter.refuse(this.#lateError());
      }
      waiter = next;
    }
  }

  /** Closes what is idle or old, asks idle ones whether they live, keeps `warm` open. */
  tick(now: number, warm: number): void {
    const { idle, heartbeat } = this.#parts.plan.pool;
    let open = 0;
    for (const held of this.#held) {
      const { session } = held;
      if (!session.open) {
        if (session.inflight === 0) this.#held.delete(held);
        continue;
      }
      if (now >= held.endAt) {
        session.close();
        continue;
      }
      open++;
      if (session.inflight > 0) continue;
      if (now - held.idleSince >= idle && open > warm) {
        session.close();
        open--;
      } else if (
        heartbeat > 0 && session.ping && now - Math.max(held.idleSince, held.pingedAt) >= heartbeat
      ) {
        held.pingedAt = now;
        session.ping(this.#parts.plan.timeouts.attempt);
      }
    }
    if (this.#closed || now < this.#nextWarmAt) return;
    if (open + this.#dialling < Math.min(warm, this.#parts.plan.pool.connections)) this.#dial();
  }

  /** Closes half of the idle sessions, at least one, those first that have been idle for longest; returns how many. */
  closeIdle(): number {
    const idle = [...this.#held].filter(({ session }) => session.open && session.inflight === 0);
    idle.sort((a, b) => a.idleSince - b.idleSince).splice(Math.ceil(idle.length / 2));
    for (const { session } of idle) session.close();
    return idle.length;
  }

  /** The endpoint is gone or the worker stops: idle sessions end now, others when they are through; `now`: all now. */
  close(now = false): void {
    this.#closed = true;
    for (const { session } of this.#held) session.close(now);
    for (let waiter = this.#first; waiter; waiter = this.#first) {
      this.#leave(waiter);
      waiter.refuse(this.#error("unavailable", "the endpoint is gone"));
    }
  }

  #take(alone: boolean): AnySession | undefined {
    if (this.#parts.fill) {
      return this.#top(this.#shared, false) ?? this.#top(this.#idle, true);
    }
    const idle = this.#top(this.#idle, true);
    if (idle || alone) return idle;
    const { connections } = this.#parts.plan.pool;
    return this.#held.size + this.#dialling < connections ? undefined : this.#top(this.#shared, false);
  }

  /** The topmost session of `list` that can take something; leaves the list when it will be full. */
  #top(list: Held[], idle: boolean): AnySession | undefined {
    for (let held = list.at(-1); held; held = list.at(-1)) {
      const { session } = held;
      if (!session.open || session.inflight >= session.capacity || (session.inflight === 0) !== idle) {
        list.pop();
        held.listed = false;
        this.#list(held);
        continue;
      }
      // Whether it has room after this one is seen when it is looked for next.
      if (idle || session.inflight + 1 >= session.capacity) {
        list.pop();
        held.listed = false;
        if (session.capacity > 1) this.#listAs(held, this.#shared);
      }
      return session;
    }
    return undefined;
  }

  /** Puts it where it belongs, if anywhere. */
  #list(held: Held): void {
    const { session } = held;
    if (held.listed || !session.open || session.inflight >= session.capacity) return;
    this.#listAs(held, session.inflight === 0 ? this.#idle : this.#shared);
  }

  #listAs(held: Held, list: Held[]): void {
    held.listed = true;
    list.push(held);
  }

  /** A session has room again, or is none any more. */
  #changed(held: Held): void {
    const { session } = held;
    if (!session.open) {
      if (session.inflight === 0) this.#held.delete(held);
      if (this.#first && !this.#closed) this.#dialForWaiters();
      return;
    }
    if (session.inflight === 0) held.idleSince = this.#parts.clock.now();
    if (this.#first) this.#serve(held);
    if (!held.listed) this.#list(held);
    else if (session.inflight === 0) this.#relist(held);
  }

  /** From those in use to those that idle. */
  #relist(held: Held): void {
    const at = this.#shared.indexOf(held);
    if (at < 0) return;
    this.#shared.splice(at, 1);
    this.#idle.push(held);
  }

  /** Gives the session to those who wait, oldest first, while it has room. */
  #serve(held: Held): void {
    const { session } = held;
    for (let waiter = this.#first; waiter && session.open && session.inflight < session.capacity;) {
      const next = waiter.nextWaiter;
      if (!waiter.alone || this.#parts.fill || session.inflight === 0) {
        this.#leave(waiter);
        waiter.ready(session);
      }
      waiter = next;
    }
  }

  #dialForWaiters(): void {
    const { connections } = this.#parts.plan.pool;
    while (this.#expected < this.#waiters && this.#held.size + this.#dialling < connections) this.#dial();
  }

  /** How many of those that wait the connections being made will serve. */
  get #expected(): number {
    return this.#parts.fill ? this.#dialling * this.#parts.capacity : this.#dialling;
  }

  async #dial(): Promise<void> {
    this.#dialling++;
    const { upstream, endpoint, plan, clock, log } = this.#parts;
    const held = { listed: false, pingedAt: 0 } as Held;
    let session: AnySession;
    try {
      const changed = () => held.session && this.#changed(held);
      session = await this.#parts.open({ upstream, endpoint, plan, clock, log, changed });
    } catch (error) {
      this.#dialling--;
      return this.#dialFailed(error as UpstreamError);
    }
    this.#dialling--;
    this.#failures = 0;
    const now = clock.now();
    const { age } = plan.pool;
    held.session = session;
    held.endAt = age > 0 ? now + jitter(clock, age, 0.1) : Infinity;
    held.idleSince = now;
    if (this.#closed) return session.close();
    if (!session.open) {
      return this.#dialFailed(this.#error("reset", "the peer closed the connection at once"));
    }
    this.#held.add(held);
    this.#changed(held);
  }

  /** Whoever waits only for connections that cannot be had is told so now. */
  #dialFailed(error: UpstreamError): void {
    const now = this.#parts.clock.now();
    this.#nextWarmAt = now + Math.min(longestPauseMs, pauseMs * 2 ** Math.min(this.#failures++, 10));
    const { log, endpoint } = this.#parts;
    if (this.#failures === 1) {
      log.warn("cannot connect", { endpoint: endpoint.spec.address, cause: error.message });
    }
    if (this.#held.size > 0 && this.#anyOpen()) return;
    for (let waiter = this.#first; waiter; waiter = this.#first) {
      this.#leave(waiter);
      waiter.refuse(error);
    }
  }

  #anyOpen(): boolean {
    for (const { session } of this.#held) if (session.open) return true;
    return false;
  }

  /** Who waited for connections of which none came was kept by the endpoint, not by us. */
  #lateError(): UpstreamError {
    const { plan } = this.#parts;
    return this.#anyOpen()
      ? this.#error("full", `all ${plan.pool.connections} connections are busy for ${plan.pool.wait} ms`)
      : this.#error("connect", "no connection in time");
  }

  #error(failure: "full" | "connect" | "unavailable" | "reset", text: string): UpstreamError {
    const { upstream, endpoint } = this.#parts;
    const { address } = endpoint.spec;
    return new UpstreamError(failure, `Cannot call ${address} of upstreams.${upstream}: ${text}`, {
      upstream,
      endpoint: address,
    });
  }

  #join(waiter: Waiter): void {
    waiter.waiting = true;
    waiter.previousWaiter = this.#last;
    waiter.nextWaiter = undefined;
    if (this.#last) this.#last.nextWaiter = waiter;
    else this.#first = waiter;
    this.#last = waiter;
    this.#waiters++;
  }

  #leave(waiter: Waiter): void {
    waiter.waiting = false;
    if (waiter.previousWaiter) waiter.previousWaiter.nextWaiter = waiter.nextWaiter;
    else this.#first = waiter.nextWaiter;
    if (waiter.nextWaiter) waiter.nextWaiter.previousWaiter = waiter.previousWaiter;
    else this.#last = waiter.previousWaiter;
    waiter.previousWaiter = waiter.nextWaiter = undefined;
    this.#waiters--;
  }
}
