/** A real source of each kind, as the conformance suite needs it: put an endpoint, take it away, crash, come back. */
import zookeeper from "node-zookeeper-client";
import { Buffer } from "node:buffer";
import { provision, type RunningServer, type servers } from "../../../tests/provision.ts";
import type { DiscoverPlan } from "../../../core/upstream/endpoint_feed_source.ts";
import type { Discovery } from "../discovery.ts";
import { dnsDiscovery } from "../dns.ts";
import { etcdDiscovery } from "../etcd.ts";
import { fileDiscovery } from "../file.ts";
import { zookeeperDiscovery } from "../zookeeper.ts";

const range = { from: 20_000, to: 20_799 };

/** One source that runs. Endpoints are `127.0.0.<number>:8080`. */
export interface Rig extends AsyncDisposable {
  readonly discovery: Discovery;
  readonly plan: DiscoverPlan;
  /** Of the server; 0 where there is none. */
  readonly port: number;
  put(number: number): Promise<void>;
  take(number: number): Promise<void>;
  /** kill -9, or what comes nearest. */
  crash(): Promise<void>;
  /** Runs again, with what it knew. */
  revive(): Promise<void>;
}

/** A server that can be killed and started again with its data. */
export class Crashable implements AsyncDisposable {
  #server: RunningServer;
  readonly #kind: keyof typeof servers;
  readonly folder: string;

  private constructor(kind: keyof typeof servers, folder: string, server: RunningServer) {
    this.#kind = kind;
    this.folder = folder;
    this.#server = server;
  }

  static async start(kind: keyof typeof servers, prepare?: (folder: string) => void): Promise<Crashable> {
    const folder = await Deno.makeTempDir({ prefix: `weir-${kind}-` });
    prepare?.(folder);
    return new Crashable(kind, folder, await provision(kind, { folder, range, startMs: 60_000 }));
  }

  get port(): number {
    return this.#server.ports[0]!;
  }

  signal(signal: Deno.Signal): void {
    Deno.kill(this.#server.pid, signal);
  }

  async crash(): Promise<void> {
    this.signal("SIGKILL");
    await this.#server.stop();
  }

  async revive(): Promise<void> {
    const { ports } = this.#server;
    this.#server = await provision(this.#kind, { folder: this.folder, ports, startMs: 60_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function addressOf(number: number): string {
  return `127.0.0.${number}:8080`;
}

async function dnsRig(): Promise<Rig> {
  const server = await Crashable.start("dnsmasq");
  const numbers = new Set<number>();
  const write = async (_done?: unknown) => {
    const lines = [...numbers].map((number) => `127.0.0.${number} users.test\n`);
    await Deno.writeTextFile(`${server.folder}/hosts`, lines.join(""));
    server.signal("SIGHUP");
  };
  return {
    discovery: dnsDiscovery({ servers: [`127.0.0.1:${server.port}`], timeoutMs: 300 }),
    plan: { dns: { name: "users.test", port: 8080, srv: null, every: 100 } } as DiscoverPlan,
    port: server.port,
    put: (number) => write(numbers.add(number)),
    take: (number) => write(numbers.delete(number)),
    crash: () => server.crash(),
    revive: () => server.revive(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function fileRig(): Promise<Rig> {
  const folder = await Deno.makeTempDir({ prefix: "weir-endpoints-" });
  const numbers = new Set<number>();
  const path = `${folder}/users.yaml`;
  // Replaced by another file, as editors and deployments do.
  const write = async (_done?: unknown) => {
    const lines = [...numbers].map((number) => `- ${addressOf(number)}\n`);
    await Deno.writeTextFile(`${path}.new`, lines.join(""));
    await Deno.rename(`${path}.new`, path);
  };
  return {
    discovery: fileDiscovery,
    plan: { file: path } as DiscoverPlan,
    port: 0,
    put: (number) => write(numbers.add(number)),
    take: (number) => write(numbers.delete(number)),
    crash: () => Deno.remove(path),
    revive: () => write(),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** One request to etcd's gateway. */
export async function askEtcd(
  port: number,
  path: string,
  body: unknown,
  token = "",
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: token === "" ? {} : { authorization: token },
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`etcd says ${response.status}: ${answer}`);
  return JSON.parse(answer);
}

async function etcdRig(): Promise<Rig> {
  const server = await Crashable.start("etcd");
  const key = (number: number) => btoa(`/services/users/${addressOf(number)}`);
  return {
    discovery: etcdDiscovery({ timeoutMs: 1000, checkMs: 500 }),
    plan: etcdPlan(server.port),
    port: server.port,
    put: async (number) => void await askEtcd(server.port, "kv/put", { key: key(number), value: "" }),
    take: async (number) => void await askEtcd(server.port, "kv/deleterange", { key: key(number) }),
    crash: () => server.crash(),
    revive: () => server.revive(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** `discover` for `/services/users/` on that port. */
export function etcdPlan(
  port: number,
  login: { user: string; password: string } | null = null,
): DiscoverPlan {
  return {
    etcd: {
      endpoints: [{ transport: "tcp", hostname: "127.0.0.1", port }],
      prefix: "/services/users/",
      user: login?.user ?? null,
      password: login?.password ?? null,
    },
  } as DiscoverPlan;
}

/** Does something with a client that this project did not write. */
export async function withZookeeper(
  port: number,
  // deno-lint-ignore no-explicit-any
  act: (call: (name: string, ...args: any[]) => Promise<unknown>) => Promise<unknown>,
): Promise<void> {
  const client = zookeeper.createClient(`127.0.0.1:${port}`, { sessionTimeout: 10_000, spinDelay: 50 });
  const connected = new Promise<void>((resolve) => client.once("connected", () => resolve()));
  client.connect();
  await connected;
  try {
    await act((name, ...args) =>
      new Promise((resolve, reject) =>
        client[name](...args, (error: Error | null, value: unknown) => error ? reject(error) : resolve(value))
      )
    );
  } finally {
    const closed = new Promise<void>((resolve) => client.once("disconnected", () => resolve()));
    client.close();
    await closed;
  }
}

async function zookeeperRig(): Promise<Rig> {
  const server = await Crashable.start("zookeeper");
  const path = (number: number) => `/services/users/${addressOf(number)}`;
  await withZookeeper(server.port, (call) => call("mkdirp", "/services/users"));
  return {
    discovery: zookeeperDiscovery({ timeoutMs: 3000 }),
    plan: zookeeperPlan(server.port),
    port: server.port,
    put: (number) => withZookeeper(server.port, (call) => call("create", path(number), Buffer.from(""))),
    take: (number) => withZookeeper(server.port, (call) => call("remove", path(number), -1)),
    crash: () => server.crash(),
    revive: () => server.revive(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** `discover` for `/services/users` on that port. */
export function zookeeperPlan(port: number, auth: string | null = null): DiscoverPlan {
  return { zookeeper: { connect: `127.0.0.1:${port}`, path: "/services/users", auth } } as DiscoverPlan;
}

/** Every kind that can change. */
export const rigs: Readonly<Record<string, () => Promise<Rig>>> = {
  dns: dnsRig,
  file: fileRig,
  etcd: etcdRig,
  zookeeper: zookeeperRig,
};
