/**
 * The I/O kernel: the one place where a Plan becomes objects. Everything made here belongs to the worker's scope, and
 * closing the scope frees it, also when building stopped half-way. Listeners are bound last, when handlers are loaded
 * and pools are warm, so that whoever can connect is served.
 */
import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import type { Context, Log, PoolHandle, UserStats } from "../context.ts";
import type { Logging } from "../log/mod.ts";
import type { FramesListenerPlan, HttpListenerPlan, Plan, ThriftListenerPlan } from "../manifest/plan.ts";
import type { Pool } from "../pool/mod.ts";
import { Phase, type Protocol, type ProtocolServer } from "../protocol.ts";
import { Scope } from "../scope.ts";
import { isHandedOver } from "../supervisor/handed_over.ts";
import type { ServerFilterKind } from "../server_filter.ts";
import type { SlotWriter, StatsMemory } from "../stats/mod.ts";
import type { UpstreamParts } from "../upstream/contract.ts";
import type { EndpointFeed } from "../endpoint.ts";
import type { Upstreams } from "../upstream/upstreams.ts";
import type { RequestCall } from "./call.ts";
import { type Accepted, Guard } from "./guard.ts";
import { GuardedConnection } from "./guarded_connection.ts";
import { HandlerModules } from "./handler_modules.ts";
import { type Adopter, adopter, listenNode } from "./listen_node.ts";
import { listenNative } from "./listen_native.ts";
import { Listener } from "./listener.ts";
import type { Listening, ListenOptions } from "./listening.ts";
import { refuser } from "./refuser.ts";
import { planFeed } from "../upstream/plan_feed.ts";
import { userStats } from "./user_stats.ts";

/** What a worker is made from. */
export interface WorkerInit {
  plan: Plan;
  /** Stable id, 1… */
  id: number;
  /** Its slot in the statistics memory. */
  slot: number;
  generation: number;
  memory: StatsMemory;
  /** The writer of that slot, where somebody opened it already. */
  stats?: SlotWriter;
  logging: Logging;
  // deno-lint-ignore no-explicit-any
  protocols: readonly Protocol<any, any, any>[];
  filters: readonly ServerFilterKind[];
  /** What upstreams are built with; needed where the plan declares any. */
  upstreams?: UpstreamParts;
  /** Where endpoints come from; those written in the manifest unless given. */
  endpoints?: EndpointFeed;
  clock?: Clock;
  /** No supervisor accepts for it: it binds every address itself. */
  alone?: boolean;
}

/** A member of the SO_REUSEPORT groups: of all, or by address where they differ. */
export interface Steering {
  self: number;
  size: number;
  places?: Record<string, { self: number; size: number }>;
}

/** How a worker stops. */
export interface DrainOptions {
  /** Time during which it still accepts, although it is no longer ready. */
  keepAcceptingMs: number;
  /** Time that what is in flight gets. */
  drainMs: number;
  /** Its own place in the groups; null when it is alone. */
  steer: { self: number; size: number } | null;
  places?: Record<string, { self: number; size: number }>;
  /** Called when its addresses are given back. */
  onUnbound?: () => void;
}

/** A worker that serves. */
export interface Worker {
  /** Its upstreams; undefined where none is declared. */
  readonly upstreams: Upstreams | undefined;
  /** Where each listener listens, in the order of the plan; "" where the supervisor accepts. */
  readonly addresses: Record<string, string[]>;
  readonly stats: SlotWriter;
  /** Takes over a node socket that the supervisor accepted for `listener`. */
  adopt(listener: string, socket: unknown): void;
  /** Sends new connections everywhere but to a member of the SO_REUSEPORT groups that hangs. */
  steerAway(place: Steering): void;
  unsteer(): void;
  /** Stops as core/control's Drain says; resolves with the number of connections that had to be cut. */
  drain(options: DrainOptions): Promise<number>;
  /** Frees everything at once. */
  close(): Promise<void>;
}

