/** Both ends of a proxy as bytes: a client that writes what it likes, an upstream that does. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { freePorts } from "../../../../tests/provision.ts";

const range = { from: 21_600, to: 22_399 };
const limitMs = 10_000;

/** Bytes of Latin-1 text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** One connection, spoken to by hand. */
export class Wire {
  readonly conn: Deno.Conn;
  /** What was read and not taken, as Latin-1. */
  held = "";
  #ended = false;
  readonly #buffer = new Uint8Array(65536);

  constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? bytesOf(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** Everything up to and including `mark`. */
  async until(mark: string): Promise<string> {
    while (!this.held.includes(mark)) {
      assert.ok(await this.#more(), `it ended before ${JSON.stringify(mark)}: ${this.held.slice(0, 500)}`);
    }
    const end = this.held.indexOf(mark) + mark.length;
    return this.take(end);
  }

  async bytes(count: number): Promise<string> {
    while (this.held.length < count) assert.ok(await this.#more(), `it ended after ${this.held.length} bytes`);
    return this.take(count);
  }

  /** All that comes until the peer ends; a reset is an end as well. */
  async rest(): Promise<string> {
    while (await this.#more());
    return this.take(this.held.length);
  }

  take(count: number): string {
    const taken = this.held.slice(0, count);
    this.held = this.held.slice(count);
    return taken;
  }

  close(): void {
    try {
      this.conn.close();
    } catch {
      // It is closed already.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const limit = setTimeout(() => this.close(), limitMs);
    const count = await this.conn.read(this.#buffer).catch(() => null);
    clearTimeout(limit);
    if (count === null) this.#ended = true;
    else this.held += Buffer.from(this.#buffer.subarray(0, count)).toString("latin1");
    return count !== null;
  }
}

/** A connection to a port here. */
export async function connect(port: number): Promise<Wire> {
  return new Wire(await Deno.connect({ hostname: "127.0.0.1", port }));
}

/** An upstream that is spoken for by hand. */
export interface RawUpstream extends AsyncDisposable {
  readonly address: string;
  /** Connections that came so far. */
  readonly wires: Wire[];
}

/** Every connection goes to `serve`, with its number, and is closed after that. */
export function rawUpstream(serve: (wire: Wire, number: number) => Promise<void>): RawUpstream {
  const [port] = freePorts(1, range) as [number];
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const wires: Wire[] = [];
  const errors: unknown[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      const wire = new Wire(conn);
      wires.push(wire);
      serve(wire, wires.length - 1).catch((error) => errors.push(error)).finally(() => wire.close());
    }
  })();
  return {
    address: `127.0.0.1:${port}`,
    wires,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const wire of wires) wire.close();
      await accepting;
      const failed = errors.find((error) => error instanceof assert.AssertionError && !isCut(error));
      if (failed) throw failed;
    },
  };
}

/** The proxy closes connections as it likes. */
function isCut(error: Error): boolean {
  return error.message.startsWith("it ended");
}

/** Waits for a fact. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const until = performance.now() + limitMs;
  while (!holds()) {
    assert.ok(performance.now() < until, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resolves with `value()` once it has not changed for a while. */
export async function standstill(value: () => number): Promise<number> {
  for (let last = value(), since = performance.now();;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = value();
    if (now === last && performance.now() - since > 400) return now;
    if (now !== last) {
      last = now;
      since = performance.now();
    }
  }
}
