/**
 * One worker in this process in front of real backends to which everything happens that can: they are killed, started
 * again, paused, slow, answer garbage or half; discovery adds and takes away, operators put aside and back, clients leave.
 * What happens follows from a seed; when it happens does not, because the backends are real.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock } from "../../core/clock.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import { createLogging } from "../../core/log/mod.ts";
import { compile } from "../../core/manifest/mod.ts";
import { localStatsMemory } from "../../core/stats/mod.ts";
import { createEndpointFeed } from "../../core/upstream/endpoint_feed.ts";
import { startWorker, type Worker } from "../../core/worker/worker.ts";
import { watchEndpoints } from "../../governance/discovery/mod.ts";
import { protocols, serverFilters, upstreamParts } from "../../protocols.ts";
import { makeCertificates } from "../make_certificates.ts";
import { freePorts, provision, type RunningServer } from "../provision.ts";
import { ChaosBackend } from "./chaos_backend.ts";
import { chaosAsk, type ChaosEnd, type ChaosRequest } from "./chaos_client.ts";
import { openSockets } from "../open_sockets.ts";

/** What to do. */
export interface ChaosOptions {
  seed: number;
  seconds: number;
  clients: number;
  /** So often something happens, ms. */
  eventMs: number;
}

/** What was seen. */
export interface ChaosFigures {
  ends: Record<string, number>;
  /** Complete answers that were none to their request; each is among `ends`, too. */
  wrong: string[];
  events: Record<string, number>;
  /** After it, when all is well again: how the last requests of each kind ended. */
  after: Record<string, number>;
  /** Calls in flight, endpoints' attempts, waiters and dials when nobody asks any more. */
  left: { calls: number; attempts: number; waiters: number; dialling: number };
  /** Connections of pools that are neither idle nor closed then. */
  busy: number;
  /** Open ones; `after` when the worker is gone. */
  sockets: { before: number; after: number };
  heap: { before: number; after: number };
  unhandled: string[];
}

const range = { from: 29_500, to: 29_799 };
const handlers = new URL("./testdata/chaos_handlers.ts", import.meta.url).pathname;
const names = ["users", "secure", "orders"] as const;
const count = 4;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs it. */
export async function chaos(options: ChaosOptions): Promise<ChaosFigures> {
  const unhandled: string[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(String(event.reason instanceof Error ? event.reason.stack : event.reason));
  };
  globalThis.addEventListener("unhandledrejection", note);
  try {
    return { ...await run(options), unhandled };
  } finally {
    globalThis.removeEventListener("unhandledrejection", note);
  }
}

async function run(options: ChaosOptions): Promise<Omit<ChaosFigures, "unhandled">> {
  const { seed, seconds, clients, eventMs } = options;
  const random = mulberry32(seed);
  const certificates = await makeCertificates(["server"]);
  const ports = freePorts(count * 3, range);
  await using stack = new AsyncDisposableStack();
  const backends = Array.from({ length: count }, (_, i) => {
    return stack.use(new ChaosBackend(ports.slice(i * 3, i * 3 + 3), certificates));
  });
  await Promise.all(backends.map((one) => one.start()));
  const [redisPort] = freePorts(1, range);
  const cache = stack.use(await CacheServer.start(redisPort!));
  const place = new Place(backends, certificates);
  await place.tell(backends);
  const before = { sockets: openSockets(), heap: heapUsed() };
  const { worker, port, end } = await serve(certificates, redisPort!);
  const seen = new Set<Endpoint>();
  const watching = setInterval(() => note(worker, seen), 5);
  const ends: Record<string, number> = {};
  const wrong: string[] = [];
  let running = true;
  const asking = Array.from({ length: clients }, async (_, n) => {
    const mine = mulberry32(seed * 1000 + n);
    for (let i = 0; running; i++) {
      const [kind, request] = requestOf(mine, `c${n}n${i}`);
      tally(ends, wrong, kind, await chaosAsk(port, request));
    }
  });
  const events = await wreak({ random, backends, cache, place, worker, seconds, eventMs });
  // Clients go on while everything comes back.
  await Promise.all(backends.map((one) => one.behave(0)));
  await Promise.all(backends.map((one) => one.start()));
  await cache.restart();
  await place.tell(backends);
  await pause(500);
  running = false;
  await Promise.all(asking);
  const after = await calm(port, worker, mulberry32(seed + 1));
  note(worker, seen);
  clearInterval(watching);
  const left = await settledCounts(worker, seen);
  await end();
  for (let n = 0; n < 60 && openSockets() > before.sockets; n++) await pause(50);
  const figures = { sockets: openSockets(), heap: heapUsed() };
  return {
    ends,
    wrong,
    events,
    after,
    ...left,
    sockets: { before: before.sockets, after: figures.sockets },
    heap: { before: before.heap, after: figures.heap },
  };
}

