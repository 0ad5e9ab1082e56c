/** A service whose handlers send numbers to the stream `records`, and what its metrics say of it. */
import { freePort } from "./free_port.ts";
import { WeirProcess } from "./weir_process.ts";

const handlers = new URL("./testdata/stream_handlers.ts", import.meta.url).pathname;

/** How the service is started. */
export interface StreamServiceOptions {
  /** Keys of the stream: its sink, its spool. Paths are resolved against the service's folder. */
  stream: Record<string, unknown>;
  workers?: Record<string, unknown>;
  logs?: Record<string, unknown>;
}

/** The figures of the stream at one scrape. */
export interface Scrape {
  /** Monotonic ms. */
  at: number;
  sent: number;
  acked: number;
  failed: number;
  dropped: number;
  queued: number;
  queuedBytes: number;
  damagedBytes: number;
  retries: number;
}

const names = {
  sent: "weir_stream_sent_total",
  acked: "weir_stream_acked_total",
  failed: "weir_stream_failed_total",
  dropped: "weir_stream_dropped_total",
  queued: "weir_stream_queued",
  queuedBytes: "weir_stream_queued_bytes",
  damagedBytes: "weir_stream_damaged_bytes_total",
  retries: "weir_stream_retries_total",
} as const;

/** A service of some workers and a shipper. */
export class StreamService {
  readonly weir: WeirProcess;
  readonly port: number;
  readonly metaPort: number;
  /** All scrapes that {@link watch} made. */
  readonly scrapes: Scrape[] = [];
  #watching = true;
  #watched: Promise<void> = Promise.resolve();

  private constructor(weir: WeirProcess, port: number, metaPort: number) {
    this.weir = weir;
    this.port = port;
    this.metaPort = metaPort;
  }

  static async start({ stream, workers = {}, logs = {} }: StreamServiceOptions): Promise<StreamService> {
    const [port, metaPort] = [freePort(), freePort()];
    const weir = await WeirProcess.start({
      manifest: {
        service: "streams",
        workers: { count: 2, drain: "20s", ...workers },
        listeners: {
          api: { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers, deadline: "30s" },
        },
        streams: { records: stream },
        logs: {
          level: "info",
          routes: [{ match: "access.**", level: "error", to: ["console"], only: true }],
          ...logs,
        },
        meta: { listen: `127.0.0.1:${metaPort}` },
      },
    });
    return new StreamService(weir, port, metaPort);
  }

  /** The figures now; undefined while nobody tells any. */
  async scrape(): Promise<Scrape | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.metaPort}/metrics`, {
      signal: AbortSignal.timeout(5000),
    });
    const text = await response.text();
    const values = Object.entries(names).map(([field, name]) => {
      const value = new RegExp(`^${name}\\{[^}]*stream="records"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1];
      return [field, value === undefined ? NaN : Number(value)] as const;
    });
    const scrape = { at: performance.now(), ...Object.fromEntries(values) } as unknown as Scrape;
    return Number.isNaN(scrape.sent) ? undefined : scrape;
  }

  /** Scrapes again and again from now on, until the service is disposed of. */
  watch(everyMs: number): void {
    this.#watched = (async () => {
      while (this.#watching) {
        const scrape = await this.scrape().catch(() => undefined);
        if (scrape) this.scrapes.push(scrape);
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    })();
  }

  /** Ends {@link watch}. */
  async unwatch(): Promise<void> {
    this.#watching = false;
    await this.#watched;
  }

  /** Waits until the figures are as wanted; rejects with the last ones after `limitMs`. */
  async until(what: string, wanted: (scrape: Scrape) => boolean, limitMs: number): Promise<Scrape> {
    let last: Scrape | undefined;
    try {
      return await this.weir.until(what, async () => {
        last = await this.scrape().catch(() => undefined);
        return last && wanted(last) ? last : undefined;
      }, limitMs);
    } catch (error) {
      throw new Error(`${JSON.stringify(last)}: ${(error as Error).message}`);
    }
  }

  /** Process ids by role, of those that are ready. */
  async pids(role: "worker" | "shipper"): Promise<number[]> {
    const { children } = await this.weir.status();
    return children.filter((child) => child.role === role && child.state === "ready").map(({ pid }) => pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unwatch();
    await this.weir[Symbol.asyncDispose]();
  }
}

/** Scrapes at which a record was in no place, or in two; as texts. */
export function unbalanced(scrapes: readonly Scrape[]): string[] {
  return scrapes.filter(({ sent, acked, failed, dropped, queued }) =>
    sent !== acked + failed + dropped + queued
  )
    .map((scrape) => JSON.stringify(scrape));
}

/** Totals that became less from one scrape to the next; as texts. */
export function backwards(scrapes: readonly Scrape[]): string[] {
  const found: string[] = [];
  for (let i = 1; i < scrapes.length; i++) {
    for (const field of ["sent", "acked", "failed", "dropped"] as const) {
      const [before, after] = [scrapes[i - 1]![field], scrapes[i]![field]];
      if (after < before) found.push(`${field}: ${before} then ${after}`);
    }
  }
  return found;
}
