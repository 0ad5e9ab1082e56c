/** An upstream in which the test plays network and endpoints, and time stands still until it says otherwise. */
import assert from "node:assert/strict";
import type { Clock } from "../../clock.ts";
import { Endpoint, type EndpointSpec } from "../../endpoint.ts";
import { compile } from "../../manifest/mod.ts";
import type { UpstreamPlan } from "../../manifest/plan.ts";
import type { Reason } from "../../reasons.ts";
import { type FailureKind, UpstreamError } from "../../upstream_error.ts";
import type { CallMetrics } from "../call_metrics.ts";
import { type CallerParts, UpstreamCaller } from "../caller.ts";
import type { Attempt, Health, Outcome, Picking, Retry, Selector, Session, SessionHost } from "../contract.ts";
import { SessionPool } from "../session_pool.ts";

/** A clock that moves when it is told to; its timers fire on the way. */
export class ManualClock implements Clock {
  #now = 1000;
  #seed = 1;
  #timers = new Set<{ at: number; everyMs: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  epoch(): number {
    return 1_700_000_000_000 + this.#now;
  }

  /** mulberry32 */
  random(): number {
    let t = this.#seed += 0x6D2B79F5;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#add({ at: this.#now + delayMs, everyMs: 0, callback });
  }

  every(periodMs: number, callback: () => void): () => void {
    return this.#add({ at: this.#now + periodMs, everyMs: periodMs, callback });
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let first: { at: number; everyMs: number; callback: () => void } | undefined;
      for (const timer of this.#timers) if (timer.at <= end && (!first || timer.at < first.at)) first = timer;
      if (!first) break;
      this.#now = first.at;
      if (first.everyMs > 0) first.at += first.everyMs;
      else this.#timers.delete(first);
      first.callback();
    }
    this.#now = end;
  }

  #add(timer: { at: number; everyMs: number; callback: () => void }): () => void {
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
}

export const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** The plan of `upstreams.users` with these keys. */
export function planOf(keys: Record<string, unknown> = {}): UpstreamPlan {
  const { plan, diagnostics } = compile({
    service: "test",
    listeners: { web: { protocol: "http", listen: "127.0.0.1:0", routes: [{ respond: { body: "x" } }] } },
    upstreams: { users: { protocol: "http", discover: { static: ["10.0.0.1:80"] }, ...keys } },
  });
  assert.ok(plan, JSON.stringify(diagnostics));
  return plan.upstreams.users!;
}

export function endpointOf(id: number, keys: Partial<EndpointSpec> = {}): Endpoint {
  return new Endpoint(id, { address: `10.0.0.${id}:80`, weight: 1, role: null, priority: 0, ...keys });
}

/** A session that does nothing until the test answers. */
export class ScriptedSession implements Session<string, string> {
  readonly host: SessionHost;
  readonly capacity: number;
  readonly attempts: Attempt<string, string>[] = [];
  readonly abandoned: Attempt<string, string>[] = [];
  pings = 0;
  open = true;

  constructor(host: Omit<SessionHost, "tls" | "alpn">, capacity: number) {
    this.host = { ...host, tls: false, alpn: "" };
    this.capacity = capacity;
  }

  get inflight(): number {
    return this.attempts.length;
  }

  get waitingSince(): number {
    return 0;
  }

  start(attempt: Attempt<string, string>): void {
    assert.ok(this.open && this.attempts.length < this.capacity, "started on a session without room");
    this.attempts.push(attempt);
    attempt.sent = true;
  }

  /** Answers the oldest attempt. */
  answer(reply: string): void {
    const attempt = this.attempts.shift()!;
    attempt.succeed(reply);
    attempt.release();
    this.host.changed();
  }

  /** Fails the oldest attempt and ends. */
  break(failure: FailureKind = "reset", sent = true): void {
    this.open = false;
    for (const attempt of this.attempts.splice(0)) {
      attempt.sent = sent;
      attempt.fail(new UpstreamError(failure, "broken", { sent }));
    }
    this.host.changed();
  }

  abandon(attempt: Attempt<string, string>): void {
    this.abandoned.push(attempt);
    this.attempts.splice(this.attempts.indexOf(attempt), 1);
    attempt.release();
    this.open = false;
    this.host.changed();
  }

  ping(): void {
    this.pings++;
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.host.changed();
  }
}

