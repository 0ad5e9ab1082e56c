import assert from "node:assert/strict";
import { rigs } from "../../governance/discovery/testdata/rigs.ts";
import { run } from "../../mod.ts";

/** `discover` as a manifest says it, for a server on `port`. */
const sources: Readonly<Record<string, (port: number) => Record<string, unknown>>> = {
  dns: () => ({ dns: { name: "users.test", port: 8080, every: "100ms" } }),
  etcd: (port) => ({ etcd: { endpoints: [`127.0.0.1:${port}`], prefix: "/services/users/" } }),
  zookeeper: (port) => ({ zookeeper: { connect: `127.0.0.1:${port}`, path: "/services/users" } }),
};

for (const [kind, discover] of Object.entries(sources)) {
  Deno.test(`the service answers on when ${kind} is killed, and starts again without it`, async () => {
    await using rig = await rigs[kind]!();
    await using folder = await TemporaryFolder.make();
    using _environment = new Environment({
      XDG_CACHE_HOME: `${folder.path}/cache`,
      // The runtime's own cache stays where it is.
      DENO_DIR: runtimeCache(),
      WEIR_DNS_SERVERS: `127.0.0.1:${rig.port}`,
    });
    await using _two = backend("127.0.0.2");
    await using _three = backend("127.0.0.3");
    await rig.put(2);
    const path = `${folder.path}/service.yaml`;
    const manifest = {
      service: `without-${kind}`,
      workers: { count: 2, drain: "1s" },
      meta: { listen: "127.0.0.1:0" },
      logs: { level: "error" },
      listeners: { web: { protocol: "http", listen: "127.0.0.1:0", routes: [{ upstream: "users" }] } },
      upstreams: { users: { protocol: "http", required: true, discover: discover(rig.port) } },
    };
    await Deno.writeTextFile(path, JSON.stringify(manifest));
    {
      await using service = await run(path);
      await service.ready;
      const url = `http://${service.addresses.web![0]}/`;
      await using load = new Load(url);
      await load.until("only the first endpoint answers", (hosts) => hosts.has("127.0.0.2"));
      await rig.put(3);
      await load.until("both endpoints answer", (hosts) => hosts.size === 2);
      await rig.crash();
      const before = load.answered;
      await load.until("answers without the server", () => load.answered > before + 500, 3000);
      assert.deepEqual(load.failures, []);
    }
    // The server is still gone.
    await using service = await run(path);
    await service.ready;
    await using load = new Load(`http://${service.addresses.web![0]}/`);
    await load.until("both endpoints are known from the last time", (hosts) => hosts.size === 2);
    assert.deepEqual(load.failures, []);
  });
}

function runtimeCache(): string {
  const given = Deno.env.get("DENO_DIR");
  if (given) return given;
  const base = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  return `${base}/deno`;
}

/** A backend that says where it is. */
function backend(hostname: string): Deno.HttpServer {
  return Deno.serve({ hostname, port: 8080, onListen() {} }, () => new Response(hostname));
}

/** Four clients that ask without a pause. */
class Load implements AsyncDisposable {
  answered = 0;
  readonly failures: string[] = [];
  #hosts = new Set<string>();
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(url: string) {
    this.#running = Array.from({ length: 4 }, () => this.#run(url));
  }

  /** Resolves when that is so for the hosts that have answered, and `leastMs` have passed; rejects after 20 s. */
  async until(what: string, holds: (hosts: ReadonlySet<string>) => boolean, leastMs = 0): Promise<void> {
    this.#hosts = new Set();
    const begin = performance.now();
    while (!holds(this.#hosts) || performance.now() - begin < leastMs) {
      if (performance.now() - begin > 20_000) {
        throw new Error(`Not so after 20 s: ${what}; ${this.failures[0]}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #run(url: string): Promise<void> {
    while (!this.#stopped) {
      const response = await fetch(url).catch((error) => new Response(String(error), { status: 599 }));
      const text = await response.text();
      if (response.status === 200) {
        this.answered++;
        this.#hosts.add(text);
      } else this.failures.push(`${response.status} ${text}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TemporaryFolder> {
    return new TemporaryFolder(await Deno.makeTempDir({ prefix: "weir-registry-" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Variables that children inherit, for as long as it is in scope. */
class Environment implements Disposable {
  readonly #before: [string, string | undefined][];

  constructor(variables: Record<string, string>) {
    this.#before = Object.keys(variables).map((name) => [name, Deno.env.get(name)]);
    for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  }

  [Symbol.dispose](): void {
    for (const [name, value] of this.#before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}
