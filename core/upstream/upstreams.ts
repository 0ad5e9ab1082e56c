/**
 * The upstreams of one worker: the one place where their plans become callers, pools and policies. Endpoints come from a
 * feed, handlers get handles, the worker's tick drives all that is a matter of time.
 */
import type { Clock } from "../clock.ts";
import type { UpstreamCommand } from "../control.ts";
import type { Log, Upstream } from "../context.ts";
import {
  Endpoint,
  type EndpointChange,
  type EndpointFeed,
  endpointKey,
  type EndpointSourceState,
} from "../endpoint.ts";
import type { Plan, UpstreamPlan } from "../manifest/plan.ts";
import type { Scope } from "../scope.ts";
import type { FilterStats } from "../server_filter.ts";
import type { SharedNumbers, SlotWriter } from "../stats/mod.ts";
import { UpstreamError } from "../upstream_error.ts";
import { CallMetrics } from "./call_metrics.ts";
import { UpstreamCaller } from "./caller.ts";
import type {
  Breakers,
  HandleContext,
  Health,
  PolicyHost,
  Retry,
  Selector,
  Session,
  SessionHost,
  Throttle,
  UpstreamParts,
  UpstreamProtocol,
} from "./contract.ts";
import { dial } from "./dial.ts";
import { type Dialled, type TlsMaterial, tlsMaterial } from "./dial_tls.ts";
import { OperatorWord } from "./operator_word.ts";
import { Prober } from "./prober.ts";
import { RequiredUpstreamError } from "./required_upstream_error.ts";
import { SessionPool } from "./session_pool.ts";
import { UpstreamRows } from "./upstream_rows.ts";

/** What upstreams are built from. */
export interface UpstreamsInit {
  plan: Pick<Plan, "upstreams"> & Partial<Pick<Plan, "service">>;
  parts: UpstreamParts;
  feed: EndpointFeed;
  stats: FilterStats;
  /** Tables for the pages; where they are left out, nobody looks. */
  tables?: Pick<SlotWriter, "endpoints" | "upstreams">;
  shared: SharedNumbers;
  clock: Clock;
  logger(name: string): Log;
  /** Opens sessions instead of dialling: for simulations. */
  open?: OpenSession;
}

// deno-lint-ignore no-explicit-any
type OpenSession = (host: Omit<SessionHost, "tls" | "alpn">) => Promise<Session<any, any>>;

/** At most this many connections are kept open ahead per upstream and worker, however many endpoints there are. */
const mostWarm = 64;
/** How often gauges are written and pools looked at. */
const slowMs = 100;
/** Descriptors are free this long after their connections were closed. */
const roomMs = 5;
/** A tick that comes so late means that this process had no turn. */
const stallMs = 100;

/** One upstream with all its parts, as the pages and commands see it. */
export class BuiltUpstream {
  readonly name: string;
  readonly plan: UpstreamPlan;
  readonly caller: UpstreamCaller;
  readonly selector: Selector;
  readonly health: Health;
  readonly breakers: Breakers | undefined;
  readonly retry: Retry;
  readonly throttle: Throttle | undefined;
  readonly pools = new Map<Endpoint, SessionPool>();
  /** By identity; in the order in which they came. */
  readonly endpoints = new Map<string, Endpoint>();
  source: EndpointSourceState = { source: "", updatedAt: 0, error: "", cached: false };
  // deno-lint-ignore no-explicit-any
  readonly protocol: UpstreamProtocol<any, any, any>;
  readonly #init: UpstreamsInit;
  readonly #siblings: Upstreams;
  readonly #log: Log;
  readonly #tls: TlsMaterial | undefined;
  readonly #metrics: CallMetrics;
  readonly #prober: Prober;
  readonly #rows: UpstreamRows | undefined;
  readonly #operator = new OperatorWord();
  readonly #capacity: number;
  #nextId = 0;
  #slowAt = -Infinity;
  #tickAt = -Infinity;
  #draining = new Set<SessionPool>();

