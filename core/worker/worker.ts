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
import type { Plan } from "../manifest/plan.ts";
import type { Pool } from "../pool/mod.ts";
import type { Protocol, SocketProtocol } from "../protocol.ts";
import { Scope } from "../scope.ts";
import type { ServerFilterKind } from "../server_filter.ts";
import type { SlotWriter, StatsMemory } from "../stats/mod.ts";
import type { Streams } from "../stream/contract.ts";
import type { UpstreamParts } from "../upstream/contract.ts";
import type { EndpointFeed } from "../endpoint.ts";
import type { Upstreams } from "../upstream/upstreams.ts";
import { beat } from "./beat.ts";
import { bind, handshake, serveOn } from "./bind.ts";
import type { RequestCall } from "./call.ts";
import { drain, type DrainOptions, pause, steerAway, type Steering } from "./drain.ts";
import { type Accepted, Guard } from "./guard.ts";
import { GuardedConnection } from "./guarded_connection.ts";
import { HandlerModules } from "./handler_modules.ts";
import { Listener } from "./listener.ts";
import type { Loops } from "./loops.ts";
import { refuser } from "./refuser.ts";
import type { Served, ServedSockets } from "./served.ts";
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
  protocols: readonly (Protocol<any, any, any> | SocketProtocol<any, any, any>)[];
  filters: readonly ServerFilterKind[];
  /** What upstreams are built with; needed where the plan declares any. */
  upstreams?: UpstreamParts;
  /** Where endpoints come from; those written in the manifest unless given. */
  endpoints?: EndpointFeed;
  clock?: Clock;
  /** No supervisor accepts for it: it binds every address itself. */
  alone?: boolean;
  /** A loop that is `fatal` failed: the process is to end. Unless given the worker drains by itself. */
  onFatal?: (cause: string, error: unknown) => void;
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
  /** Stops as core/control's Drain says; resolves with the number of connections and loops that had to be cut. */
  drain(options: DrainOptions): Promise<number>;
  /** Frees everything at once. */
  close(): Promise<void>;
}

