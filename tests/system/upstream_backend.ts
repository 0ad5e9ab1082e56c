/** Processes that upstreams lead to in these tests: they answer as they are told, count, and can be killed. */
import { freePorts } from "../provision.ts";

/** Ports of everything in these tests. */
export const portRange = { from: 25_000, to: 25_800 };

/** So many ports that are free now. */
export function somePorts(count: number): number[] {
  return freePorts(count, portRange);
}

/** What a port answers from now on. */
export interface Behaviour {
  status?: number;
  delayMs?: number;
  /** No answer until the client is gone. */
  hold?: boolean;
  /** File that gets the number of each request as soon as it is there. */
  journal?: string;
}

/** What a port has got. See testdata/upstream_backend.ts. */
export interface BackendCounts {
  requests: number;
  left: number;
  leftAt: number;
  deadlines: number[];
  times: number[];
}

const program = new URL("./testdata/upstream_backend.ts", import.meta.url).pathname;
const encoder = new TextEncoder();

/** One process that serves on some ports of one address. */
export class Backend implements AsyncDisposable {
  readonly ports: readonly number[];
  readonly #host: string;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  #killed = false;

  private constructor(host: string, ports: readonly number[], child: Deno.ChildProcess) {
    this.#host = host;
    this.ports = ports;
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Resolves once it listens. `before` is put in front of the command: `ip netns exec <name>`. */
  static async start(
    ports: readonly number[],
    options: { host?: string; before?: readonly string[] } = {},
  ): Promise<Backend> {
    const { host = "127.0.0.1", before = [] } = options;
    const run = [Deno.execPath(), "run", "-A", "--no-check", program, host, ...ports.map(String)];
    const [command, ...args] = [...before, ...run];
    const child = new Deno.Command(command!, { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
      .spawn();
    const backend = new Backend(host, ports, child);
    await backend.#line();
    return backend;
  }

  /** As `discover: { static }` has them. */
  get addresses(): string[] {
    return this.ports.map((port) => `${this.#host}:${port}`);
  }

  /** All ports do this from now on, or the one that is named. */
  async set(behaviour: Behaviour, port?: number): Promise<void> {
    const ports = port === undefined ? this.ports : [port];
    await this.#ask({ set: Object.fromEntries(ports.map((one) => [one, behaviour])) });
  }

  /** In the order of its ports; `times` since it was asked last. */
  async counts(): Promise<BackendCounts[]> {
    const counts = await this.#ask({});
    return this.ports.map((port) => counts[port]!);
  }

  /** Ends it at once; resolves when it is gone. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    if (this.#killed) return;
    this.#killed = true;
    this.#child.kill(signal);
    await this.#child.status;
    await Promise.allSettled([this.#writer.close(), this.#reader.cancel()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #ask(message: unknown): Promise<Record<string, BackendCounts>> {
    await this.#writer.write(encoder.encode(`${JSON.stringify(message)}\n`));
    return JSON.parse(await this.#line());
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const { value } = await this.#reader.read();
      if (value === undefined) throw new Error("The backend ended before it answered");
      this.#text += value;
    }
  }
}

/** Established TCP connections to `port` of `host`, seen from the side that opened them. Linux. */
export async function connectionsTo(port: number, host = "127.0.0.1"): Promise<number> {
  const address = host.split(".").map((part) => Number(part).toString(16).padStart(2, "0")).reverse().join(
    "",
  );
  const wanted = `${address}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
  const lines = (await Deno.readTextFile("/proc/net/tcp")).split("\n");
  return lines.filter((line) => {
    const [, , remote, state] = line.trim().split(/\s+/);
    return remote === wanted && state === "01";
  }).length;
}