function tally(
  ends: Record<string, number>,
  wrong: string[],
  kind: string,
  { kind: how, text }: ChaosEnd,
): void {
  if (how === "wrong") wrong.push(`${kind}: ${text}`);
  const key = how === "wrong" || text === "" ? `${kind} ${how}` : `${kind} ${how} ${text.slice(0, 60)}`;
  ends[key] = (ends[key] ?? 0) + 1;
}

async function serve(certificates: string, redisPort: number) {
  const quick = { eject: { consecutive: 3, base: "200ms", max: "1s" }, slowStart: "1s" };
  const keys = {
    health: { ...quick, probe: { every: "500ms", timeout: "300ms", path: "/echo?id=probe" } },
    timeouts: { connect: "150ms", attempt: "400ms", total: "2s" },
    pool: { connections: 3, age: "3s", idle: "1s" },
    retry: { attempts: 3, on: ["connect", "reset", 503] },
    breaker: { window: "1s", open: "300ms", minimum: 30, failures: "70%" },
  };
  const { plan, diagnostics } = compile({
    service: "chaos",
    meta: false,
    logs: { level: "error" },
    listeners: {
      api: {
        protocol: "http",
        listen: `127.0.0.1:${freePorts(1, range)[0]}`,
        deadline: "3s",
        routes: [
          { match: { path: "/proxy/*" }, upstream: "users", rewrite: { stripPrefix: "/proxy" } },
          { match: { path: "/secure/*" }, upstream: "secure", rewrite: { stripPrefix: "/secure" } },
          { handler: handlers },
        ],
      },
    },
    upstreams: {
      users: {
        protocol: "http",
        discover: { file: `${certificates}/users.yaml` },
        ...keys,
        hedge: { after: "200ms", budget: "10%" },
      },
      secure: {
        protocol: "http",
        discover: { file: `${certificates}/secure.yaml` },
        ...keys,
        tls: { ca: `${certificates}/ca.pem`, serverName: "localhost" },
        throttle: { concurrency: 16, queue: 32, wait: "100ms" },
      },
      orders: {
        protocol: "frames",
        discover: { file: `${certificates}/orders.yaml` },
        framing: { lengthPrefix: { bytes: 4, endian: "big", includesItself: false }, max: "64KiB" },
        ...keys,
        pool: { ...keys.pool, pipeline: 4 },
        health: quick,
      },
      cache: {
        protocol: "redis",
        discover: { static: [`127.0.0.1:${redisPort}`] },
        ...keys,
        pool: { ...keys.pool, pipeline: 16, heartbeat: "200ms" },
        health: quick,
      },
    },
  });
  if (!plan) throw new Error(JSON.stringify(diagnostics));
  const logging = createLogging(plan.logs, {
    process: { role: "worker", id: 1, pid: Deno.pid, service: "chaos" },
    clock: systemClock,
    console: { write: (lines) => Promise.resolve({ written: lines.length }), close() {} },
  });
  const log = logging.logger("upstreams");
  const feed = createEndpointFeed({
    plan,
    runtimeFolder: null,
    cacheFolder: null,
    clock: systemClock,
    log,
    watchEndpoints,
  });
  const worker = await startWorker({
    plan,
    id: 1,
    slot: 0,
    generation: 1,
    memory: localStatsMemory(2),
    logging,
    protocols,
    filters: serverFilters,
    upstreams: upstreamParts,
    endpoints: feed,
    alone: true,
  });
  const port = Number(worker.addresses.api![0]!.split(":")[1]);
  const end = async () => {
    await worker.close();
    await feed.close();
    await logging.close();
  };
  return { worker, port, end };
}

/** The files of discovery. */
class Place {
  readonly #backends: readonly ChaosBackend[];
  readonly #folder: string;

  constructor(backends: readonly ChaosBackend[], folder: string) {
    this.#backends = backends;
    this.#folder = folder;
  }

