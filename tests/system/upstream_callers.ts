/**
 * Callers of a service whose handlers and routes call upstreams: clients on kept connections, each asking again after a
 * pause, which note every answer with its status and reason. They repeat nothing.
 */

/** Who asks what. */
export interface CallersOptions {
  port: number;
  clients: number;
  /** Client n asks `paths[n % paths.length]`. */
  paths: readonly string[];
  method?: string;
  /** Pause before the next request, ms; random up to twice as long. */
  pauseMs: number;
  /** Each request brings a number of its own as `x-number`. */
  numbered?: boolean;
}

/** One answer, or none. */
export interface Answer {
  /** Epoch ms of its end. */
  at: number;
  ms: number;
  /** 0: the connection broke. */
  status: number;
  /** Why no handler and no upstream answered; empty where one did. */
  reason: string;
  path: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** A connection on which one request after the other is made. */
export class UpstreamClient {
  readonly #port: number;
  readonly #buffer = new Uint8Array(32 * 1024);
  #conn: Deno.Conn | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async connect(): Promise<void> {
    this.#conn ??= await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
  }

  async ask(
    path: string,
    method = "GET",
    number?: number,
  ): Promise<Answer & { body: string; worker: string }> {
    const begin = performance.now();
    let status = 0, reason = "", body = "", worker = "";
    try {
      await this.connect();
      const own = number === undefined ? "" : `x-number: ${number}\r\n`;
      const length = method === "GET" ? "" : "content-length: 0\r\n";
      await this.#write(`${method} ${path} HTTP/1.1\r\nhost: h\r\n${own}${length}\r\n`);
      const text = await this.#read();
      const head = text.slice(0, text.indexOf("\r\n\r\n") + 2);
      body = text.slice(head.length + 2);
      status = Number(text.slice(9, 12));
      reason = field(head, "x-weir-reason");
      worker = field(head, "x-worker");
      if (field(head, "connection") === "close") this.close();
    } catch (error) {
      reason = String(error);
      this.close();
    }
    return { at: Date.now(), ms: performance.now() - begin, status, reason, path, body, worker };
  }

  /** Sends a request and waits for nothing. */
  async send(path: string): Promise<void> {
    await this.connect();
    await this.#write(`GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`);
  }

  close(): void {
    this.#conn?.close();
    this.#conn = undefined;
  }

  async #write(text: string): Promise<void> {
    await this.#conn!.write(encoder.encode(text));
  }

  async #read(): Promise<string> {
    let length = 0;
    for (;;) {
      const count = await this.#conn!.read(this.#buffer.subarray(length));
      if (count === null) throw new Error("the connection ended before the answer");
      length += count;
      const text = decoder.decode(this.#buffer.subarray(0, length));
      const body = text.indexOf("\r\n\r\n") + 4;
      if (body < 4) continue;
      const declared = field(text.slice(0, body), "content-length");
      const whole = declared === "" ? text.endsWith("\r\n0\r\n\r\n") : length >= body + Number(declared);
      if (whole || / (?:204|304) /.test(text.slice(8, 13))) return text;
      if (length === this.#buffer.length) throw new Error("the answer is too long");
    }
  }
}

function field(head: string, name: string): string {
  return new RegExp(`^${name}: *([^\r]*)`, "mi").exec(head)?.[1] ?? "";
}

/** Running load; see the module's header. */
export class Callers implements AsyncDisposable {
  readonly answers: Answer[] = [];
  readonly #options: CallersOptions;
  readonly #clients: UpstreamClient[] = [];
  readonly #running: Promise<void>[] = [];
  #stopped = false;
  #number = 0;

  constructor(options: CallersOptions) {
    this.#options = options;
    for (let n = 0; n < options.clients; n++) this.#running.push(this.#run(n));
  }

  /** Those with another status than 200. */
  get errors(): Answer[] {
    return this.answers.filter(({ status }) => status !== 200);
  }

  /** Lets every client finish its request. */
  async stop(): Promise<Answer[]> {
    this.#stopped = true;
    await Promise.all(this.#running);
    return this.answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(index: number): Promise<void> {
    const { port, paths, method, pauseMs, numbered } = this.#options;
    const client = new UpstreamClient(port);
    this.#clients.push(client);
    const path = paths[index % paths.length]!;
    while (!this.#stopped) {
      const { at, ms, status, reason } = await client.ask(
        path,
        method,
        numbered ? this.#number++ : undefined,
      );
      this.answers.push({ at, ms, status, reason, path });
      await pause(pauseMs * 2 * Math.random());
    }
    client.close();
  }
}

/** How often each outcome came: `{ "200": 10, "503 breaker_open": 2 }`. */
export function outcomes(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, reason } of answers) {
    const key = reason === "" ? `${status}` : `${status} ${reason}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
