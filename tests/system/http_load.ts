/**
 * Load whose every failure is told apart: closed-loop HTTP/1.1 clients on raw sockets, some that keep their connection
 * (and honour `connection: close`), some that open one for each request. Counts every connect that fails, every reset,
 * every end before an answer was complete, and every status that was not expected. It repeats nothing in silence.
 */
import { ContinuedReader } from "./continued_reader.ts";

/** Who asks, and how. */
export interface LoadOptions {
  port: number;
  /** Clients that keep their connection for as long as they may. */
  keepAlive: number;
  /** Clients that connect for every request. */
  short: number;
  path?: string;
  /** The status that counts as answered; 200 unless given. */
  status?: number;
  /** Pause of client n before its next request, ms; none unless given. */
  thinkMs?: (client: number) => number;
  /** PEM of the authority to trust: the load speaks TLS. */
  ca?: string;
  /** Longest wait for an answer. */
  timeoutMs?: number;
}

/** A request without a good answer. */
export interface Failure {
  kind: "connect" | "reset" | "end" | "status" | "garbled" | "late";
  /** Monotonic ms. */
  at: number;
  /** Process that gave the last answer on this connection; empty where there was none. */
  worker: string;
  keepAlive: boolean;
  detail: string;
}

/** What came of it so far. */
export interface LoadReport {
  /** Answered as expected. */
  answered: number;
  /** Of these, on connections of their own. */
  answeredShort: number;
  failures: Failure[];
  /**
   * Sent on a connection that had been idle, and that ended without a byte of an answer: the server closed it in the same
   * moment. RFC 9110 9.3.1 lets clients repeat such a request, and these do; yet a good server avoids it.
   */
  stale: Failure[];
  /** Answers with `connection: close` on kept connections. */
  lastAnswers: number;
  /** Kept connections that the server closed while they were idle. */
  idleCloses: number;
  /** From the first byte sent (short: from connect) to the last received, ms. */
  latencies: number[];
  /** Processes that answered. */
  workers: Set<string>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** A failure with what is known of it; thrown within this module only. */
class Failed extends Error {
  readonly kind: Failure["kind"];
  /** Bytes of the answer that had come. */
  readonly bytes: number;

  constructor(kind: Failure["kind"], detail: string, bytes = 0) {
    super(detail);
    this.kind = kind;
    this.bytes = bytes;
  }
}

/** Running load; see the module's header. */
export class HttpLoad {
  readonly report: LoadReport = emptyReport();
  readonly #options: LoadOptions;
  readonly #clients: Client[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #watch: ReturnType<typeof setInterval>;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    const { keepAlive, short, timeoutMs = 10_000 } = options;
    for (let i = 0; i < keepAlive + short; i++) {
      const client = new Client(options, i < keepAlive);
      this.#clients.push(client);
      this.#running.push(this.#run(client, i));
    }
    this.#watch = setInterval(() => this.#clients.forEach((client) => client.cut(timeoutMs)), 250);
  }

  /** Latencies that are not wanted need not be kept. */
  forgetLatencies(): void {
    this.report.latencies.length = 0;
  }

  /** Resolves once `count` requests more than now were answered. */
  async more(count: number): Promise<void> {
    const goal = this.report.answered + count;
    await this.until(() => this.report.answered >= goal);
  }

  /** Resolves once `holds` does; rejects when 1000 requests have failed. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.report.failures.length > 1000) {
        throw new Error(`Too many failures: ${JSON.stringify(this.report.failures.slice(0, 5))}`);
      }
      await pause(5);
    }
  }

  /** A report that begins now: what it counts is taken out of this load's own. */
  lap(): LoadReport {
    const lap = { ...this.report };
    Object.assign(this.report, emptyReport());
    return lap;
  }