  /** Only these are known from now on. */
  async tell(known: readonly ChaosBackend[], weight = 1): Promise<void> {
    for (const [i, name] of names.entries()) {
      const lines = this.#backends.filter((one) => known.includes(one)).map(({ ports }, n) =>
        `- { address: "127.0.0.1:${ports[i]}", weight: ${n === 0 ? weight : 1} }\n`
      );
      const path = `${this.#folder}/${name}.yaml`;
      await Deno.writeTextFile(`${path}.new`, lines.join(""));
      await Deno.rename(`${path}.new`, path);
    }
  }
}

/** A real Redis that is stopped and started on the same port. */
class CacheServer implements AsyncDisposable {
  #server: RunningServer | undefined;
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(port: number): Promise<CacheServer> {
    const cache = new CacheServer(port);
    await cache.restart();
    return cache;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    Deno.kill(server.pid, "SIGKILL");
    await server[Symbol.asyncDispose]();
  }

  async restart(): Promise<void> {
    await this.kill();
    this.#server = await provision("redis", { ports: [this.#port] });
  }

  async pause(ms: number): Promise<void> {
    const server = this.#server;
    if (!server) return;
    Deno.kill(server.pid, "SIGSTOP");
    await pause(ms);
    Deno.kill(server.pid, "SIGCONT");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

interface Wreaking {
  random: () => number;
  backends: readonly ChaosBackend[];
  cache: CacheServer;
  place: Place;
  worker: Worker;
  seconds: number;
  eventMs: number;
}

/** Lets things happen, one after the other; counts them. */
async function wreak({ random, backends, cache, place, worker, seconds, eventMs }: Wreaking) {
  const counts: Record<string, number> = {};
  const any = () => backends[Math.floor(random() * backends.length)]!;
  const address = (name: typeof names[number]) => `127.0.0.1:${any().ports[names.indexOf(name)]}`;
  const told = (action: "eject" | "restore" | "open" | "auto", upstream: typeof names[number]) =>
    worker.upstreams!.obey({
      type: "upstreamCommand",
      upstream,
      action,
      endpoint: action === "eject" || action === "restore" ? address(upstream) : "",
      breaker: "",
      reason: "chaos",
    });
  const someName = () => names[Math.floor(random() * names.length)]!;
  const events: Record<string, () => unknown> = {
    kill: () => any().kill(),
    start: () => Promise.all(backends.map((one) => one.start())),
    pause: () => any().pause(100 + random() * 900),
    wild: () => any().behave(0.2 + random() * 0.6),
    calm: () => any().behave(0),
    fewer: () => place.tell(backends.filter(() => random() < 0.6)),
    all: () => place.tell(backends, 1 + Math.floor(random() * 5)),
    eject: () => told("eject", someName()),
    restore: () => told("restore", someName()),
    "breaker opened": async () => {
      const name = someName();
      told("open", name);
      await pause(100);
      told("auto", name);
    },
    "cache paused": () => cache.pause(100 + random() * 500),
    "cache restarted": () => cache.restart(),
  };
  const kinds = Object.keys(events);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const kind = kinds[Math.floor(random() * kinds.length)]!;
    counts[kind] = (counts[kind] ?? 0) + 1;
    await events[kind]!();
    await pause(eventMs * (0.5 + random()));
  }
  for (const upstream of names) {
    told("auto", upstream);
    for (const { ports } of backends) {
      const endpoint = `127.0.0.1:${ports[names.indexOf(upstream)]}`;
      const command = {
        type: "upstreamCommand",
        upstream,
        action: "restore",
        endpoint,
        breaker: "",
        reason: "",
      } as const;
      worker.upstreams!.obey(command);
    }
  }
  return counts;
}

/** A request that nobody else makes, and its kind. */
function requestOf(random: () => number, id: string, faithful = false): [string, ChaosRequest] {
  const pick = Math.floor(random() * 8);
  const size = random() < 0.8 ? Math.floor(random() * 2000) : Math.floor(random() * 200_000);
  const leaves = !faithful && random() < 0.2;
  const leaveAt = leaves && random() < 0.5 ? Math.floor(random() * 60_000) : Infinity;
  const leaveMs = leaves && leaveAt === Infinity ? random() ** 2 * 300 : Infinity;
  const echo = `${id}:${id.charAt(id.length - 1).repeat(size)}:${id}`;
  const get = (path: string, expected: string): ChaosRequest => ({
    method: "GET",
    path,
    expected,
    leaveAt,
    leaveMs,
  });
  const query = `?id=${id}&size=${size}`;
  const body = Uint8Array.from({ length: size }, (_, i) => (i * 7 + id.length) % 251);
  const sum = body.reduce((all, one) => (all + one) % 65_536, 0);
  const post = (path: string): ChaosRequest => {
    const expected = `${id}:${size}:${sum}`;
    return {
      method: "POST",
      path: `${path}?id=${id}`,
      body,
      chunked: random() < 0.5,
      expected,
      leaveAt,
      leaveMs,
    };
  };
  switch (pick) {
    case 0:
      return ["proxy", get(`/proxy/echo${query}`, echo)];
    case 1:
      return ["tls proxy", get(`/secure/echo${query}`, echo)];
    case 2:
      return ["passed on", get(`/fetch${query}`, echo)];
    case 3:
      return ["whole", get(`/whole${query}`, echo)];
    case 4:
      return ["proxy body", post("/proxy/echo")];
    case 5:
      return [random() < 0.5 ? "tls body" : "fetch body", post(random() < 0.5 ? "/secure/echo" : "/fetch")];
    case 6:
      return ["redis", get(`/redis?id=${id}`, id)];
    default:
      return ["frames", get(`/frames?id=${id}`, `re:${id}`)];
  }
}

/** When all has had time to come back: how 200 requests end. */
async function calm(port: number, worker: Worker, random: () => number): Promise<Record<string, number>> {
  const limit = performance.now() + 10_000;
  while (performance.now() < limit) {
    const all = [...worker.upstreams!.all.values()];
    const well = all.every(({ endpoints }) =>
      endpoints.size > 0 && [...endpoints.values()].every(({ healthy }) => healthy)
    );
    const kinds = {
      "/proxy/echo?id=w": "w::w",
      "/secure/echo?id=w": "w::w",
      "/redis?id=w": "w",
      "/frames?id=w": "re:w",
    };
    const answers = await Promise.all(
      Object.entries(kinds).map(([path, expected]) =>
        chaosAsk(port, { method: "GET", path, expected, leaveAt: Infinity, leaveMs: Infinity })
      ),
    );
    if (well && answers.every(({ kind }) => kind === "right")) break;
    await pause(50);
  }
  const ends: Record<string, number> = {};
  for (let n = 0; n < 200; n += 4) {
    const some = [0, 1, 2, 3].map((i) => requestOf(random, `after${n + i}`, true));
    const got = await Promise.all(some.map(([, request]) => patiently(port, request)));
    for (const [i, end] of got.entries()) {
      const key = end.kind === "right" ? "right" : `${some[i]![0]} ${end.kind} ${end.text}`;
      ends[key] = (ends[key] ?? 0) + 1;
    }
  }
  return ends;
}

/** Refusals are asked again a few times: on a busy machine a reply may take longer than it has. */
async function patiently(port: number, request: ChaosRequest): Promise<ChaosEnd> {
  for (let n = 0; n < 5; n++) {
    const end = await chaosAsk(port, request);
    if (end.kind !== "refused") return end;
    await pause(200);
  }
  return await chaosAsk(port, request);
}

function note(worker: Worker, seen: Set<Endpoint>): void {
  for (const { endpoints } of worker.upstreams!.all.values()) {
    for (const endpoint of endpoints.values()) seen.add(endpoint);
  }
}

/** Waits until probes and the like are through; then what is left is left. */
async function settledCounts(worker: Worker, seen: Set<Endpoint>) {
  const all = [...worker.upstreams!.all.values()];
  const pools = () => all.flatMap((one) => [...one.pools.values()]);
  const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
  let found = { left: { calls: 0, attempts: 0, waiters: 0, dialling: 0 }, busy: 0 };
  for (let n = 0; n < 100; n++) {
    await pause(50);
    found = {
      left: {
        calls: sum(all.map(({ caller }) => caller.inflight)),
        attempts: sum([...seen].map(({ inflight }) => Math.abs(inflight))),
        waiters: sum(pools().map(({ waiters }) => waiters)),
        dialling: sum(pools().map(({ dialling }) => dialling)),
      },
      busy: sum(pools().map(({ size, idle }) => size - idle)),
    };
    if (found.busy === 0 && Object.values(found.left).every((one) => one === 0)) break;
  }
  return found;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes that are still reachable. */
function heapUsed(): number {
  collect();
  return Deno.memoryUsage().heapUsed;
}

function mulberry32(seed: number): () => number {
  return () => {
    let t = seed += 0x6D2B79F5;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