/** A connection that waits this long between requests during a drain is asked to end. */
const idleGraceMs = 250;
/** Longest wait for the kernel to forget a closed listener. */
const releaseMs = 1000;
/** Longest handshake that a steered listener still waits for. */
const steerSettleMs = 50;

/** Longest time that a worker waits for the connections to its upstreams before it serves. */
const upstreamsReadyMs = 5000;

interface Served {
  name: string;
  plan: HttpListenerPlan | FramesListenerPlan | ThriftListenerPlan;
  guard: Guard;
  listener: Listener;
  server: ProtocolServer;
  // deno-lint-ignore no-explicit-any
  protocol: Protocol<any, any, any>;
  listenings: Listening[];
  /** In the order of the plan; empty text for an address that the supervisor accepts on. */
  addresses: string[];
  accept: ListenOptions["onAccept"];
  /** Takes over sockets that the supervisor accepted. */
  adopter?: Adopter;
}

/** Builds and starts a worker. Rejects, with everything freed, when any part cannot be made. */
export async function startWorker(init: WorkerInit): Promise<Worker> {
  const scope = new Scope("worker");
  try {
    return await build(init, scope);
  } catch (error) {
    await scope.close().catch(() => {});
    throw error;
  }
}

async function build(init: WorkerInit, scope: Scope): Promise<Worker> {
  const { plan, logging } = init;
  const clock = init.clock ?? systemClock;
  const { id, generation } = init;
  const stats = init.stats ?? init.memory.slot(init.slot).writer({ role: "worker", id, generation });
  scope.defer(() => stats.close());
  const log = logging.logger("worker");
  const user = userStats(stats);
  const config = Object.freeze({});
  const stopping = new AbortController();
  scope.defer(() => stopping.abort());
  const pools = await startPools(init, stats, user, scope, clock, config);
  const upstreams = await makeUpstreams(init, stats, scope, clock);
  const nextRequestId = requestIds(init.id, clock);
  const own = {
    deadlineAt: Infinity,
    get abandoned() {
      return stopping.signal.aborted;
    },
    requestId: "",
    nextRpcId: () => "1",
  };
  const startContext: Context = {
    signal: stopping.signal,
    deadline: Infinity,
    request: { id: "", rpcId: "", client: "", address: "", meta: {} },
    log,
    stats: user,
    config,
    pool: (name) => poolHandle(poolOf(pools, name)),
    upstream: (name) => declared(upstreams, name).handle(name, own),
    mark: (text) => stats.mark(text),
  };
  const handlers = new HandlerModules(startContext, scope);

  /** Handlers that pool threads are loading. */
  const loading: Promise<void>[] = [];
  const served: Served[] = [];
  for (const [name, listenerPlan] of Object.entries(plan.listeners)) {
    served.push(await makeListener(name, listenerPlan as Served["plan"]));
  }
  await Promise.all([...[...pools.values()].map((pool) => pool.ready), ...loading]);
  await upstreams?.ready(upstreamsReadyMs);
  for (const one of served) await bind(one, init.alone ?? false, log, scope);
  beat(served, upstreams, stats, scope, clock);
  stats.state("ready");

  async function makeListener(name: string, listenerPlan: Served["plan"]): Promise<Served> {
    const protocol = init.protocols.find((one) => one.name === listenerPlan.protocol);
    if (!protocol) {
      throw new TypeError(`Cannot serve listeners.${name}: no protocol ${listenerPlan.protocol}`);
    }
    const listenerScope = scope.child(name);
    const listenerLog = logging.logger(`listeners.${name}`);
    const guard = new Guard(name, listenerPlan.accept, { stats, clock, log: listenerLog });
    const filters = init.filters.flatMap((kind) =>
      kind.make({ listener: name, plan: listenerPlan, stats, log: listenerLog, clock }, listenerScope) ?? []
    );
    const listener = new Listener({
      name,
      plan: listenerPlan,
      directory: plan.directory,
      log: listenerLog,
      access: logging.access(name),
      stats,
      userStats: user,
      config,
      clock,
      guard,
      filters,
      nextRequestId,
      load: (handler) => handlers.load(handler),
      pool: (poolName, call) => poolHandle(poolOf(pools, poolName), call),
      upstreamHandle: (upstream, call) => declared(upstreams, upstream).handle(upstream, call),
      upstream: (upstream) => declared(upstreams, upstream).caller(upstream),
      onPool: (poolName, adapter, handler) => {
        const service = poolOf(pools, poolName).bind(adapter, handler);
        loading.push(service.ready);
        return service;
      },
    });
    const server = await protocol.make(listener, listenerScope);
    const refuse = refuser(server);
    const accept = (accepted: Accepted) => {
      const connection = guard.admit(accepted);
      if (!(connection instanceof GuardedConnection)) return refuse(accepted, connection);
      const native = accepted.stream.native;
      if (accepted.tls && native) handshake(native as Deno.TlsConn, guard, connection, server, listenerLog);
      else serveOn(connection, server, listenerLog);
    };
    // Whoever closes a worker without a drain must not leave connections behind.
    listenerScope.defer(() => void guard.killAll("drain"));
    return {
      name,
      plan: listenerPlan,
      guard,
      listener,
      server,
      protocol,
      listenings: [],
      addresses: [],
      accept,
    };
  }

  return {
    stats,
    upstreams,
    addresses: Object.fromEntries(served.map((one) => [one.name, one.addresses])),
    adopt(name, socket) {
      const adopter = served.find((it) => it.name === name)?.adopter;
      if (adopter) adopter.take(socket as Socket);
      else (socket as Socket).destroy();
    },
    steerAway: (place) => void steerAway(served.flatMap((one) => one.listenings), place),
    unsteer: () => served.forEach((one) => one.listenings.forEach((it) => it.unsteer())),
    async drain(options) {
      stats.state("draining");
      if (options.keepAcceptingMs > 0) await pause(options.keepAcceptingMs);
      const left = await drain(served, options, log);
      await scope.close();
      return left;
    },
    close: () => scope.close(),
  };
}