/** Longest time that a worker waits for the connections to its upstreams before it serves. */
const upstreamsReadyMs = 5000;

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
  const streams = await openStreams(init, stats, scope, clock);
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
    stream: (name) => spooled(streams, name).handle(name, startContext),
    mark: (text) => stats.mark(text),
  };
  const handlers = new HandlerModules(startContext, scope);

  /** Handlers that pool threads are loading. */
  const loading: Promise<void>[] = [];
  const served: Served[] = [];
  const sockets: ServedSockets[] = [];
  for (const [name, listenerPlan] of Object.entries(plan.listeners)) {
    const protocol = init.protocols.find((one) => one.name === listenerPlan.protocol);
    if (!protocol) {
      throw new TypeError(`Cannot serve listeners.${name}: no protocol ${listenerPlan.protocol}`);
    }
    if (protocol.kind === "protocol") {
      served.push(await makeListener(name, listenerPlan as Served["plan"], protocol));
    } else sockets.push(await makeSockets(name, listenerPlan, protocol));
  }
  const loops = await makeLoops();
  await Promise.all([...[...pools.values()].map((pool) => pool.ready), ...loading]);
  await upstreams?.ready(upstreamsReadyMs);
  for (const one of served) await bind(one, init.alone ?? false, log, scope);
  for (const one of sockets) one.addresses.push(...await one.server.open());
  beat(served, sockets, upstreams, stats, scope, clock);
  stats.state("ready");
  loops?.start(scope);

  /** Loaded only where there are loops. */
  async function makeLoops(): Promise<Loops | undefined> {
    if (Object.keys(plan.loops).length === 0) return undefined;
    const { Loops } = await import("./loops.ts");
    return await Loops.make({
      plan,
      worker: id,
      generation,
      alone: init.alone ?? false,
      shared: init.memory.shared,
      stats,
      clock,
      logger: (name) => logging.logger(name),
      load: (handler) => handlers.load(handler),
      host: {
        userStats: user,
        config,
        pool: (name, call) => poolHandle(poolOf(pools, name), call),
        upstreamHandle: (name, call) => declared(upstreams, name).handle(name, call),
        streamHandle: (name, call) => spooled(streams, name).handle(name, call),
      },
      onFatal: init.onFatal ?? ((cause) => {
        log.error("the worker ends", { cause });
        worker.drain({ keepAcceptingMs: 0, drainMs: plan.workers.drain, steer: null })
          .catch((error) => log.error("drain failed", { error }));
      }),
    }, scope.child("loops"));
  }

  function listenerOf(
    name: string,
    listenerPlan: { deadline: number },
    guard: { now: number },
    listenerScope: Scope,
  ): Listener {
    const listenerLog = logging.logger(`listeners.${name}`);
    const filters = init.filters.flatMap((kind) =>
      kind.make({ listener: name, plan: listenerPlan, stats, log: listenerLog, clock }, listenerScope) ?? []
    );
    return new Listener({
      name,
      member: `${plan.service}-${name}-${id}`,
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
      streamHandle: (stream, call) => spooled(streams, stream).handle(stream, call),
      upstream: (upstream) => declared(upstreams, upstream).caller(upstream),
      onPool: (poolName, adapter, handler) => {
        const service = poolOf(pools, poolName).bind(adapter, handler);
        loading.push(service.ready);
        return service;
      },
    });
  }

  async function makeSockets(
    name: string,
    listenerPlan: { deadline: number },
    // deno-lint-ignore no-explicit-any
    protocol: SocketProtocol<any, any, any>,
  ): Promise<ServedSockets> {
    const listenerScope = scope.child(name);
    const listener = listenerOf(name, listenerPlan, { now: clock.now() }, listenerScope);
    const server = await protocol.make(listener, listenerScope);
    return { name, plan: listenerPlan, listener, server, addresses: [] };
  }

  async function makeListener(
    name: string,
    listenerPlan: Served["plan"],
    protocol: Served["protocol"],
  ): Promise<Served> {
    const listenerScope = scope.child(name);
    const listenerLog = logging.logger(`listeners.${name}`);
    const guard = new Guard(name, listenerPlan.accept, { stats, clock, log: listenerLog });
    const listener = listenerOf(name, listenerPlan, guard, listenerScope);
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

  const worker: Worker = {
    stats,
    upstreams,
    addresses: Object.fromEntries([...served, ...sockets].map((one) => [one.name, one.addresses])),
    adopt(name, socket) {
      const adopter = served.find((it) => it.name === name)?.adopter;
      if (adopter) adopter.take(socket as Socket);
      else (socket as Socket).destroy();
    },
    steerAway: (place) => void steerAway(served.flatMap((one) => one.listenings), place),
    unsteer: () => served.forEach((one) => one.listenings.forEach((it) => it.unsteer())),
    async drain(options) {
      stats.state("draining");
      const loopsOver = loops?.drain(options.keepAcceptingMs + options.drainMs) ?? 0;
      if (options.keepAcceptingMs > 0) await pause(options.keepAcceptingMs);
      const left = await drain(served, sockets, options, log) + await loopsOver;
      await scope.close();
      return left;
    },
    close: () => scope.close(),
  };
  return worker;
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
    feed: init.endpoints ?? planFeed(plan, init.logging.logger("upstreams"), clock),
    stats,
    tables: stats,
    shared: memory.shared,
    clock,
    logger: (name) => logging.logger(name),
  }, scope.child("upstreams"));
}

/** Loaded only where there are streams. */
async function openStreams(
  init: WorkerInit,
  stats: SlotWriter,
  scope: Scope,
  clock: Clock,
): Promise<Streams | undefined> {
  const { plan, id, logging } = init;
  if (Object.keys(plan.streams).length === 0) return undefined;
  const { openSpools, prepareSpools } = await import("../stream/spools.ts");
  await prepareSpools(plan);
  const streams = openSpools({
    plan,
    role: "worker",
    id,
    stats,
    clock,
    logger: (name) => logging.logger(name),
  });
  logging.attachStreams((name, line) => streams.offerEncoded(name, line));
  scope.defer(async () => {
    // Lines of its last requests belong into the spool, too.
    await logging.detachStreams();
    await streams.close();
  });
  return streams;
}

function spooled(streams: Streams | undefined, name: string): Streams {
  if (!streams) throw new TypeError(`There is no stream "${name}"; the manifest declares none`);
  return streams;
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
