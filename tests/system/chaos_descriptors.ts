/** A worker in a process that may have few descriptors, and clients that take them all. Linux. */
import { freePorts } from "../provision.ts";
import { type Answer, pause, UpstreamClient } from "./upstream_callers.ts";

const program = new URL("./testdata/few_descriptors.ts", import.meta.url).pathname;
const range = { from: 29_400, to: 29_500 };

/** See the module's header. */
export class ShortOfDescriptors implements AsyncDisposable {
  /** Addresses of one backend that answers with `ok`. */
  readonly addresses: readonly string[];
  readonly #backend: Deno.HttpServer;
  readonly #fillers: Deno.Conn[] = [];
  readonly #limit: number;
  #port = 0;
  #child: Deno.ChildProcess | undefined;
  #asker: UpstreamClient | undefined;

  constructor(limit: number, endpoints: number) {
    this.#limit = limit;
    const [port] = freePorts(1, range);
    this.#backend = Deno.serve({ hostname: "0.0.0.0", port: port!, onListen() {} }, () => new Response("ok"));
    this.addresses = Array.from({ length: endpoints }, (_, i) => `127.0.0.${i + 1}:${port}`);
  }

  /** Starts the worker with a route to each upstream, and connects the one client that will ask. */
  async start(upstreams: Record<string, unknown>): Promise<void> {
    [this.#port] = freePorts(1, range) as [number];
    const routes = Object.keys(upstreams).map((name) => ({ match: { path: `/${name}` }, upstream: name }));
    const manifest = {
      service: "descriptors",
      meta: false,
      logs: { level: "error" },
      listeners: { api: { protocol: "http", listen: `127.0.0.1:${this.#port}`, routes } },
      upstreams,
    };
    const run = `ulimit -n ${this.#limit} && exec "$0" run -A --no-check --unstable-net "$1" "$2"`;
    this.#child = new Deno.Command("sh", {
      args: ["-c", run, Deno.execPath(), program, JSON.stringify(manifest)],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await this.#child.stdout.getReader().read();
    this.#asker = new UpstreamClient(this.#port);
    await this.#asker.connect();
    // The runtime's own handler of SIGUSR1 is there after half a second, and takes none of the descriptors then.
    await pause(700);
  }

  get used(): number {
    return [...Deno.readDirSync(`/proc/${this.#child!.pid}/fd`)].length;
  }

  /** Connects clients until several in a row are not taken any more. */
  async fill(): Promise<void> {
    for (let waiting = 0; waiting < 3;) {
      const before = this.used;
      this.#fillers.push(await Deno.connect({ hostname: "127.0.0.1", port: this.#port }));
      for (let n = 0; n < 50 && this.used === before; n++) await pause(4);
      waiting = this.used > before ? 0 : waiting + 1;
    }
  }

  /** They leave; resolves when their descriptors are free. */
  async empty(): Promise<void> {
    const before = this.used;
    const left = this.#fillers.splice(0);
    for (const conn of left) conn.close();
    for (let n = 0; n < 500 && this.used > before - left.length / 2; n++) await pause(10);
  }

  ask(name: string): Promise<Answer & { body: string }> {
    return this.#asker!.ask(`/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#asker?.close();
    for (const conn of this.#fillers) conn.close();
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    await this.#backend.shutdown();
  }
}