async function startPools(
  init: WorkerInit,
  stats: SlotWriter,
  userStats: UserStats,
  scope: Scope,
  clock: Clock,
  config: Readonly<Record<string, unknown>>,
): Promise<Map<string, Pool>> {
  const pools = new Map<string, Pool>();
  const declared = Object.entries(init.plan.pools);
  if (declared.length === 0) return pools;
  // Loaded only where there are pools: threads cost time at start.
  const { createPool } = await import("../pool/mod.ts");
  for (const [name, plan] of declared) {
    const log: Log = init.logging.logger(`pools.${name}`);
    const directory = init.plan.directory;
    const shared = { directory, log, stats, userStats, scope, clock, context: { config } };
    pools.set(name, createPool(name, plan, { ...shared, pools: (other) => pools.get(other) }));
  }
  return pools;
}

/** Loaded only where there are upstreams. */
async function makeUpstreams(
  init: WorkerInit,
  stats: SlotWriter,
  scope: Scope,
  clock: Clock,
): Promise<Upstreams | undefined> {
  const { plan, logging, memory } = init;
  if (Object.keys(plan.upstreams).length === 0) return undefined;
  if (!init.upstreams) {
    throw new TypeError("Cannot build upstreams: the worker was given nothing to build them with");
  }
  const { Upstreams } = await import("../upstream/upstreams.ts");
  return new Upstreams({
    plan,
    parts: init.upstreams,
    feed: init.endpoints ?? planFeed(plan),
    stats,
    tables: stats,
    shared: memory.shared,
    clock,
    logger: (name) => logging.logger(name),
  }, scope.child("upstreams"));
}

