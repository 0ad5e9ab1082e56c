/** Sessions and callers of a running server without pools or policies, so that a test sees each step. */
import { Endpoint } from "../../../core/endpoint.ts";
import type { Clock } from "../../../core/clock.ts";
import { systemClock } from "../../../core/clock.ts";
import type { RedisArgument } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { ByteStream } from "../../../core/protocol.ts";
import type {
  Attempt,
  Caller,
  CallOptions,
  HandleContext,
  SessionHost,
} from "../../../core/upstream/contract.ts";
import type { UpstreamError } from "../../../core/upstream_error.ts";
import { planOf, silent } from "../../../core/upstream/testdata/scripted.ts";
import { commandOf } from "../commands.ts";
import { RedisHandle } from "../handle.ts";
import { redisUpstream } from "../mod.ts";
import type { RedisReply } from "../reply_decoder.ts";
import type { RedisRequest } from "../request.ts";
import type { RedisSession } from "../session.ts";

/** A stream that counts what goes over it. */
export class CountingStream implements ByteStream {
  readonly #conn: Deno.Conn;
  writes = 0;
  closed = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#conn.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    return this.#conn.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#conn.close();
  }
}

/** An attempt that remembers what became of it. */
export class Recorded implements Attempt<RedisRequest, RedisReply> {
  readonly request: RedisRequest;
  readonly timeoutAt = Infinity;
  sent = false;
  reply: RedisReply | undefined;
  error: UpstreamError | undefined;
  releases = 0;
  readonly over: Promise<void>;
  #resolve!: () => void;

  constructor(request: RedisRequest) {
    this.request = request;
    this.over = new Promise((resolve) => this.#resolve = resolve);
  }

  succeed(reply: RedisReply): void {
    if (this.reply !== undefined || this.error) throw new Error("settled twice");
    this.reply = reply;
  }

  fail(error: UpstreamError): void {
    if (this.reply !== undefined || this.error) throw new Error("settled twice");
    this.error = error;
    this.release();
  }

  release(): void {
    this.releases++;
    this.#resolve();
  }
}

export function requestOf(name: string, ...args: RedisArgument[]): RedisRequest {
  return { command: commandOf(name), args, bytes: false, steps: undefined };
}

export function plan(keys: Record<string, unknown> = {}): UpstreamPlan {
  return planOf({ protocol: "redis", ...keys });
}

export interface Connected extends Disposable {
  readonly session: RedisSession;
  readonly stream: CountingStream;
  /** How often the session has told its pool that something changed. */
  readonly changes: () => number;
  start(name: string, ...args: RedisArgument[]): Recorded;
}

/** A session over a fresh connection. */
export async function connectTo(
  port: number,
  { keys = {}, clock = systemClock }: { keys?: Record<string, unknown>; clock?: Clock } = {},
): Promise<Connected> {
  let changes = 0;
  const stream = new CountingStream(await Deno.connect({ hostname: "127.0.0.1", port }));
  const host = hostOf(port, plan(keys), clock, () => changes++);
  try {
    const session = await redisUpstream.connect(stream, host);
    const start = (name: string, ...args: RedisArgument[]) => {
      const attempt = new Recorded(requestOf(name, ...args));
      session.start(attempt);
      return attempt;
    };
    return { session, stream, changes: () => changes, start, [Symbol.dispose]: () => session.close(true) };
  } catch (error) {
    stream.close();
    throw error;
  }
}

function hostOf(port: number, plan: UpstreamPlan, clock: Clock, changed: () => void): SessionHost {
  return {
    upstream: "cache",
    endpoint: endpointAt(port),
    plan,
    clock,
    log: silent,
    tls: false,
    alpn: "",
    changed,
  };
}

export function endpointAt(port: number): Endpoint {
  return new Endpoint(0, { address: `127.0.0.1:${port}`, weight: 1, role: null, priority: 0 });
}

/** A caller with one session and, for subscriptions, connections of their own. */
export class DirectCaller implements Caller<RedisRequest, RedisReply> {
  readonly name = "cache";
  readonly plan: UpstreamPlan;
  readonly clock: Clock;
  readonly log = silent;
  readonly #port: number;
  readonly #session: RedisSession;
  #ends: Array<() => void> = [];
  /** Options of the calls so far. */
  readonly options: CallOptions[] = [];

  constructor(port: number, session: RedisSession, plan: UpstreamPlan, clock: Clock = systemClock) {
    this.#port = port;
    this.#session = session;
    this.plan = plan;
    this.clock = clock;
  }

  call(request: RedisRequest, _owner: unknown, options: CallOptions): Promise<RedisReply> {
    this.options.push(options);
    return new Promise((resolve, reject) => {
      this.#session.start({
        request,
        timeoutAt: Infinity,
        sent: false,
        succeed: resolve,
        fail: reject,
        release() {},
      });
    });
  }

  async dedicated() {
    const stream = new CountingStream(await Deno.connect({ hostname: "127.0.0.1", port: this.#port }));
    return { stream, endpoint: endpointAt(this.#port), close: () => stream.close() };
  }

  onEnd(callback: () => void): void {
    this.#ends.push(callback);
  }

  end(): void {
    for (const callback of this.#ends.splice(0)) callback();
  }

  handle(): RedisHandle {
    const context: HandleContext = {
      deadlineAt: Infinity,
      abandoned: false,
      requestId: "1",
      nextRpcId: () => "1.1",
    };
    return new RedisHandle(this, context);
  }
}

/** Waits for a fact, 5 s at most. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5000;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
