/** A service of some workers in front of upstreams: `/proxy/<name>/…` is a route, `/handler/<name>/…` a handler. */
import { somePorts } from "./upstream_backend.ts";
import { accessToFile, WeirProcess } from "./weir_process.ts";

const handlers = new URL("./testdata/upstream_handlers.ts", import.meta.url).pathname;

/** What differs from test to test. */
export interface ServiceOptions {
  upstreams: Record<string, Record<string, unknown>>;
  /** 2 unless given. */
  workers?: number;
  /** Keys of the listener. */
  listener?: Record<string, unknown>;
  /** Resolve when it says that it is ready (the default), or at once. */
  wait?: boolean;
}

/** Token of the meta pages. */
export const metaToken = "figures";

/** A running service with its ports. */
export class UpstreamService implements AsyncDisposable {
  readonly weir: WeirProcess;
  readonly port: number;
  readonly metaUrl: string;

  private constructor(weir: WeirProcess, port: number, metaPort: number) {
    this.weir = weir;
    this.port = port;
    this.metaUrl = `http://127.0.0.1:${metaPort}`;
  }

  static async start(options: ServiceOptions): Promise<UpstreamService> {
    const { upstreams, workers = 2, listener = {}, wait = true } = options;
    const [port, metaPort] = somePorts(2) as [number, number];
    const routes = Object.keys(upstreams).filter((name) => upstreams[name]!.protocol === undefined).map((
      name,
    ) => ({
      match: { path: `/proxy/${name}/*` },
      upstream: name,
      rewrite: { stripPrefix: `/proxy/${name}` },
    }));
    const weir = await WeirProcess.start({
      manifest: {
        service: "upstreams",
        workers: { count: workers, drain: "1s" },
        meta: { listen: `127.0.0.1:${metaPort}`, token: metaToken },
        logs: accessToFile,
        listeners: {
          api: {
            protocol: "http",
            listen: `127.0.0.1:${port}`,
            deadline: "10s",
            routes: [...routes, { handler: handlers }],
            ...listener,
          },
        },
        upstreams: Object.fromEntries(
          Object.entries(upstreams).map(([name, keys]) => [name, { protocol: "http", ...keys }]),
        ),
      },
      wait,
    });
    return new UpstreamService(weir, port, metaPort);
  }

  /** Text of a meta page. */
  async page(path: string): Promise<string> {
    const headers = { authorization: `Bearer ${metaToken}` };
    return await (await fetch(`${this.metaUrl}${path}`, { headers })).text();
  }

  /** A command on the meta pages; throws what it says where it is refused. */
  async post(path: string, fields: Record<string, string>): Promise<void> {
    const response = await fetch(`${this.metaUrl}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${metaToken}` },
      body: new URLSearchParams(fields),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`);
  }

  /** Sum of a metric over all workers and all series with these labels. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    let sum = 0;
    for (const line of (await this.page("/metrics")).split("\n")) {
      const [, found, text = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      if (found !== name) continue;
      if (Object.entries(labels).every(([key, wanted]) => text.includes(`${key}="${wanted}"`))) {
        sum += Number(value);
      }
    }
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.weir[Symbol.asyncDispose]();
  }
}

/** Both ways to an upstream. */
export function bothWays(upstream: string): string[] {
  return [`/proxy/${upstream}/x`, `/handler/${upstream}/x`];
}