function declared(upstreams: Upstreams | undefined, name: string): Upstreams {
  if (!upstreams) throw new TypeError(`There is no upstream "${name}"; the manifest declares none`);
  return upstreams;
}

function poolOf(pools: Map<string, Pool>, name: string): Pool {
  const pool = pools.get(name);
  if (!pool) {
    throw new TypeError(
      `There is no pool "${name}"; declared are: ${[...pools.keys()].join(", ") || "none"}`,
    );
  }
  return pool;
}

/** What handlers get as `ctx.pool(name)`; calls end with the request they belong to. */
function poolHandle(pool: Pool, call?: RequestCall): PoolHandle {
  return {
    run(module, exportName, args, options) {
      const bounds = call && { signal: call.signal, deadline: call.deadline };
      return pool.run(module, exportName, args, { ...options, ...bounds });
    },
  };
}

/** Ids like `1-k3f9a2-42`: worker, start, running number. */
function requestIds(worker: number, clock: Clock): () => string {
  const prefix = `${worker}-${Math.floor(clock.epoch()).toString(36)}-`;
  let count = 0;
  return () => prefix + (++count).toString(36);
}

async function handshake(
  conn: Deno.TlsConn,
  guard: Guard,
  connection: GuardedConnection,
  server: ProtocolServer,
  log: Log,
): Promise<void> {
  connection.kill = (reason) => guard.cut(connection, reason === "drain" ? reason : "tls_timeout");
  try {
    connection.alpn = (await conn.handshake()).alpnProtocol ?? "";
  } catch {
    return connection.done("tls_failed");
  }
  if (connection.gone) return;
  connection.enter(Phase.first);
  serveOn(connection, server, log);
}

/** A connection that the peer has reset already can fail in many ways; none of them may reach the accept loop. */
function serveOn(connection: GuardedConnection, server: ProtocolServer, log: Log): void {
  try {
    server.serve(connection);
  } catch (error) {
    log.debug("connection not served", { error, client: connection.address });
    connection.done("client_reset");
  }
}

async function bind(one: Served, alone: boolean, log: Log, scope: Scope): Promise<void> {
  const { plan, guard } = one;
  const tls = readTls(plan);
  const errors = guard.acceptErrors;
  const shared: Omit<ListenOptions, "address" | "reusePort"> = {
    backlog: plan.accept.backlog,
    ...(tls ? { tls } : {}),
    alpn: one.protocol.alpn,
    handshakes: { timeoutMs: plan.accept.firstByte, most: plan.accept.connections },
    onAccept: one.accept,
    onCut: (reason) => guard.countClosed(reason),
    onError: (error: unknown, kind: "accept" | "tls") => {
      if (kind === "tls") return guard.countClosed("tls_failed");
      errors.add();
      log.warn("accept failed", { listener: one.name, error });
    },
  };
  for (const address of plan.listen) {
    const reusePort = address.transport === "tcp" && Deno.build.os === "linux";
    const options: ListenOptions = { ...shared, address, reusePort };
    if (isHandedOver(plan.accept.mode, address) && !alone) {
      one.adopter ??= adopter(options);
      one.addresses.push("");
      continue;
    }
    // The runtime has neither client certificates nor TLS on unix sockets.
    const special = tls !== undefined && (tls.clientCa !== undefined || address.transport === "unix");
    const native = one.protocol.native !== false && !special && plan.accept.mode !== "handOff";
    const listening = await (native ? listenNative(options) : listenNode(options));
    scope.defer(() => listening.close());
    one.listenings.push(listening);
    one.addresses.push(listening.address);
  }
}

function readTls(plan: Served["plan"]): ListenOptions["tls"] {
  if (!plan.tls) return undefined;
  const { cert, key, clientCa } = plan.tls;
  return {
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key),
    ...(clientCa ? { clientCa: Deno.readTextFileSync(clientCa) } : {}),
  };
}

