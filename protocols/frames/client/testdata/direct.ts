/** A session of a running server without pools or policies, so that a test sees each step. */
import { type Clock, systemClock } from "../../../../core/clock.ts";
import { Endpoint } from "../../../../core/endpoint.ts";
import type { ByteStream } from "../../../../core/protocol.ts";
import type { Attempt } from "../../../../core/upstream/contract.ts";
import { planOf, silent } from "../../../../core/upstream/testdata/scripted.ts";
import type { UpstreamError } from "../../../../core/upstream_error.ts";
import { framesUpstream } from "../mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An attempt that remembers what became of it. */
export class Recorded implements Attempt<Uint8Array, Uint8Array> {
  readonly request: Uint8Array;
  readonly timeoutAt = Infinity;
  sent = false;
  reply: Uint8Array | undefined;
  error: UpstreamError | undefined;
  releases = 0;
  readonly over: Promise<void>;
  #resolve!: () => void;

  constructor(request: Uint8Array) {
    this.request = request;
    this.over = new Promise((resolve) => this.#resolve = resolve);
  }

  /** The reply as text. */
  get text(): string | undefined {
    return this.reply && decoder.decode(this.reply);
  }

  succeed(reply: Uint8Array): void {
    if (this.reply || this.error) throw new Error("settled twice");
    this.reply = reply;
  }

  fail(error: UpstreamError): void {
    if (this.reply || this.error) throw new Error("settled twice");
    this.error = error;
    this.release();
  }

  release(): void {
    this.releases++;
    this.#resolve();
  }
}

/** A session over a fresh connection; `writes` counts what was written. */
export async function connectTo(port: number, keys: Record<string, unknown>, clock: Clock = systemClock) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const counts = { writes: 0, changes: 0 };
  let closed = false;
  const stream: ByteStream = {
    read: (into) => conn.read(into),
    write: (bytes) => {
      counts.writes++;
      return conn.write(bytes);
    },
    closeWrite: () => conn.closeWrite(),
    close() {
      if (!closed) conn.close();
      closed = true;
    },
  };
  const session = framesUpstream.connect(stream, {
    upstream: "orders",
    endpoint: new Endpoint(0, { address: `127.0.0.1:${port}`, weight: 1, role: null, priority: 0 }),
    plan: planOf({ protocol: "frames", ...keys }),
    clock,
    log: silent,
    tls: false,
    alpn: "",
    changed: () => counts.changes++,
  });
  const start = (frame: string | Uint8Array) => {
    const attempt = new Recorded(typeof frame === "string" ? encoder.encode(frame) : frame);
    session.start(attempt);
    return attempt;
  };
  return { session, counts, start, [Symbol.dispose]: () => session.close(true) };
}
