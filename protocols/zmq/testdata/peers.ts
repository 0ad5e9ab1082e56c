/**
 * Peers that this project did not write: pyzmq on libzmq of the distribution, and the package zeromq on Node. Each is a
 * process that does what it is told, line by line. What is missing is installed; what cannot be had fails with its name.
 */
import assert from "node:assert/strict";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { install } from "../../../tests/provision.ts";

export type PeerName = "python" | "node";

const encoder = new TextEncoder();
const systemPython = "/usr/bin/python3";

/** A running peer; dispose of it to end it. */
export class Peer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #folder: string | undefined;
  readonly pid: number;

  private constructor(child: Deno.ChildProcess, folder: string | undefined) {
    this.#child = child;
    this.pid = child.pid;
    this.#folder = folder;
    this.#lines = linesOf(child.stdout);
    this.#writer = child.stdin.getWriter();
  }

  static async start(name: PeerName): Promise<Peer> {
    const { command, folder } = name === "python" ? await pythonPeer() : await nodePeer();
    const child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const peer = new Peer(child, folder);
    const { ready } = await peer.#next();
    assert.match(String(ready), /^4\./);
    return peer;
  }

  /** Does one thing; throws what went wrong with it. */
  async do(command: Record<string, unknown>): Promise<Record<string, unknown>> {
    await this.#writer.write(encoder.encode(JSON.stringify(command) + "\n"));
    const answer = await this.#next();
    if (answer.error !== undefined) throw new Error(`${command.do}: ${answer.error}`);
    return answer;
  }

  async send(socket: string, ...parts: Array<string | Uint8Array>): Promise<void> {
    await this.do({ do: "send", socket, parts: parts.map(toBase64) });
  }

  /** Null where nothing came in time. */
  async receive(socket: string, timeoutMs = 5000): Promise<Uint8Array[] | null> {
    const { parts } = await this.do({ do: "receive", socket, timeoutMs });
    return parts === null ? null : (parts as string[]).map((part) => Uint8Array.fromBase64(part));
  }

  /** The parts as text. */
  async receiveText(socket: string, timeoutMs = 5000): Promise<string[] | null> {
    const parts = await this.receive(socket, timeoutMs);
    return parts && parts.map((part) => new TextDecoder().decode(part));
  }

  async #next(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the peer has ended");
    return JSON.parse(value);
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It is gone already.
    }
    await this.#child.status;
    await this.#writer.abort().catch(() => {});
    await this.#lines.return(undefined).catch(() => {});
    if (this.#folder) await Deno.remove(this.#folder, { recursive: true });
  }
}

export function toBase64(part: string | Uint8Array): string {
  return (typeof part === "string" ? encoder.encode(part) : part).toBase64();
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** The Python that has pyzmq and msgpack. */
export async function pythonWithZmq(): Promise<string> {
  for (const [module, name] of [["zmq", "python3-zmq"], ["msgpack", "python3-msgpack"]] as const) {
    if (await imports(module)) continue;
    const trouble = await install(name);
    if (!await imports(module)) {
      throw new Error(`Cannot run this test: Python's ${module} is missing, and ${name} not to be had: ${trouble}`);
    }
  }
  return systemPython;
}

async function pythonPeer(): Promise<{ command: string[]; folder?: undefined }> {
  return { command: [await pythonWithZmq(), new URL("peer.py", import.meta.url).pathname] };
}

async function imports(module: string): Promise<boolean> {
  try {
    const command = new Deno.Command(systemPython, { args: ["-c", `import ${module}`], stdin: "null", stderr: "null" });
    return (await command.output()).success;
  } catch {
    return false;
  }
}

/** Node finds the package, and the one it needs, through links into the cache where Deno keeps them. */
async function nodePeer(): Promise<{ command: string[]; folder: string }> {
  const name = "zeromq";
  await import(`${name}/lib/util.js`);
  const manifest = findPackageJSON(name, import.meta.url)!;
  const loader = join(dirname(manifest), "..", "..", "cmake-ts");
  const [version] = [...Deno.readDirSync(loader)].filter((entry) => entry.isDirectory).map((entry) => entry.name);
  const folder = await Deno.makeTempDir({ prefix: "weir-zmq-" });
  await Deno.mkdir(join(folder, "node_modules"));
  await Deno.symlink(dirname(manifest), join(folder, "node_modules", name));
  await Deno.symlink(join(loader, version!), join(folder, "node_modules", "cmake-ts"));
  const script = join(folder, "peer.cjs");
  await Deno.copyFile(new URL("peer.cjs", import.meta.url), script);
  return { command: ["node", "--preserve-symlinks", "--preserve-symlinks-main", script], folder };
}
