/**
 * An example as a user starts it: `deno run -A mod.ts examples/<name>/service.yaml` as a process of its own, waited for
 * until it answers, stopped by SIGTERM. Used by the examples' tests.
 */

const root = new URL("../", import.meta.url);
const startMs = 30_000;

/** A running example. */
export interface BootedService {
  /** `http://127.0.0.1:port` of the service. */
  readonly url: string;
  /** The same of the meta pages. */
  readonly metaUrl: string;
  /** Folder of this run, which the example knows as VAR; gone at the end. */
  readonly folder: string;
  /** Everything it has printed so far. */
  output(): string;
  /** Resolves once `holds` does; rejects after `timeoutMs` with what was printed. */
  waitFor(what: string, holds: () => boolean | Promise<boolean>, timeoutMs?: number): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>;
  /** Makes sure that nothing is left running. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts `manifest` (a path below the project's root) and resolves once GET `path` is answered with 200; or, where it
 * does not speak HTTP, once the question `path` is answered with true.
 */
export async function bootService(
  manifest: string,
  { port, path, env = {} }: {
    port: number;
    path: string | (() => Promise<boolean>);
    env?: Record<string, string>;
  },
): Promise<BootedService> {
  // A runtime folder of its own: the same example may be running here already.
  const runtimeFolder = await Deno.makeTempDir({ prefix: "weir-" });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", manifest],
    cwd: root,
    env: {
      PORT: `${port}`,
      META_PORT: `${port + 1}`,
      XDG_RUNTIME_DIR: runtimeFolder,
      NO_COLOR: "1",
      VAR: runtimeFolder,
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  let ended: string | undefined;
  const collected = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  });
  const status = child.status.then((status) => {
    ended = `it ended with ${status.signal ?? status.code}`;
    return status;
  });
  const service: BootedService = {
    url: `http://127.0.0.1:${port}`,
    metaUrl: `http://127.0.0.1:${port + 1}`,
    folder: runtimeFolder,
    output: () => output,
    async waitFor(what, holds, timeoutMs = 10_000) {
      const until = performance.now() + timeoutMs;
      while (!await holds()) {
        if (ended !== undefined) throw new Error(`${what}: ${ended}\n${output}`);
        if (performance.now() > until) throw new Error(`${what}: not within ${timeoutMs} ms\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async stop() {
      child.kill("SIGTERM");
      const { code } = await status;
      return code;
    },
    async [Symbol.asyncDispose]() {
      if (ended === undefined) child.kill("SIGKILL");
      await status;
      await Promise.all(collected);
      await Deno.remove(runtimeFolder, { recursive: true });
    },
  };
  try {
    await service.waitFor(
      `${manifest} answers`,
      typeof path === "string" ? () => isOk(service.url + path) : path,
      startMs,
    );
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether GET `url` is answered with 2xx right now. */
export async function isOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // not listening yet
  }
}