  /** Lets every client finish its request; resolves with what came of the load (since the last lap). */
  async stop(): Promise<LoadReport> {
    this.#stopped = true;
    await Promise.all(this.#running);
    clearInterval(this.#watch);
    return this.report;
  }

  async #run(client: Client, index: number): Promise<void> {
    const { thinkMs = () => 0 } = this.#options;
    while (!this.#stopped) {
      const reused = client.connected;
      const at = performance.now();
      try {
        const last = await client.ask();
        this.report.answered++;
        if (!client.keepAlive) this.report.answeredShort++;
        else if (last) this.report.lastAnswers++;
        this.report.latencies.push(performance.now() - at);
        this.report.workers.add(client.answeredBy);
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        const { kind, message: detail, bytes } = error;
        const failure = {
          kind,
          at: performance.now(),
          worker: client.worker,
          keepAlive: client.keepAlive,
          detail,
        };
        const stale = reused && bytes === 0 && (kind === "end" || kind === "reset");
        (stale ? this.report.stale : this.report.failures).push(failure);
        client.close();
        // A port that refuses everybody is told a few times a second, not as often as the machine can.
        if (kind === "connect") await pause(20);
      }
      const ms = thinkMs(index);
      if (ms > 0 && !this.#stopped && await client.idle(ms)) this.report.idleCloses++;
    }
    client.close();
  }
}

function emptyReport(): LoadReport {
  return {
    answered: 0,
    answeredShort: 0,
    failures: [],
    stale: [],
    lastAnswers: 0,
    idleCloses: 0,
    latencies: [],
    workers: new Set(),
  };
}

/** One client; see {@link HttpLoad}. */
export class Client {
  readonly keepAlive: boolean;
  readonly #options: LoadOptions;
  readonly #request: Uint8Array;
  readonly #buffer = new Uint8Array(16 * 1024);
  #conn: Deno.Conn | undefined;
  readonly #reader = new ContinuedReader();
  #since = Infinity;
  #cut = false;
  /** Process that gave the last answer on this connection; empty where there is none. */
  worker = "";
  /** Process that gave the last answer of all. */
  answeredBy = "";

  constructor(options: LoadOptions, keepAlive: boolean) {
    this.#options = options;
    this.keepAlive = keepAlive;
    const close = keepAlive ? "" : "connection: close\r\n";
    const { path = "/", port } = options;
    this.#request = encoder.encode(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${close}\r\n`);
  }

  get connected(): boolean {
    return this.#conn !== undefined;
  }

  /** Asks on the connection of `other` from now on. */
  takeOver(other: Client): void {
    this.close();
    this.#conn = other.#conn;
    this.worker = other.worker;
    other.#conn = undefined;
  }

  /** One request; true when its answer was the connection's last. Throws Failed. */
  async ask(): Promise<boolean> {
    this.#since = performance.now();
    this.#cut = false;
    try {
      const conn = this.#conn ??= await this.#connect();
      try {
        // One small write: it goes out whole.
        await conn.write(this.#request);
      } catch (error) {
        throw new Failed("reset", `write: ${(error as Error).message}`);
      }
      const last = await this.#answer();
      if (!this.keepAlive || last) await this.#end();
      return last;
    } finally {
      this.#since = Infinity;
    }
  }

  /** Stays idle for `ms`; true when the server closed the connection meanwhile. */
  async idle(ms: number): Promise<boolean> {
    if (!this.#conn) {
      await pause(ms);
      return false;
    }
    let closed = false;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#read(0).catch(() => null).then(() => {
      closed = true;
      resolve();
    });
    await over;
    clearTimeout(timer);
    // The timer may have come before what happened on the socket in the meantime: look once more before sending.
    for (let i = 0; i < 2 && !closed; i++) await pause(1);
    if (closed) this.close();
    return closed;
  }

  /** Gives up the request that has waited longer than `ms`. */
  cut(ms: number): void {
    if (performance.now() - this.#since < ms) return;
    this.#cut = true;
    this.close();
  }

  close(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    this.#reader.forget();
    this.worker = "";
    try {
      conn?.close();
    } catch {
      // Closed already, which is what we want.
    }
  }

  async #connect(): Promise<Deno.Conn> {
    const { port, ca } = this.#options;
    try {
      if (ca === undefined) return await Deno.connect({ hostname: "127.0.0.1", port });
      const conn = await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [ca] });
      await conn.handshake();
      return conn;
    } catch (error) {
      throw new Failed("connect", (error as Error).message);
    }
  }

  #read(at: number): Promise<number | null> {
    return this.#reader.read(this.#conn!, this.#buffer.subarray(at));
  }

  async #answer(): Promise<boolean> {
    let length = 0;
    for (;;) {
      let count: number | null;
      try {
        count = await this.#read(length);
      } catch (error) {
        throw new Failed(this.#cut ? "late" : "reset", `read: ${(error as Error).message}`, length);
      }
      if (count === null) {
        throw new Failed(this.#cut ? "late" : "end", `the connection ended after ${length} bytes`, length);
      }
      length += count;
      const text = decoder.decode(this.#buffer.subarray(0, length));
      const body = text.indexOf("\r\n\r\n") + 4;
      if (body < 4) continue;
      const head = text.slice(0, body).toLowerCase();
      const left = missing(head, text.slice(body));
      if (left < 0 || length === this.#buffer.length) throw new Failed("garbled", text.slice(0, 200), length);
      if (left > 0) continue;
      this.answeredBy = this.worker = /^x-worker: (\d+)/m.exec(head)?.[1] ?? this.worker;
      if (!head.startsWith(`http/1.1 ${this.#options.status ?? 200} `)) {
        throw new Failed("status", text.slice(0, 200), length);
      }
      return head.includes("\r\nconnection: close");
    }
  }

  /** After a last answer the server closes, and so do we. */
  async #end(): Promise<void> {
    if (!this.keepAlive) await this.#read(0).catch(() => null);
    this.close();
  }
}

/** Bytes of the body that are still to come, 1 where nobody knows how many; -1 when it makes no sense. */
function missing(head: string, body: string): number {
  const length = /^content-length: (\d+)/m.exec(head)?.[1];
  if (length !== undefined) return Number(length) - body.length;
  if (!head.includes("transfer-encoding: chunked")) return -1;
  return body.endsWith("0\r\n\r\n") ? 0 : 1;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
