/** A service in this process with zmq listeners, and an HTTP listener through which its upstreams are called. */
import { run, type Service } from "../../../mod.ts";
import { freePorts } from "../../../tests/provision.ts";
import { seen } from "./handlers.ts";

export const handlers: string = new URL("./handlers.ts", import.meta.url).pathname;
const range = { from: 27_800, to: 28_600 };

export function ports(count: number): number[] {
  return freePorts(count, range);
}

/** A running service; dispose of it to stop it. */
export class TestService implements AsyncDisposable {
  readonly #service: Service;

  private constructor(service: Service) {
    this.#service = service;
  }

  static async start(parts: {
    listeners?: Record<string, Record<string, unknown>>;
    upstreams?: Record<string, Record<string, unknown>>;
    pools?: Record<string, unknown>;
  }): Promise<TestService> {
    const { listeners = {}, upstreams = {}, pools = {} } = parts;
    // A test that failed must not be the failure of the next.
    seen.length = 0;
    const service = await run({
      service: "zmq-test",
      logs: { level: "error" },
      listeners: {
        web: { protocol: "http", listen: "127.0.0.1:0", handler: `${handlers}#caller`, deadline: "20s" },
        ...named(listeners),
      },
      upstreams: named(upstreams),
      pools,
    }, { inProcess: true });
    await service.ready;
    return new TestService(service);
  }

  get addresses(): Record<string, string[]> {
    return this.#service.addresses;
  }

  /** `tcp://…` of a listener. */
  endpoint(listener: string): string {
    const [address = ""] = this.#service.addresses[listener] ?? [];
    return address.startsWith("unix:") ? address.replace("unix:", "ipc://") : `tcp://${address}`;
  }

  /** What a handler gets of an upstream: its value, or name, message and failure of the error. */
  async call(upstream: string, method: string, ...args: unknown[]): Promise<Record<string, unknown>> {
    const response = await fetch(`http://${this.#service.addresses.web![0]}/`, {
      method: "POST",
      body: JSON.stringify({ upstream, method, args }),
    });
    return await response.json();
  }

  async stop(): Promise<void> {
    await this.#service.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service.stop();
  }
}

function named(parts: Record<string, Record<string, unknown>>): Record<string, Record<string, unknown>> {
  return Object.fromEntries(Object.entries(parts).map(([name, keys]) => [name, { protocol: "zmq", ...keys }]));
}

/** Resolves once `holds` does; rejects after `limitMs`, naming `what`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
