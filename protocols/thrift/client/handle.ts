/** What handlers get of a thrift upstream: `call(method, args, options)`. Arguments are checked before anything is sent. */
import type { Upstream, UpstreamCallOptions } from "../../../core/context.ts";
import { suggest } from "../../../core/manifest/suggest.ts";
import type { Caller, CallOptions, HandleContext } from "../../../core/upstream/contract.ts";
import { UpstreamHandle } from "../../../core/upstream/wrong_protocol.ts";
import { writerFor } from "../answer.ts";
import type { MethodCodec, ServiceCodec } from "../service_codec.ts";
import { metaFor } from "../tracking.ts";
import type { Mode } from "../wire/transport.ts";
import type { Writer } from "../wire/wire.ts";
import { ValueError } from "../wire/wire_error.ts";
import type { ThriftCall } from "./call.ts";

/** A service as it is called. */
export interface CalledService {
  readonly service: ServiceCodec;
  readonly mode: Mode;
}

/** See the module's header. */
export class ThriftHandle extends UpstreamHandle {
  readonly protocol = "thrift";
  readonly name: string;
  readonly #caller: Caller<ThriftCall, unknown>;
  readonly #context: HandleContext;
  readonly #called: CalledService;
  readonly #role: string | undefined;

  constructor(
    caller: Caller<ThriftCall, unknown>,
    context: HandleContext,
    called: CalledService,
    role?: string,
  ) {
    super();
    this.name = caller.name;
    this.#caller = caller;
    this.#context = context;
    this.#called = called;
    this.#role = role;
  }

  override role(role: string): Upstream {
    return new ThriftHandle(this.#caller, this.#context, this.#called, role);
  }

  override call<T = unknown>(
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    options?: UpstreamCallOptions,
  ): Promise<T> {
    const { service, mode } = this.#called;
    const method = service.methods.get(name);
    if (!method) {
      const near = suggest(name, service.methods.keys());
      throw new TypeError(
        `Cannot call ${name} of upstream ${this.name}: ${service.name} has no such method${
          near ? `; did you mean ${near}?` : ""
        }`,
      );
    }
    const context = this.#context;
    const request: ThriftCall = {
      method,
      values: args,
      args: encodedArgs(method, args, mode, this.name),
      protocol: mode.protocol,
      id: context.requestId,
      rpcId: context.nextRpcId(),
      meta: metaFor(context.requestId, context.requestMeta, context.trace),
      onReplyMeta: options?.onReplyMeta,
    };
    return this.#caller.call(request, context, this.#options(name, options)) as Promise<T>;
  }

  #options(method: string, options: UpstreamCallOptions | undefined): CallOptions {
    const made: CallOptions = { method, idempotent: options?.idempotent ?? false };
    if (this.#role !== undefined) made.role = this.#role;
    if (options === undefined) return made;
    if (options.key !== undefined) made.key = options.key;
    if (options.timeoutMs !== undefined) made.timeoutMs = options.timeoutMs;
    if (options.signal !== undefined) made.signal = options.signal;
    return made;
  }
}

/** The arguments as bytes. Throws TypeError where they do not fit, names what is wrong and where. */
export function encodedArgs(
  method: MethodCodec,
  args: Readonly<Record<string, unknown>>,
  mode: Mode,
  upstream: string,
): Uint8Array {
  const writer: Writer = writerFor(mode);
  try {
    method.args.write(writer, args);
    for (const name of Object.keys(args)) {
      if (!method.args.fields.some((field) => field.name === name)) {
        throw new ValueError("there is no such argument", name);
      }
    }
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new TypeError(`Cannot call ${method.name} of upstream ${upstream}: ${error.message}`, {
      cause: error,
    });
  }
  return writer.sink.copy();
}
