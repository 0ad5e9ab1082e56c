/**
 * Load of a Thrift listener whose every failure is told apart, as http_load.ts does it for HTTP: closed-loop clients on
 * raw sockets that keep their connection for as long as the server does. Requests and replies are the bytes of the binary
 * protocol, put together here: nothing of what is tested has a part in that.
 *
 * ```
 * message = 80 01 00 type  i32 length, name  i32 seqid  0b  i16 field  i32 length, text  00     (buffered)
 * frame   = i32 length, message                                                                 (framed)
 * ```
 *
 * Thrift has no word for "this was the last answer". A client whose connection was closed between two calls opens another
 * one; a call that is written in the same moment, and of whose reply not a byte has come, is repeated once, on a new
 * connection, and counted. It repeats nothing else.
 */
import { Buffer } from "node:buffer";
import { ContinuedReader } from "./continued_reader.ts";

/** A call without a good reply. */
export interface Failure {
  kind: "connect" | "reset" | "end" | "reply" | "late";
  /** Calls of its write that were answered. */
  answered: number;
  detail: string;
}

/** What came of it so far. */
export interface ThriftReport {
  answered: number;
  connections: number;
  failures: Failure[];
  /** Calls that were repeated, see the module's header. */
  stale: number;
  /** Connections of which a client saw that they were closed before it wrote on them. */
  closedBetween: number;
}

const encoder = new TextEncoder();
const latin = new TextDecoder("latin1");

/** A message with one string in it: a call (type 1, field 1) or its reply (type 2, field 0). */
export function message(
  type: 1 | 2,
  name: string,
  seqid: number,
  value: Uint8Array,
  framed: boolean,
): Uint8Array {
  const begin = framed ? 4 : 0;
  const length = 12 + name.length + value.length;
  const bytes = new Uint8Array(begin + length);
  const view = new DataView(bytes.buffer);
  if (framed) view.setInt32(0, length);
  view.setUint32(begin, 0x8001_0000 | type);
  view.setInt32(begin + 4, name.length);
  encoder.encodeInto(name, bytes.subarray(begin + 8));
  view.setInt32(begin + 8 + name.length, seqid);
  bytes.set(value, begin + 12 + name.length);
  return bytes;
}

/** The struct with the string `text` as its only field. */
export function stringField(field: 0 | 1, text: string): Uint8Array {
  const bytes = new Uint8Array(8 + text.length);
  bytes[0] = 0x0b;
  bytes[2] = field;
  new DataView(bytes.buffer).setInt32(3, text.length);
  encoder.encodeInto(text, bytes.subarray(7));
  return bytes;
}

class Failed extends Error {
  readonly failure: Failure;

  constructor(kind: Failure["kind"], detail: string, answered = 0) {
    super(detail);
    this.failure = { kind, detail, answered };
  }
}

/** Running load; see the module's header. */
export class ThriftLoad {
  readonly report: ThriftReport = { answered: 0, connections: 0, failures: [], stale: 0, closedBetween: 0 };
  readonly port: number;
  /** Nobody connects any more: clients end with their connections. */
  ending = false;
  readonly #clients: Client[];
  readonly #running: Promise<void>[];
  readonly #watch: ReturnType<typeof setInterval>;

  constructor(port: number, clients: number) {
    this.port = port;
    this.#clients = Array.from({ length: clients }, (_, index) => new Client(this, index));
    this.#running = this.#clients.map((client) => client.run());
    this.#watch = setInterval(() => this.#clients.forEach((client) => client.cut()), 250);
  }

  /** Resolves once `count` calls more than now are answered. Rejects after a failure, and after 20 s. */
  async more(count: number): Promise<void> {
    const goal = this.report.answered + count;
    const end = performance.now() + 20_000;
    while (this.report.answered < goal) {
      const [failure] = this.report.failures;
      if (failure) throw new Error(`A call failed: ${JSON.stringify(failure)}`);
      if (performance.now() > end) throw new Error(`Not ${count} calls within 20 s`);
      await pause(5);
    }
  }