/** Sweeps, ticks and the heartbeat: the worker's only timers. */
function beat(
  served: Served[],
  upstreams: Upstreams | undefined,
  stats: SlotWriter,
  scope: Scope,
  clock: Clock,
): void {
  const periodMs = Math.min(
    50,
    upstreams?.periodMs ?? 50,
    ...served.map((one) => one.guard.periodMs),
    ...served.map((one) => one.plan.deadline > 0 ? Math.max(5, one.plan.deadline / 20) : 50),
  );
  const delay = stats.histogram("weir_loop_delay_seconds", {}, {
    unit: "ms",
    help: "How late the worker's timer came",
  });
  const heap = stats.gauge("weir_heap_bytes", {}, "JavaScript heap in use");
  const rss = stats.gauge("weir_rss_bytes", {}, "Resident set size");
  const queued = served.map((one) =>
    stats.gauge("weir_accept_queue_depth", { listener: one.name }, "Connections that wait to be accepted")
  );
  let last = clock.now();
  let slowAt = -Infinity;
  scope.defer(clock.every(periodMs, () => {
    const now = clock.now();
    const lateMs = Math.max(0, now - last - periodMs);
    last = now;
    delay.record(lateMs);
    stats.beat(lateMs, clock.epoch());
    for (const one of served) {
      one.listener.tick();
      one.guard.sweep();
    }
    upstreams?.tick(now);
    if (now - slowAt < 1000) return;
    slowAt = now;
    const memory = Deno.memoryUsage();
    heap.set(memory.heapUsed);
    rss.set(memory.rss);
    served.forEach((one, i) =>
      queued[i]!.set(one.listenings.reduce((sum, it) => sum + Math.max(0, it.queued()), 0))
    );
  }));
}

async function drain(
  served: Served[],
  options: DrainOptions,
  log: Log,
): Promise<number> {
  const end = performance.now() + options.drainMs;
  for (const one of served) one.guard.beginDrain();
  const { steer } = options;
  const listenings = served.flatMap((one) => one.listenings);
  const steered = steer !== null && steerAway(listenings, { ...steer, ...places(options) });
  // What the kernel has queued, or is still shaking hands with, is ours: accept it before the socket goes.
  const adopters = served.flatMap(({ adopter }) => adopter ?? []);
  const settled = performance.now() + (steered || adopters.length > 0 ? steerSettleMs : 0);
  const limit = Math.min(end, performance.now() + 1000);
  while (performance.now() < limit) {
    // What the supervisor handed over comes another way than its word that this was the last.
    const quiet = listenings.every((it) => it.sinceAcceptMs() > 20 && it.queued() <= 0) &&
      adopters.every((it) => it.sinceTakenMs() > 20);
    if (performance.now() >= settled && quiet) break;
    await pause(5);
  }
  for (const listening of listenings) listening.close();
  // Who is told earlier sends new connections to sockets that are about to be closed with them.
  await Promise.race([Promise.all(listenings.map((it) => it.released)), pause(releaseMs)]);
  options.onUnbound?.();
  const graceMs = Math.min(idleGraceMs, options.drainMs / 2);
  const shaking = () => [...listenings, ...adopters].reduce((sum, it) => sum + it.handshakes(), 0);
  const open = () =>
    served.reduce((sum, one) => sum + one.guard.connections.size + one.listener.pending, shaking());
  while (open() > 0 && performance.now() < end) {
    for (const one of served) one.guard.finishIdle(graceMs);
    await pause(5);
  }
  let left = 0;
  for (const one of served) left += one.guard.killAll("drain");
  log.info("drained", { left, steered });
  return left;
}

function places({ places }: DrainOptions): Pick<Steering, "places"> {
  return places ? { places } : {};
}

/** True when at least one group was steered. */
function steerAway(listenings: readonly Listening[], { self, size, places }: Steering): boolean {
  return listenings.map((it) => {
    const place = places?.[it.address] ?? { self, size };
    return place.size > 1 && it.steerAway(place.self, place.size);
  }).some(Boolean);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
