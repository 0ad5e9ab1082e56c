/**
 * A service as users run it: a manifest in a folder of its own, `deno run -A mod.ts` as a process, real workers, a real
 * governor. For the tests in this folder and for the benches that measure a service's life. Ends what it started.
 */
import { Channel, type ChannelMessage } from "../../core/channel.ts";
import type { ReloadAnswer, SupervisorState } from "../../core/control.ts";
import { findRuntimeFolders } from "../../core/supervisor/runtime_folder.ts";
import { connectControl } from "../../core/supervisor/connect_control.ts";

const root = new URL("../../", import.meta.url);

/** Handlers of these tests, for manifests. */
export const handlers = new URL("./testdata/handlers.ts", import.meta.url).pathname;

/** `logs` for manifests under load: access lines go to a file, everything else is printed. */
export const accessToFile = {
  sinks: { access: { file: "./access.log" } },
  routes: [{ match: "access.*", to: ["access"], only: true }],
};

/** What a service under test is started with. */
export interface WeirOptions {
  manifest: Record<string, unknown>;
  /** How another platform would run it; forced where given. */
  modes?: { stats?: "snapshot"; control?: "tcp" };
  /** Most open files of each of its processes. */
  descriptors?: number;
  /** Resolve when it says that it is ready; otherwise at once. */
  wait?: boolean;
}

/** A started service. */
export class WeirProcess {
  readonly folder: string;
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Deno.CommandStatus>;
  readonly #read: Promise<void[]>;
  readonly #waiting = new Set<() => void>();
  #status: Deno.CommandStatus | undefined;
  /** Everything it has printed so far. */
  text = "";

  private constructor(folder: string, child: Deno.ChildProcess) {
    this.folder = folder;
    this.#child = child;
    this.#read = Promise.all([child.stdout, child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.text += text;
        this.#wake();
      }
    }));
    this.#ended = child.status.then((status) => {
      this.#status = status;
      this.#wake();
      return status;
    });
  }

  /** Starts a service; see {@link WeirOptions}. Rejects with its output when it ends before it is ready. */
  static async start({ manifest, modes, descriptors, wait = true }: WeirOptions): Promise<WeirProcess> {
    const folder = await Deno.makeTempDir({ prefix: "weir-system-" });
    await Deno.writeTextFile(`${folder}/service.yaml`, JSON.stringify(manifest));
    const program = modes ? ["tests/system/testdata/run_forced.ts", JSON.stringify(modes)] : ["mod.ts"];
    const run = [Deno.execPath(), "run", "-A", ...program, `${folder}/service.yaml`];
    const [command, ...args] = descriptors === undefined
      ? run
      : ["sh", "-c", `ulimit -n ${descriptors}; exec "$@"`, "sh", ...run];
    const child = new Deno.Command(command!, {
      args,
      cwd: root,
      // A runtime folder of its own, in memory where there is such a place, as in earnest.
      env: { XDG_RUNTIME_DIR: folder, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const weir = new WeirProcess(folder, child);
    try {
      if (wait) {
        await weir.until("it is ready", () => weir.records("the service is ready").length > 0, 30_000);
      }
      return weir;
    } catch (error) {
      await weir[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Of the supervisor. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Its log lines whose message begins with `message`, as objects. */
  records(message: string): Array<Record<string, unknown>> {
    return this.text.split("\n")
      .filter((line) => line.startsWith("{") && line.includes(`"message":"${message}`) && line.endsWith("}"))
      .map((line) => JSON.parse(line));
  }

  /**
   * Resolves with what `condition` returns once that is something; looked at whenever it prints, and every 10 ms.
   * Rejects with its output after `limitMs`, and when it ends first.
   */
  async until<T>(
    what: string,
    condition: () => T | Promise<T>,
    limitMs = 10_000,
  ): Promise<Exclude<T, undefined | false | null>> {
    const end = performance.now() + limitMs;
    for (;;) {
      const ended = this.#status;
      const value = await condition();
      if (value) return value as Exclude<T, undefined | false | null>;
      if (ended) throw new Error(`${what}: it ended with ${ended.signal ?? ended.code}\n${this.#tail()}`);
      if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms\n${this.#tail()}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 10);
        this.#waiting.add(wake);
      });
    }
  }

  /** Asks the supervisor over its control socket. */
  async command<T>(message: ChannelMessage, timeoutMs = 30_000): Promise<T> {
    const [folder] = findRuntimeFolders("", [this.folder]);
    let address = `${folder}/control.sock`;
    let token: string | undefined;
    try {
      ({ address, token } = JSON.parse(await Deno.readTextFile(`${folder}/control.json`)));
    } catch {
      // No note: a unix socket.
    }
    const channel = new Channel(await connectControl(address), { onMessage: () => undefined });
    try {
      return await channel.request<T>({ ...message, token }, timeoutMs);
    } finally {
      channel.close();
    }
  }

  status(): Promise<SupervisorState> {
    return this.command<SupervisorState>({ type: "status" });
  }

  /** The workers of the generation that serves, by id. */
  async workers(): Promise<SupervisorState["children"]> {
    const { children, generation } = await this.status();
    return children
      .filter((child) =>
        child.role === "worker" && child.generation === generation && child.state === "ready"
      )
      .sort((a, b) => a.id - b.id);
  }

  /** Reloads; resolves when the new generation serves and the old one is gone. */
  async reload(): Promise<ReloadAnswer> {
    const answer = await this.command<ReloadAnswer>({ type: "reload", wait: true });
    if (!answer.ok) return answer;
    await this.until("the old generation is gone", async () => {
      const { children, generation } = await this.status();
      return children.every((child) => child.generation === generation && child.state === "ready");
    }, 30_000);
    return answer;
  }

  /** Writes another manifest in place of the one it was started with. */
  async writeManifest(text: string | Record<string, unknown>): Promise<void> {
    await Deno.writeTextFile(
      `${this.folder}/service.yaml`,
      typeof text === "string" ? text : JSON.stringify(text),
    );
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Resolves when it has ended and everything it printed is here; rejects when that takes too long. */
  async ended(limitMs = 30_000): Promise<Deno.CommandStatus> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`It has not ended within ${limitMs} ms\n${this.#tail()}`)),
        limitMs,
      );
    });
    const status = await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    await this.#read;
    return status;
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number> {
    if (this.#status === undefined) this.signal("SIGTERM");
    return (await this.ended()).code;
  }

  /** Whatever is left of it ends at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#status === undefined) this.signal("SIGKILL");
    await this.ended();
    await Deno.remove(this.folder, { recursive: true });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #tail(): string {
    return this.text.split("\n").filter((line) => !line.includes('"logger":"access.')).slice(-60).join("\n");
  }
}
