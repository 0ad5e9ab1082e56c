/** A session over a loopback connection whose other side the test plays byte for byte. */
import { type Clock, systemClock } from "../../../../core/clock.ts";
import { Endpoint } from "../../../../core/endpoint.ts";
import type { Attempt, HandleContext } from "../../../../core/upstream/contract.ts";
import { planOf, silent } from "../../../../core/upstream/testdata/scripted.ts";
import type { UpstreamError } from "../../../../core/upstream_error.ts";
import { thriftUpstream } from "../mod.ts";
import { digits, hex } from "../../testdata/test_host.ts";
import { ErrorReply, type ThriftCall } from "../call.ts";
import { ThriftHandle } from "../handle.ts";

const idl = new URL("../../testdata/more.thrift", import.meta.url).pathname;

/** An attempt that remembers what became of it. */
export class Recorded implements Attempt<ThriftCall, unknown> {
  readonly request: ThriftCall;
  readonly timeoutAt = Infinity;
  sent = false;
  reply: unknown;
  error: UpstreamError | undefined;
  releases = 0;
  readonly over: Promise<void>;
  #resolve!: () => void;

  constructor(request: ThriftCall) {
    this.request = request;
    this.over = new Promise((resolve) => this.#resolve = resolve);
  }

  /** What the caller would have thrown. */
  get thrown(): Error | undefined {
    return this.reply instanceof ErrorReply ? this.reply.error : this.error;
  }

  succeed(reply: unknown): void {
    this.reply = reply;
  }

  fail(error: UpstreamError): void {
    this.error = error;
    this.release();
  }

  release(): void {
    this.releases++;
    this.#resolve();
  }
}

/** The plan of such an upstream. */
export function thriftPlan(thrift: Record<string, unknown> = {}, keys: Record<string, unknown> = {}) {
  return planOf({ protocol: "thrift", thrift: { idl, ...thrift }, ...keys });
}

const context: HandleContext = {
  deadlineAt: Infinity,
  abandoned: false,
  requestId: "rid-1",
  nextRpcId: () => "1",
  requestMeta: {},
};

/** See the module's header. `serve` plays the server; `endpoint` may have been met before. */
export async function connect(
  thrift: Record<string, unknown>,
  options: { keys?: Record<string, unknown>; clock?: Clock; endpoint?: Endpoint; service?: string } = {},
) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const { port } = listener.addr as Deno.NetAddr;
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const peer = await accepting;
  listener.close();
  const plan = thriftPlan(thrift, options.keys);
  const counts = { changes: 0 };
  const { service } = options;
  const session = thriftUpstream.connect(conn, {
    upstream: "users",
    endpoint: options.endpoint ?? new Endpoint(0, { address: "10.0.0.1:1", weight: 1, role: null, priority: 0 }),
    plan,
    clock: options.clock ?? systemClock,
    log: silent,
    tls: false,
    alpn: "",
    ...(service === undefined ? {} : { service }),
    changed: () => counts.changes++,
  });
  const calls: ThriftCall[] = [];
  const handle = thriftUpstream.handle({
    name: "users",
    plan,
    clock: systemClock,
    log: silent,
    call: (request) => {
      calls.push(request);
      return Promise.resolve(undefined);
    },
  }, context) as ThriftHandle;
  return {
    session,
    counts,
    conn,
    peer: {
      /** The next `length` bytes. */
      async take(text: string): Promise<string> {
        const bytes = new Uint8Array(hex(text).length);
        for (let at = 0; at < bytes.length;) at += await peer.read(bytes.subarray(at)) ?? bytes.length;
        return digits(bytes);
      },
      async send(text: string): Promise<void> {
        await peer.write(hex(text));
      },
      close: () => peer.close(),
    },
    /** Makes a call as handlers do, and the attempt that carries it. */
    attempt(method: string, args: Record<string, unknown> = {}, more: Record<string, unknown> = {}): Recorded {
      handle.call(method, args, more);
      return new Recorded(calls.at(-1)!);
    },
    async [Symbol.asyncDispose]() {
      try {
        peer.close();
      } catch {
        // The test has closed it.
      }
      await session.then((one) => one.close(true), () => conn.close());
    },
  };
}
