/** A server that says exactly what a test tells it to, byte by byte, and remembers what it heard. */
import { freePorts } from "../../../../tests/provision.ts";

const encoder = new TextEncoder();
const patienceMs = 10_000;

/** The peer closed where a test expected more of it. */
class PeerClosed extends Error {}

/** One accepted connection. */
export class RawConnection {
  /** All that was received, as latin1. */
  heard = "";
  /** The peer has closed, or reset. */
  over = false;
  readonly #conn: Deno.Conn;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Reads until `text` was received (again, beyond `from`); throws when the peer closes before. */
  async hears(text: string, from = 0): Promise<void> {
    while (!this.heard.slice(from).includes(text)) {
      if (!await this.#read()) throw new PeerClosed(`the peer closed before it said ${JSON.stringify(text)}`);
    }
  }

  /** Reads until the peer closes. */
  async ends(): Promise<void> {
    while (await this.#read());
  }

  async says(text: string | Uint8Array): Promise<void> {
    let bytes = typeof text === "string" ? encoder.encode(text) : text;
    while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // It is closed already.
    }
  }

  async #read(): Promise<boolean> {
    const memory = new Uint8Array(65_536);
    const bytes = await this.#conn.read(memory).catch(() => null);
    if (bytes === null) this.over = true;
    else this.heard += String.fromCharCode(...memory.subarray(0, bytes));
    return bytes !== null;
  }
}

/** See the module's header. `serve` is called for every connection, with its number. */
export class RawServer implements AsyncDisposable {
  readonly port: number;
  readonly connections: RawConnection[] = [];
  readonly #listener: Deno.Listener;
  readonly #running: Promise<void>[] = [];
  #closed = false;
  /** What went wrong in `serve` first. */
  error: unknown;

  constructor(serve: (connection: RawConnection, number: number) => Promise<void>) {
    this.port = freePorts(1, { from: 20_900, to: 21_599 })[0]!;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
    this.#accept(serve);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async #accept(serve: (connection: RawConnection, number: number) => Promise<void>): Promise<void> {
    for await (const conn of this.#listener) {
      const connection = new RawConnection(conn);
      this.connections.push(connection);
      this.#running.push(
        serve(connection, this.connections.length).catch((error) => {
          if (!(this.#closed && error instanceof PeerClosed)) this.error ??= error;
        }).finally(() => connection.close()),
      );
    }
  }

  /** Throws what went wrong in `serve`; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#listener.close();
      for (const connection of this.connections) connection.close();
    }
    await Promise.all(this.#running);
    if (this.error) throw this.error;
  }
}

/** Waits for a fact. */
export async function until(fact: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + patienceMs;
  while (!fact()) {
    if (performance.now() > limit) throw new Error(`It never came true that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