  /** Resolves when the server has closed all connections. */
  async ended(): Promise<ThriftReport> {
    this.ending = true;
    await Promise.all(this.#running);
    return this.report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending = true;
    for (const client of this.#clients) client.close();
    await Promise.all(this.#running);
    clearInterval(this.#watch);
  }
}

/** Most ask again at once; the others pause, some for longer than a drain waits for them. */
const thinks = [0, 0, 0, 0, 0, 0, 0, 3, 40, 300];
const longestReplyMs = 10_000;

class Client {
  readonly #load: ThriftLoad;
  readonly #framed: boolean;
  /** Looks whether the connection was closed before it writes; the others write right behind a reply. */
  readonly #looks: boolean;
  /** Calls that it writes at once. */
  readonly #batch: number;
  readonly #thinkMs: number;
  readonly #name: string;
  readonly #buffer = new Uint8Array(4096);
  #conn: Deno.Conn | undefined;
  readonly #reader = new ContinuedReader();
  #since = Infinity;
  #cut = false;
  #seqid = 0;

  constructor(load: ThriftLoad, index: number) {
    this.#load = load;
    this.#framed = index % 2 === 0;
    this.#looks = index % 4 < 2;
    this.#batch = index % 8 === 7 ? 3 : 1;
    this.#thinkMs = thinks[Math.floor(index / 2) % thinks.length]!;
    this.#name = index % 3 === 0 ? `slow ${index}` : `quick ${index}`;
  }

  async run(): Promise<void> {
    const { report } = this.#load;
    let repeated = false;
    for (;;) {
      if (this.#conn && await this.#closedBetween()) report.closedBetween++;
      const reused = this.#conn !== undefined;
      if (!reused && this.#load.ending) return;
      try {
        await this.#ask();
        repeated = false;
      } catch (error) {
        this.close();
        if (!(error instanceof Failed)) throw error;
        const { failure } = error;
        const stale = (failure.kind === "end" || failure.kind === "reset") && failure.answered === 0;
        if (stale && reused && !repeated && failure.detail.endsWith("after 0 bytes")) {
          report.stale++;
          repeated = true;
        } else {
          report.failures.push(failure);
          if (failure.kind === "connect") await pause(20);
        }
      }
    }
  }

  /** Whether the server closed the connection in the pause before the next call. */
  async #closedBetween(): Promise<boolean> {
    if (!this.#looks && this.#thinkMs === 0) return false;
    let closed = false;
    const reading = this.#read(0).catch(() => null).then(() => closed = true);
    await Promise.race([reading, pause(this.#thinkMs)]);
    // The timer may have come before what happened on the socket in the meantime.
    if (!closed) await Promise.race([reading, pause(1)]);
    if (closed) this.close();
    return closed;
  }

  async #ask(): Promise<void> {
    this.#since = performance.now();
    this.#cut = false;
    try {
      const conn = this.#conn ??= await this.#connect();
      const seqids = Array.from({ length: this.#batch }, () => ++this.#seqid);
      const texts = seqids.map((seqid) => `${this.#name} ${seqid}`);
      const calls = seqids.map((seqid, at) =>
        message(1, "say", seqid, stringField(1, texts[at]!), this.#framed)
      );
      const replies = seqids.map((seqid, at) =>
        message(2, "say", seqid, stringField(0, texts[at]!), this.#framed)
      );
      try {
        // One small write: it goes out whole.
        await conn.write(Buffer.concat(calls));
      } catch (error) {
        throw new Failed("reset", `write: ${(error as Error).message}, after 0 bytes`);
      }
      await this.#answers(replies);
    } finally {
      this.#since = Infinity;
    }
  }

  /** Reads exactly `replies`. */
  async #answers(replies: readonly Uint8Array[]): Promise<void> {
    const expected = Buffer.concat(replies);
    let length = 0;
    let answered = 0;
    let next = replies[0]!.length;
    while (length < expected.length) {
      let count: number | null;
      try {
        count = await this.#read(length);
      } catch (error) {
        const kind = this.#cut ? "late" : "reset";
        throw new Failed(kind, `read: ${(error as Error).message}, after ${length} bytes`, answered);
      }
      if (count === null) {
        throw new Failed(this.#cut ? "late" : "end", `the connection ended after ${length} bytes`, answered);
      }
      length += count;
      for (let at = length - count; at < length; at++) {
        if (this.#buffer[at] === expected[at]) continue;
        throw new Failed("reply", latin.decode(this.#buffer.subarray(0, length)), answered);
      }
      for (; answered < replies.length && length >= next; answered++) {
        next += replies[answered + 1]?.length ?? 0;
        this.#load.report.answered++;
      }
    }
  }

  /** Gives up what has waited too long. */
  cut(): void {
    if (performance.now() - this.#since < longestReplyMs) return;
    this.#cut = true;
    this.close();
  }

  close(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    this.#reader.forget();
    try {
      conn?.close();
    } catch {
      // Closed already, which is what we want.
    }
  }

  async #connect(): Promise<Deno.Conn> {
    this.#load.report.connections++;
    try {
      return await Deno.connect({ hostname: "127.0.0.1", port: this.#load.port });
    } catch (error) {
      throw new Failed("connect", (error as Error).message);
    }
  }

  #read(at: number): Promise<number | null> {
    return this.#reader.read(this.#conn!, this.#buffer.subarray(at));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
