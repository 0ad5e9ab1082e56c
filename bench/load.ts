/**
 * Load at a constant rate, in its own process: `deno run -A bench/load.ts <json options>` prints a {@link LoadReport} as
 * JSON. Open loop: request n is due n ÷ rate seconds after the start, whether or not earlier ones were answered, and its
 * time runs from when it was due. So a server that stalls is charged for everything that would have come meanwhile
 * ("coordinated omission" is what a closed loop does instead). Requests that find no free connection wait in line.
 *
 * It sleeps in the C library, because timers of JavaScript are late by one to three milliseconds. `lateMs` says how late
 * it was itself all the same, and a report whose `lateMs` is near its other figures measured the generator.
 */
import { percentile } from "./table.ts";

/** What to send where. */
export interface LoadOptions {
  hostname: string;
  port: number;
  path: string;
  /** Requests per second. */
  rate: number;
  /** Keep-alive connections; also the most requests under way at once. */
  connections: number;
  seconds: number;
  /** Sent before the measurement begins, at the same rate. */
  warmSeconds: number;
  /** An answer later than this after it was due is of no use to anybody. */
  goodMs: number;
}

/** Percentiles in milliseconds; NaN where nothing was measured. */
export interface Latencies {
  count: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

/** What came of it; warm-up left out. */
export interface LoadReport {
  /** Requests that were due. */
  offered: number;
  /** 2xx within {@link LoadOptions.goodMs}, per second. */
  goodPerSecond: number;
  /** 2xx, from due to the end of the answer. */
  ok: Latencies;
  /** 429 and 503, from sent to the end of the answer: how long a refusal takes. */
  refused: Latencies;
  /** Broken connections and every other status. */
  failed: number;
  /** Never answered, or never sent, within the time. */
  lost: number;
  /** From due to sent, of requests that found a free connection. */
  lateMs: Latencies;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
const sleepUs = 150;

class Connection {
  readonly #options: LoadOptions;
  readonly #request: Uint8Array;
  readonly #buffer = new Uint8Array(64 * 1024);
  #conn: Deno.TcpConn | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
    const { hostname, port, path } = options;
    this.#request = encoder.encode(`GET ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`);
  }

  async open(): Promise<void> {
    const { hostname, port } = this.#options;
    this.#conn ??= await Deno.connect({ hostname, port });
  }

  /** Sends one request and resolves with the status once the whole answer was read; 0 when the connection broke. */
  async ask(): Promise<number> {
    try {
      await this.open();
      // One small write: it goes out whole.
      await this.#conn!.write(this.#request);
      return await this.#read();
    } catch {
      this.close();
      return 0;
    }
  }

  close(): void {
    this.#conn?.close();
    this.#conn = undefined;
  }

  async #read(): Promise<number> {
    let length = 0;
    let head = "";
    let bodyAt = -1;
    for (;;) {
      const count = await this.#conn!.read(this.#buffer.subarray(length));
      if (count === null || length + count === this.#buffer.length) {
        this.close();
        return 0;
      }
      length += count;
      if (bodyAt < 0) {
        const text = decoder.decode(this.#buffer.subarray(0, length));
        bodyAt = text.indexOf("\r\n\r\n") + 4;
        if (bodyAt < 4) {
          bodyAt = -1;
          continue;
        }
        head = text.slice(0, bodyAt).toLowerCase();
      }
      const at = head.indexOf("content-length:");
      if (at < 0) throw new Error("an answer without content-length");
      if (length - bodyAt >= parseInt(head.slice(at + 15), 10)) break;
    }
    if (head.includes("connection: close")) this.close();
    return Number(head.slice(9, 12));
  }
}

/** Sends the load from this process. */
export async function sendLoad(options: LoadOptions): Promise<LoadReport> {
  const { rate, connections, goodMs } = options;
  const warm = Math.round(options.warmSeconds * rate);
  const total = warm + Math.round(options.seconds * rate);
  const free = Array.from({ length: connections }, () => new Connection(options));
  const all = [...free];
  // Opened a few at a time: a thousand handshakes in one instant would measure the listen queue.
  for (let i = 0; i < all.length; i += 32) {
    await Promise.all(all.slice(i, i + 32).map((connection) => connection.open()));
  }
  const okMs: number[] = [];
  const refusedMs: number[] = [];
  const lateMs: number[] = [];
  let failed = 0;
  let underWay = 0;
  let due = 0;
  let next = 0;
  const startedAt = performance.now() + 20;
  const dueAt = (n: number) => startedAt + n / rate * 1000;

  const send = async (n: number, connection: Connection, waited: boolean) => {
    const sentAt = performance.now();
    if (n >= warm && !waited) lateMs.push(sentAt - dueAt(n));
    underWay++;
    const status = await connection.ask();
    const endedAt = performance.now();
    underWay--;
    if (n >= warm) {
      if (status >= 200 && status < 300) okMs.push(endedAt - dueAt(n));
      else if (status === 429 || status === 503) refusedMs.push(endedAt - sentAt);
      else failed++;
    }
    // The longest waiting one first; a connection that comes free serves it at once.
    if (next < due) send(next++, connection, true);
    else free.push(connection);
  };

  const libc = Deno.dlopen(Deno.build.os === "darwin" ? "libSystem.dylib" : "libc.so.6", {
    usleep: { parameters: ["u32"], result: "i32", nonblocking: true },
  });
  for (;;) {
    const now = performance.now();
    while (due < total && dueAt(due) <= now) {
      due++;
      // In turn: one that never said anything would be closed as such.
      const connection = free.shift();
      if (connection) send(next++, connection, false);
    }
    if (due >= total && (next >= due && underWay === 0 || now > dueAt(total) + goodMs)) break;
    await libc.symbols.usleep(sleepUs);
  }
  libc.close();
  const answered = okMs.length + refusedMs.length + failed;
  const report: LoadReport = {
    offered: total - warm,
    goodPerSecond: okMs.filter((ms) => ms <= goodMs).length / options.seconds,
    ok: latencies(okMs),
    refused: latencies(refusedMs),
    failed,
    lost: total - warm - answered,
    lateMs: latencies(lateMs),
  };
  for (const connection of all) connection.close();
  return report;
}

function latencies(values: number[]): Latencies {
  const sorted = Float64Array.from(values).sort();
  return {
    count: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    max: percentile(sorted, 1),
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(await sendLoad(JSON.parse(Deno.args[0]))));
  Deno.exit(0); // connections that wait for an answer would keep it alive
}