/** Opens scripted sessions; `fail` says which error the next dials meet. */
export class ScriptedNetwork {
  readonly sessions: ScriptedSession[] = [];
  dials = 0;
  fail: FailureKind | undefined;
  /** Dials hang until {@link release}. */
  hang = false;
  #hanging: Array<() => void> = [];

  async open(host: Omit<SessionHost, "tls" | "alpn">, capacity = 1): Promise<ScriptedSession> {
    this.dials++;
    if (this.hang) await new Promise<void>((resolve) => this.#hanging.push(resolve));
    if (this.fail) throw new UpstreamError(this.fail, "scripted");
    const session = new ScriptedSession(host, capacity);
    this.sessions.push(session);
    return session;
  }

  release(): void {
    for (const resolve of this.#hanging.splice(0)) resolve();
  }
}

/** Lets everything run that only waits for promises. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A pool over a scripted network. */
export function scriptedPool(
  keys: Record<string, unknown> = {},
  options: { capacity?: number; fill?: boolean; endpoint?: Endpoint; network?: ScriptedNetwork; clock?: ManualClock } =
    {},
) {
  const { capacity = 1, fill = false, endpoint = endpointOf(1) } = options;
  const network = options.network ?? new ScriptedNetwork();
  const clock = options.clock ?? new ManualClock();
  const pool = new SessionPool({
    upstream: "users",
    endpoint,
    plan: planOf(keys),
    clock,
    log: silent,
    capacity,
    fill,
    open: (host) => network.open(host, capacity),
  });
  return { pool, network, clock, endpoint };
}

/** A caller with policies that do next to nothing: round robin, always healthy, `attempts` tries without a pause. */
export function scriptedCaller(
  keys: Record<string, unknown> = {},
  options: { endpoints?: number; attempts?: number } & Partial<CallerParts> = {},
) {
  const clock = new ManualClock();
  const plan = planOf(keys);
  const endpoints = Array.from({ length: options.endpoints ?? 2 }, (_, i) => endpointOf(i + 1));
  const networks = new Map(endpoints.map((one) => [one, new ScriptedNetwork()]));
  const pools = new Map(
    endpoints.map((endpoint) => [endpoint, scriptedPool(keys, { endpoint, network: networks.get(endpoint)!, clock }).pool]),
  );
  const outcomes: Array<{ endpoint: Endpoint } & Outcome> = [];
  const ended: Reason[] = [];
  let turn = 0;
  const selector: Selector = {
    panic: false,
    pick: ({ tried }: Picking) => {
      const fresh = endpoints.filter((one) => !tried.includes(one));
      if (tried.length > 0) return fresh[0] ?? endpoints[0];
      return endpoints[turn++ % endpoints.length];
    },
    update() {},
    started() {},
    ended: (endpoint, outcome) => void outcomes.push({ endpoint, ...outcome }),
    healthChanged() {},
    tick() {},
  };
  const health: Health = {
    probes: [],
    update() {},
    ended() {},
    eject() {},
    restore() {},
    admits: () => true,
    tick() {},
    probed() {},
  };
  const retry: Retry = {
    deposit() {},
    next: (_failure, status, attempts, safe) =>
      safe && attempts < (options.attempts ?? 1) && (status === 0 || status >= 500) ? 0 : -1,
    left: () => 1,
  };
  const caller = new UpstreamCaller({
    name: "users",
    plan,
    clock,
    log: silent,
    protocol: {
      kind: "upstreamProtocol",
      name: "http",
      alpn: () => [],
      connect: () => assert.fail(),
      judge: (reply: string) => ({ ok: !reply.startsWith("5"), status: Number(reply) || 0, retryAfterMs: 0 }),
      probe: () => ({ request: "probe", good: () => true }),
      handle: () => assert.fail(),
    },
    selector,
    health,
    retry,
    hedge: undefined,
    breakers: undefined,
    throttle: undefined,
    metrics: { attempt() {}, inflight() {}, connections() {}, call: (reason: Reason) => ended.push(reason) } as never as CallMetrics,
    pool: (endpoint) => pools.get(endpoint)!,
    dial: () => assert.fail(),
    fallback: () => undefined,
    ...options,
  });
  const network = (n: number) => networks.get(endpoints[n]!)!;
  const owner = { deadlineAt: Infinity, abandoned: false };
  return { caller, clock, endpoints, pools, network, outcomes, ended, owner, plan };
}
