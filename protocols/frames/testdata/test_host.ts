/**
 * The least that frames need around them: a listener's stack without filters, connections without limits that remember
 * what happened to them, and a byte stream in memory whose every step the test decides.
 */
import type { Context, Log } from "../../../core/context.ts";
import { Refusal, ServiceError } from "../../../core/errors.ts";
import type { ByteStream, Connection, ListenerHost, PhaseValue } from "../../../core/protocol.ts";
import type { Reason } from "../../../core/reasons.ts";
import type { Service } from "../../../core/service.ts";
import { frames, type FramesPlan } from "../protocol.ts";

/** A plan with what most tests want. */
export function planOf(plan: Partial<FramesPlan>): FramesPlan {
  return {
    framing: { netstring: {}, max: 1024 } as FramesPlan["framing"],
    pattern: "requestReply",
    refuse: "close",
    run: "inline",
    handler: { module: "file:///handler.ts", export: "default" },
    ...plan,
  };
}

/** A listener's host around one handler. */
export class TestHost implements ListenerHost<FramesPlan, Uint8Array, Uint8Array> {
  readonly name = "test";
  readonly directory = "/";
  readonly now = 0;
  readonly plan: FramesPlan;
  readonly handler: unknown;
  readonly refusals: Array<{ reason: Reason; text: string }> = [];
  readonly errors: string[] = [];
  readonly pooled: string[] = [];
  /** Refuses the frame where it answers a reason. */
  admit: (frame: Uint8Array) => Reason | undefined = () => undefined;
  readonly log: Log = {
    debug() {},
    info() {},
    warn() {},
    error: (message) => void this.errors.push(message),
    child: () => this.log,
  };

  constructor(plan: Partial<FramesPlan>, handler: unknown) {
    this.plan = planOf(plan);
    this.handler = handler;
  }

  handle(
    connection: Connection,
    message: Uint8Array,
    _text: string,
    service: Service<Uint8Array, Uint8Array>,
  ): Uint8Array | Refusal | Promise<Uint8Array | Refusal> {
    connection.requests++;
    const refused = this.admit(message);
    if (refused) return new Refusal(refused);
    try {
      const answer = service(message, this.#context);
      return answer instanceof Promise ? answer.catch((error) => this.#failed(error)) : answer;
    } catch (error) {
      return this.#failed(error);
    }
  }

  refuse(_connection: Connection, reason: Reason, text: string): void {
    this.refusals.push({ reason, text });
  }

  load(): Promise<unknown> {
    return Promise.resolve(this.handler);
  }

  take(): never {
    throw new TypeError("Cannot take a message: frames come over connections");
  }

  upstream(name: string): never {
    throw new TypeError(`There is no upstream "${name}" in this test`);
  }

  onPool(pool: string): ReturnType<ListenerHost<FramesPlan, Uint8Array, Uint8Array>["onPool"]> {
    this.pooled.push(pool);
    return async (payload) => {
      await null;
      return (this.handler as (frame: Uint8Array) => Uint8Array)(payload.slice());
    };
  }

  readonly #context = { deadline: Infinity, signal: new AbortController().signal } as unknown as Context;

  #failed(error: unknown): Refusal {
    this.errors.push((error as Error).message);
    return new Refusal(error instanceof ServiceError ? error.reason : "handler_error");
  }
}

/** A connection without limits; `ended` settles with the reason of its one end. */
export class TestConnection implements Connection {
  readonly id = 1;
  readonly address = "";
  readonly client = "";
  readonly tls = false;
  readonly alpn = "";
  readonly stream: ByteStream;
  readonly phases: PhaseValue[] = [];
  readonly ends: Reason[] = [];
  readonly ended: Promise<Reason>;
  requests = 0;
  closing = false;
  kill: (reason: Reason) => void = () => {};
  finish: () => void = () => {};
  #settle!: (reason: Reason) => void;

  constructor(stream: ByteStream) {
    this.stream = stream;
    this.ended = new Promise((resolve) => this.#settle = resolve);
  }

  enter(phase: PhaseValue): void {
    this.phases.push(phase);
  }

  done(reason: Reason): void {
    this.ends.push(reason);
    if (this.ends.length > 1) return;
    try {
      this.stream.close();
    } catch {
      // Closed already.
    }
    this.#settle(reason);
  }
}

/** A stream in memory: `feed` is the peer's write, `output` what it could read. */
export class TestStream implements ByteStream {
  /** Everything written so far, and how it was cut into writes. */
  readonly writes: Uint8Array[] = [];
  closed = false;
  writeClosed = false;
  reads = 0;
  /** False: writes do not return until it is true again. */
  #open = true;
  #input: Array<Uint8Array | null> = [];
  #reader: (() => void) | undefined;
  #writer: (() => void) | undefined;
  /** Bytes that one write takes at most. */
  writeBytes = Infinity;

  feed(...pieces: Array<Uint8Array | string | null>): void {
    for (const piece of pieces) {
      this.#input.push(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
    }
    this.#reader?.();
  }

  /** Bytes fed and not read. */
  get unread(): number {
    return this.#input.reduce((sum, piece) => sum + (piece?.length ?? 0), 0);
  }

  get output(): Uint8Array {
    return new Uint8Array(this.writes.flatMap((bytes) => [...bytes]));
  }

  get text(): string {
    return new TextDecoder().decode(this.output);
  }

  /** The peer stops, or continues, to read. */
  set reading(open: boolean) {
    this.#open = open;
    if (open) this.#writer?.();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    while (this.#input.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => this.#reader = resolve);
    }
    if (this.closed) throw new Deno.errors.Interrupted("closed");
    const piece = this.#input.shift()!;
    if (piece === null) {
      this.#input.unshift(null);
      return null;
    }
    const count = Math.min(piece.length, into.length);
    into.set(piece.subarray(0, count));
    if (count < piece.length) this.#input.unshift(piece.subarray(count));
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (!this.#open && !this.closed) await new Promise<void>((resolve) => this.#writer = resolve);
    if (this.closed) throw new Deno.errors.BrokenPipe("closed");
    const count = Math.min(bytes.length, this.writeBytes);
    this.writes.push(bytes.slice(0, count));
    return count;
  }

  closeWrite(): Promise<void> {
    this.writeClosed = true;
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#reader?.();
    this.#writer?.();
  }
}

/** A frames server over real sockets or test streams. */
export async function serverOf(host: TestHost) {
  const server = await frames.make(host);
  return {
    host,
    server,
    /** Serves a stream in memory. */
    open(): { stream: TestStream; connection: TestConnection } {
      const stream = new TestStream();
      const connection = new TestConnection(stream);
      server.serve(connection);
      return { stream, connection };
    },
  };
}

/** Lets everything that is ready run; nothing that waits for the test moves. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}
