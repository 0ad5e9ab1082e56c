/** A thrift listener around one handler, without kernel and network: a stack without filters, connections in memory. */
import type { Context, Log, RequestInfo } from "../../../core/context.ts";
import { Refusal, ServiceError } from "../../../core/errors.ts";
import type { Connection, ListenerHost } from "../../../core/protocol.ts";
import type { Reason } from "../../../core/reasons.ts";
import type { Service } from "../../../core/service.ts";
import { TestConnection, TestStream } from "../../frames/testdata/test_host.ts";
import { thrift, type ThriftPlan } from "../protocol.ts";
import type { ThriftRequest } from "../request.ts";

export { settled } from "../../frames/testdata/test_host.ts";

const folder = new URL("./", import.meta.url).pathname;

/** See the module's header. */
export class TestHost implements ListenerHost<ThriftPlan, ThriftRequest, Uint8Array> {
  readonly name = "rpc";
  readonly directory = folder;
  readonly now = 0;
  readonly plan: ThriftPlan;
  readonly refusals: Array<[Reason, string]> = [];
  readonly errors: string[] = [];
  /** What handlers were told of their requests. */
  readonly seen: Array<Partial<RequestInfo>> = [];
  admit: (request: ThriftRequest) => Reason | undefined = () => undefined;
  identify?: (request: ThriftRequest) => Partial<RequestInfo>;
  readonly #handler: unknown;
  readonly log: Log = {
    debug() {},
    info() {},
    warn() {},
    error: (message) => void this.errors.push(message),
    child: () => this.log,
  };

  constructor(handler: unknown, plan: Partial<ThriftPlan>) {
    this.#handler = handler;
    this.plan = {
      idl: `${folder}everything.thrift`,
      service: "Test",
      tracking: true,
      handler: { module: "file:///handler.ts", export: "default" },
      run: "inline",
      limits: { message: 1 << 20 },
      pipeline: 64,
      health: null,
      ...plan,
    };
  }

  handle(
    connection: Connection,
    request: ThriftRequest,
    _text: string,
    service: Service<ThriftRequest, Uint8Array>,
  ): Uint8Array | Refusal | Promise<Uint8Array | Refusal> {
    connection.requests++;
    const refused = this.admit(request);
    if (refused) return new Refusal(refused);
    const info = this.identify!(request);
    this.seen.push(info);
    const failed = (error: unknown) => {
      this.errors.push((error as Error).message);
      return new Refusal(error instanceof ServiceError ? error.reason : "handler_error");
    };
    try {
      const reply = service(request, { request: info } as unknown as Context);
      return reply instanceof Promise ? reply.catch(failed) : reply;
    } catch (error) {
      return failed(error);
    }
  }

  refuse(_connection: unknown, reason: Reason, text: string): void {
    this.refusals.push([reason, text]);
  }

  load(): Promise<unknown> {
    return Promise.resolve(this.#handler);
  }

  take(): never {
    throw new TypeError("Cannot take a message: calls come over connections");
  }

  upstream(name: string): never {
    throw new TypeError(`There is no upstream "${name}" in this test`);
  }

  onPool(): never {
    throw new TypeError("There are no pools in this test");
  }
}

/** A handler of Test whose methods do nothing, but for `methods`. */
export function handlerWith(methods: Record<string, unknown>): Record<string, unknown> {
  const names = "ping nop echo hello add fail split shout heard who reverse wait".split(" ");
  return { ...Object.fromEntries(names.map((name) => [name, () => "nothing"])), ...methods };
}

/** One connection to a listener with `methods`. */
export async function open(methods: Record<string, unknown>, plan: Partial<ThriftPlan> = {}) {
  const host = new TestHost(handlerWith(methods), plan);
  const server = await thrift.make(host);
  const stream = new TestStream();
  const connection = new TestConnection(stream);
  server.serve(connection);
  return { host, stream, connection };
}

/** Bytes of a text of hex digits; what is not one is left out. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/[^0-9a-f]/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** The digits of bytes. */
export function digits(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