  constructor(name: string, declared: UpstreamPlan, init: UpstreamsInit, siblings: Upstreams, scope: Scope) {
    const { parts, stats, shared, clock } = init;
    const protocol = parts.protocols.find((one) => one.name === declared.protocol);
    if (!protocol) throw new TypeError(`Cannot call upstreams.${name}: no protocol ${declared.protocol}`);
    const plan = protocol.adapt?.(declared) ?? declared;
    this.name = name;
    this.plan = plan;
    this.protocol = protocol;
    this.#init = init;
    this.#siblings = siblings;
    const log = this.#log = init.logger(`upstreams.${name}`);
    this.#tls = tlsMaterial(plan);
    this.#capacity = protocol.pipeline?.(plan) ?? plan.pool.pipeline;
    const host: PolicyHost = { name, plan, clock, stats, log, shared };
    this.selector = parts.selector(host, scope);
    this.health = parts.health(host, this.selector, scope);
    this.breakers = parts.breakers(host);
    this.retry = parts.retry(host);
    this.throttle = parts.throttle(host);
    this.#metrics = new CallMetrics(stats, name);
    this.caller = new UpstreamCaller({
      name,
      plan,
      service: init.plan.service,
      clock,
      log,
      protocol,
      selector: this.selector,
      health: this.health,
      retry: this.retry,
      hedge: parts.hedge(host),
      breakers: this.breakers,
      throttle: this.throttle,
      metrics: this.#metrics,
      pool: (endpoint) => this.#poolOf(endpoint),
      allEndpoints: () => this.endpoints.values(),
      dial: async (endpoint) => (await this.#dial(endpoint)).stream,
      fallback: () => plan.fallback === null ? undefined : siblings.caller(plan.fallback),
    });
    this.#prober = new Prober(protocol, plan, this.health);
    const rows = this.#rows = init.tables && new UpstreamRows(init.tables, clock);
    if (rows) scope.defer(() => rows.end());
    scope.defer(init.feed.watch(name, (change, state) => this.#update(change, state)));
    scope.defer(() => {
      this.caller.close();
      for (const pool of [...this.pools.values(), ...this.#draining]) pool.close(true);
      return protocol.released?.();
    });
  }

  /** True when an endpoint has an open connection. */
  get connected(): boolean {
    for (const pool of this.pools.values()) if (pool.size > 0) return true;
    return false;
  }

  /** True when every connection that is kept ahead is there, or could not be had. */
  get warm(): boolean {
    const wanted = Math.min(mostWarm, this.pools.size) * Math.min(1, this.#keptOpen);
    let settled = 0;
    for (const pool of this.pools.values()) if (pool.size > 0 || pool.failing) settled++;
    return settled >= wanted;
  }

  /** Connections per endpoint that are kept open ahead; nobody would see that a required upstream is there without one. */
  get #keptOpen(): number {
    const { pool, required } = this.plan;
    return required ? Math.max(1, pool.warm) : pool.warm;
  }

  /** What somebody on the meta pages has said. */
  obey(command: UpstreamCommand): void {
    this.#operator.obey(command, this);
  }

  tick(now: number): void {
    // After a time without a turn, what has arrived meanwhile is read before anybody's time is over.
    const limitsAt = now - this.#tickAt > stallMs ? this.#tickAt : now;
    this.#tickAt = now;
    this.caller.tick(limitsAt);
    this.selector.tick(now);
    this.health.tick(now);
    this.throttle?.tick(now);
    const { probes } = this.health;
    for (let endpoint = probes.pop(); endpoint; endpoint = probes.pop()) {
      if (!endpoint.removed) this.#prober.probe(endpoint, this.#poolOf(endpoint), now);
    }
    this.#prober.tick(now);
    for (const pool of this.pools.values()) if (pool.waiters > 0) pool.expire(limitsAt);
    if (now - this.#slowAt >= slowMs) this.#slowTick(now);
  }

  #slowTick(now: number): void {
    this.#slowAt = now;
    const warm = this.#keptOpen;
    let left = mostWarm;
    let idle = 0, size = 0, dialling = 0, waiters = 0;
    for (const pool of this.pools.values()) {
      pool.tick(now, Math.min(warm, left));
      left = Math.max(0, left - warm);
      idle += pool.idle;
      size += pool.size;
      dialling += pool.dialling;
      waiters += pool.waiters;
    }
    for (const pool of this.#draining) {
      pool.tick(now, 0);
      if (pool.size === 0) this.#draining.delete(pool);
    }
    this.#metrics.connections(idle, size - idle, dialling, waiters);
    this.#rows?.tick(this, now);
    this.#operator.tick(this);
  }

  #poolOf(endpoint: Endpoint): SessionPool {
    let pool = this.pools.get(endpoint);
    if (!pool) {
      pool = this.#makePool(endpoint);
      // A call may still go to one that discovery has just taken away.
      if (endpoint.removed) this.#draining.add(pool);
      else this.pools.set(endpoint, pool);
    }
    return pool;
  }

  #makePool(endpoint: Endpoint): SessionPool {
    return new SessionPool({
      upstream: this.name,
      endpoint,
      plan: this.plan,
      clock: this.#init.clock,
      log: this.#log,
      capacity: this.#capacity,
      fill: this.protocol.pipeline?.(this.plan) !== undefined,
      open: this.#init.open ?? ((host) => this.#open(host)),
    });
  }

  /** Where this process has no descriptor left, idle connections make room for those that somebody waits for. */
  async #dial(endpoint: Endpoint): Promise<Dialled> {
    const { protocol, plan } = this;
    const once = () => dial(this.name, endpoint.spec, this.#tls, protocol.alpn(plan), plan.timeouts.connect);
    try {
      return await once();
    } catch (error) {
      if ((error as UpstreamError).failure !== "full") throw error;
      const pool = this.pools.get(endpoint);
      if (pool?.waiters === 0 || !await this.#siblings.makeRoom()) throw error;
      return await once();
    }
  }

  /** Closes half of the idle connections; returns how many. */
  closeIdle(): number {
    let closed = 0;
    for (const pool of this.pools.values()) closed += pool.closeIdle();
    return closed;
  }

  // deno-lint-ignore no-explicit-any
  async #open(host: Omit<SessionHost, "tls" | "alpn">): Promise<Session<any, any>> {
    const { protocol, plan } = this;
    if (protocol.open) return await protocol.open(host);
    const { stream, tls, alpn } = await this.#dial(host.endpoint);
    // A handshake of the protocol's own counts as connecting.
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      stream.close();
    }, plan.timeouts.connect);
    try {
      return await protocol.connect(stream, { ...host, tls, alpn, service: this.#init.plan.service });
    } catch (error) {
      if (!late) stream.close();
      if (error instanceof UpstreamError && !late) throw error;
      const { address } = host.endpoint.spec;
      const text = late ? `no handshake within ${plan.timeouts.connect} ms` : String(error);
      throw new UpstreamError("connect", `Cannot connect to ${address} of upstreams.${this.name}: ${text}`, {
        upstream: this.name,
        endpoint: address,
        cause: error,
      });
    } finally {
      clearTimeout(limit);
    }
  }

  #update(change: EndpointChange, state: EndpointSourceState): void {
    this.source = state;
    const removed: Endpoint[] = [];
    for (const spec of change.removed) {
      const endpoint = this.endpoints.get(endpointKey(spec));
      if (!endpoint) continue;
      this.endpoints.delete(endpoint.key);
      endpoint.removed = true;
      removed.push(endpoint);
    }
    const added: Endpoint[] = [];
    for (const spec of change.added) {
      const known = this.endpoints.get(endpointKey(spec));
      if (known) continue;
      const endpoint = new Endpoint(this.#nextId++, spec);
      this.endpoints.set(endpoint.key, endpoint);
      added.push(endpoint);
    }
    const changed: Endpoint[] = [];
    for (const spec of change.changed) {
      const endpoint = this.endpoints.get(endpointKey(spec));
      if (!endpoint) continue;
      endpoint.spec = spec;
      changed.push(endpoint);
    }
    this.selector.update(added, removed, changed);
    this.health.update(added, removed);
    this.#operator.added(added, this);
    for (const endpoint of removed) {
      const pool = this.pools.get(endpoint);
      if (!pool) continue;
      this.pools.delete(endpoint);
      this.#draining.add(pool);
      pool.close();
    }
    if (this.#keptOpen > 0) {
      // Also those that came when there were enough.
      for (const endpoint of this.endpoints.values()) {
        if (this.pools.size >= mostWarm) break;
        this.#poolOf(endpoint);
      }
    }
    // Connections are asked for at the next tick.
    this.#slowAt = -Infinity;
  }
}

/** See the module's header. */
export class Upstreams {
  readonly all: ReadonlyMap<string, BuiltUpstream>;
  readonly #clock: Clock;
  #room: Promise<boolean> | undefined;

  /** Throws what a certificate that cannot be read throws; everything belongs to `scope`. */
  constructor(init: UpstreamsInit, scope: Scope) {
    this.#clock = init.clock;
    const all = new Map<string, BuiltUpstream>();
    this.all = all;
    for (const [name, plan] of Object.entries(init.plan.upstreams)) {
      all.set(name, new BuiltUpstream(name, plan, init, this, scope.child(`upstreams.${name}`)));
    }
  }

  /** How often {@link tick} wants to be called, in ms. */
  get periodMs(): number {
    let shortest = 50;
    for (const { plan } of this.all.values()) {
      const { connect, attempt } = plan.timeouts;
      shortest = Math.min(shortest, Math.max(5, Math.min(connect, attempt, plan.pool.wait || Infinity) / 10));
      if (plan.retry || plan.hedge || plan.throttle) shortest = Math.min(shortest, 10);
    }
    return shortest;
  }

  tick(now: number): void {
    for (const one of this.all.values()) one.tick(now);
  }

  /**
   * Resolves when every upstream has the connections that are kept ahead, or could not get them; rejects where a
   * `required` one has none (RequiredUpstreamError). Ticks meanwhile; waits `mostMs` at most.
   */
  async ready(mostMs: number): Promise<void> {
    const end = this.#clock.now() + mostMs;
    for (;;) {
      const now = this.#clock.now();
      this.tick(now);
      const missing = [...this.all.values()].filter((one) => one.plan.required && !one.connected);
      const cold = [...this.all.values()].some((one) => !one.warm);
      if (missing.length === 0 && (!cold || now >= end)) return;
      if (now >= end) {
        throw new RequiredUpstreamError(`Cannot reach ${missing.map((one) => notReached(one)).join("; ")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Does what an operator has said; of an upstream that this plan has not, nothing. */
  obey(command: UpstreamCommand): void {
    this.all.get(command.upstream)?.obey(command);
  }

  /**
   * Closes half of the idle connections, once for all who ask at the same time; false where there are none.
   * Resolves when their descriptors are free.
   */
  makeRoom(): Promise<boolean> {
    return this.#room ??= this.#makeRoom();
  }

  async #makeRoom(): Promise<boolean> {
    let closed = 0;
    for (const one of this.all.values()) closed += one.closeIdle();
    await new Promise((resolve) => setTimeout(resolve, roomMs));
    this.#room = undefined;
    return closed > 0;
  }

  caller(name: string): UpstreamCaller {
    return this.#of(name).caller;
  }

  /** What `ctx.upstream(name)` gives; TypeError where there is none. */
  handle(name: string, context: HandleContext): Upstream {
    const { protocol, caller } = this.#of(name);
    return protocol.handle(caller, context) as Upstream;
  }

  #of(name: string): BuiltUpstream {
    const one = this.all.get(name);
    if (one) return one;
    const known = [...this.all.keys()].join(", ") || "none";
    throw new TypeError(`There is no upstream "${name}"; declared are: ${known}`);
  }
}

function notReached({ name, endpoints, source }: BuiltUpstream): string {
  const why = endpoints.size === 0
    ? `no endpoint is known${source.error ? ` (${source.source}: ${source.error})` : ""}`
    : `none of ${endpoints.size} endpoints can be connected to`;
  return `upstreams.${name}, which is required: ${why}`;
}
