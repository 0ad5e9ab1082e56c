/**
 * A supervisor for tests: a control socket, a statistics file, and a real governor as child. It speaks core/control.ts and
 * records what it is asked; it supervises nothing.
 */

import { Channel, type ChannelMessage } from "../../core/channel.ts";
import type { ChildStatus, ExitRecord, SupervisorState } from "../../core/control.ts";
import { compile } from "../../core/manifest/mod.ts";
import { createStatsFile, openStatsFile, removeStatsFile, type StatsMemory } from "../../core/stats/mod.ts";

/** How a governor ended, and its last words. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a test may choose. */
export interface FakeOptions {
  /** The `meta` section; `listen: 127.0.0.1:0` where it says nothing. */
  meta?: Record<string, unknown>;
  /** More of the manifest. */
  manifest?: Record<string, unknown>;
  /** Answers commands; the value is the reply, an Error refuses. */
  answer?: (message: ChannelMessage) => unknown;
  /** Send statistics as snapshots instead. */
  snapshots?: boolean;
}

/** The supervisor and its governor. */
export interface FakeSupervisor extends AsyncDisposable {
  /** `http://127.0.0.1:1234`; empty when starting failed. */
  base: string;
  folder: string;
  memory: StatsMemory;
  governorPid: number;
  /** Commands and other messages of the governor, in order. */
  heard: ChannelMessage[];
  state: SupervisorState;
  /** Sends a state with `change` in it; resolves when the governor has taken it. */
  tell(change: Partial<SupervisorState>): Promise<void>;
  channel: Channel;
  /** How the governor ended. */
  ended: Promise<Ended>;
}

/** A manifest with everything the pages show. */
export const manifest = {
  service: "shop",
  version: "2.1.0",
  listeners: {
    api: { protocol: "http", listen: "127.0.0.1:0", handler: "./handler.ts", deadline: "2s" },
    lines: {
      protocol: "frames",
      listen: "127.0.0.1:0",
      framing: { delimiter: "\n" },
      handler: "./handler.ts",
    },
    jobs: {
      protocol: "kafka",
      brokers: ["127.0.0.1:9092", "[::1]:9092"],
      topic: "jobs",
      group: "shop",
      handler: "./handler.ts",
      tls: {},
      sasl: { username: "shop", password: "canary-7d1f-sasl" },
    },
  },
  streams: {
    decisions: {
      kafka: { brokers: ["127.0.0.1:9092"], topic: "decisions" },
      spool: { max: "1MiB", full: "dropOldest" },
    },
    audit: { file: "./audit.jsonl" },
    silent: { stdout: {} },
  },
  upstreams: {
    users: {
      protocol: "http",
      discover: { dns: { name: "localhost", port: 80, every: "1h" } },
      retry: {},
      breaker: { per: "method" },
      throttle: { concurrency: 64 },
    },
    cache: { protocol: "redis", discover: { static: ["127.0.0.1:6379"] }, redis: { password: "canary-7d1f-redis" } },
  },
  pools: { crypto: { kind: "cpu", threads: 2, queue: 16 } },
};

const token = "hello-token";

/** Starts both; resolves when the governor is ready or has failed. */
export async function startFake(options: FakeOptions = {}): Promise<FakeSupervisor> {
  const folder = await Deno.makeTempDir({ prefix: "weir-meta-" });
  await Deno.writeTextFile(`${folder}/handler.ts`, "export default () => new Response('ok');\n");
  const source = { ...manifest, ...options.manifest, meta: { listen: "127.0.0.1:0", ...options.meta } };
  const { plan, diagnostics } = compile(source, { cwd: folder });
  if (!plan) throw new Error(diagnostics.map((one) => one.message).join("\n"));
  const statsPath = `${folder}/stats`;
  createStatsFile(statsPath, { slots: 8 });
  const memory = openStatsFile(statsPath);
  const socketPath = `${folder}/control.sock`;
  const listener = Deno.listen({ transport: "unix", path: socketPath });
  const heard: ChannelMessage[] = [];
  const started = Promise.withResolvers<ChannelMessage>();
  const state = firstState(plan.version ?? "");
  const child = spawnGovernor(socketPath);
  const ended = endOf(child);

  const conn = await Promise.race([listener.accept(), ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  const channel = new Channel(conn, {
    onMessage(message, from) {
      if (message.type === "hello") {
        if (message.token !== token) throw new Error("wrong token");
        const worker = { id: 0, slot: 7, generation: 1, of: 1 };
        const stats = { path: options.snapshots ? null : statsPath };
        from.send({ type: "plan", plan, worker, stats, runtimeFolder: folder, label: "governor" });
        from.send({ ...state });
        return;
      }
      heard.push(message);
      if (message.type === "ready" || message.type === "failed") return started.resolve(message);
      const answer = options.answer?.(message) ?? { ok: true };
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const first = await started.promise;
  const addresses = (first.addresses ?? {}) as Record<string, string[]>;
  const address = addresses.meta?.[0];
  const fake: FakeSupervisor = {
    base: address ? `http://${address}` : "",
    folder,
    memory,
    governorPid: child.pid,
    heard,
    state,
    channel,
    ended,
    async tell(change) {
      Object.assign(state, change);
      channel.send({ ...state });
      // Messages are taken in order, so an answer to a later one says that the state is there.
      await channel.request({ type: "stack", inspector: "", timeoutMs: 1 }, 5_000).catch(() => {});
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      channel.close();
      await ended;
      removeStatsFile(statsPath);
      await Deno.remove(folder, { recursive: true });
    },
  };
  return fake;
}

function spawnGovernor(socketPath: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--unstable-net", "--no-prompt", new URL("../../governor.ts", import.meta.url).pathname],
    env: {
      WEIR_CONTROL: socketPath,
      WEIR_TOKEN: token,
      WEIR_ROLE: "governor",
      WEIR_CHILD_ID: "0",
      WEIR_SUPERVISOR: String(Deno.pid),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function endOf(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function firstState(version: string): SupervisorState {
  return {
    type: "state",
    service: "shop",
    version,
    weir: "0.1.0",
    pid: Deno.pid,
    startedAt: Date.now() - 3_600_000,
    generation: 1,
    phase: "running",
    ready: true,
    notReady: [],
    children: [],
    exits: [],
    addresses: { api: ["127.0.0.1:8080"], lines: ["127.0.0.1:7000"] },
    lastReload: null,
  };
}

/** A process for the state. */
export function childStatus(change: Partial<ChildStatus> = {}): ChildStatus {
  return {
    role: "worker",
    id: 0,
    slot: 0,
    generation: 1,
    pid: Deno.pid,
    state: "ready",
    startedAt: Date.now() - 600_000,
    readyAt: Date.now() - 599_000,
    rssBytes: 80 * 1024 * 1024,
    inspector: "",
    ...change,
  };
}

/** An exit for the state. */
export function exitRecord(change: Partial<ExitRecord> = {}): ExitRecord {
  return {
    role: "worker",
    id: 0,
    pid: 4242,
    at: Date.now() - 60_000,
    cause: "signal SIGKILL",
    expected: false,
    uptimeMs: 90_000,
    detail: "Error: out of patience\n    at work (file:///service/handler.ts:12:3)",
    ...change,
  };
}
