/** Boots the real supervisor around the fake child, on port 0 and in a runtime folder of its own. */
import { compile } from "../../manifest/mod.ts";
import type { SupervisorState } from "../../control.ts";
import type { Plan } from "../../manifest/plan.ts";
import { Output } from "../output.ts";
import { Supervisor } from "../supervisor.ts";
import type { SupervisorOptions } from "../supervisor_options.ts";

const entry = new URL("./fake_child.ts", import.meta.url).href;

/** A manifest object with `workers` and more. */
export function planOf(workers: Record<string, unknown> = {}, more: Record<string, unknown> = {}): Plan {
  const listeners = {
    api: {
      protocol: "frames",
      listen: "127.0.0.1:0",
      framing: { delimiter: "\n", max: "1KiB" },
      handler: "./fake_child.ts",
    },
  };
  const manifest = { service: "fake", workers: { count: 1, ...workers }, meta: false, listeners, ...more };
  const result = compile(manifest, { cwd: import.meta.dirname! });
  if (result.plan === undefined) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
  return result.plan;
}

/** A supervisor under test, with all that it and its children wrote. */
export class Booted {
  readonly supervisor: Supervisor;
  readonly folder: string;
  text = "";
  #waiting: Array<() => void> = [];

  constructor(options: Partial<SupervisorOptions> & { plan: Plan }) {
    this.folder = `${Deno.makeTempDirSync({ prefix: "weir-test-" })}/run`;
    const decoder = new TextDecoder();
    const target = {
      write: (bytes: Uint8Array) => {
        this.text += decoder.decode(bytes);
        for (const wake of this.#waiting.splice(0)) wake();
        return Promise.resolve(bytes.length);
      },
    };
    this.supervisor = new Supervisor({
      runtimeFolder: this.folder,
      entries: { worker: entry, governor: entry, shipper: entry },
      weir: "0.0.0",
      stdout: new Output(target),
      stderr: new Output(target),
      ...options,
    });
    this.supervisor.start();
  }

  get status(): SupervisorState {
    return this.supervisor.status();
  }

  /** The log records with this message. */
  records(message: string): Array<Record<string, unknown>> {
    return this.text.split("\n").filter((line) => line.startsWith("{") && line.includes(`"message":"${message}`))
      .map((line) => JSON.parse(line));
  }

  /** Resolves as soon as `condition` holds; looked at whenever something is written, and every 10 ms. */
  async until<T>(condition: () => T | undefined | false | null, limitMs = 10_000): Promise<T> {
    const end = performance.now() + limitMs;
    for (;;) {
      const value = condition();
      if (value) return value;
      if (performance.now() > end) throw new Error(`It did not happen within ${limitMs} ms: ${condition}\n${this.text}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Sends `order` to the service; resolves with the line that comes back, empty when the connection just ends. */
  async ask(order: string, address = this.supervisor.addresses.api![0]!): Promise<string> {
    const unix = /^unix:(.*)$/.exec(address)?.[1];
    const [hostname, port] = address.split(":");
    const conn = unix === undefined
      ? await Deno.connect({ hostname, port: Number(port) })
      : await Deno.connect({ transport: "unix", path: unix });
    try {
      await conn.write(new TextEncoder().encode(`${order}\n`));
      const buffer = new Uint8Array(1024);
      const count = await conn.read(buffer).catch(() => null);
      return new TextDecoder().decode(buffer.subarray(0, count ?? 0)).trim();
    } finally {
      conn.close();
    }
  }

  /** Stops it the hard way where the test has not stopped it, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.supervisor.command({ type: "stop" }).catch(() => {});
    await this.supervisor.ended;
    Deno.removeSync(this.folder.replace(/\/run$/, ""), { recursive: true });
  }
}
