/**
 * What a handler module exports for thrift, made into the service that the listener's stack ends in: an object with the
 * methods of the service, each `(args, ctx) => result`. Results are encoded here, inside the stack, so that a value
 * that the IDL does not allow is the handler's error and never reaches the wire.
 */
import type { Context } from "../../core/context.ts";
import type { Service } from "../../core/service.ts";
import { exceptionReply, resultReply } from "./answer.ts";
import { replyMetaOf } from "./reply_meta.ts";
import type { ThriftRequest } from "./request.ts";
import type { MethodCodec, ServiceCodec } from "./service_codec.ts";
import type { Fields } from "./wire/struct_codec.ts";

/** One method of a handler. */
// deno-lint-ignore no-explicit-any
export type ThriftMethod = (args: any, context: Context) => unknown;

/** The methods of a service by name; an instance of a class will do. */
export type ThriftHandler = Record<string, ThriftMethod>;

/** Throws TypeError unless `loaded`, which `place` exports, has all methods of the service but those of `but`. */
export function handlerOf(
  loaded: unknown,
  place: string,
  service: ServiceCodec,
  but: readonly string[] = [],
): ThriftHandler {
  const handler = loaded as ThriftHandler | null;
  const isObject = (typeof handler === "object" && handler !== null) || typeof handler === "function";
  const missing = [...service.methods.keys()].filter((name) =>
    !but.includes(name) && (!isObject || typeof handler[name] !== "function")
  );
  if (isObject && missing.length === 0) return handler;
  throw new TypeError(
    `Cannot serve ${service.name} with ${place}: ${
      isObject ? `it lacks ${missing.join(", ")}` : "it is no object with the methods of the service"
    }`,
  );
}

/** Calls the methods of `handler`. */
export function handlerService(handler: ThriftHandler): Service<ThriftRequest, Uint8Array> {
  return (request, context) => {
    let value: unknown;
    try {
      value = handler[request.method.name]!(request.args as Fields, context);
    } catch (error) {
      return thrown(request, request.method, error, context);
    }
    if (!isPromise(value)) return resultReply(request, request.method, value, replyMetaOf(context));
    return Promise.resolve(value).then(
      (value) => resultReply(request, request.method, value, replyMetaOf(context)),
      (error) => thrown(request, request.method, error, context),
    );
  };
}

function thrown(request: ThriftRequest, method: MethodCodec, error: unknown, context: Context): Uint8Array {
  const reply = exceptionReply(request, method, error, replyMetaOf(context));
  if (reply) return reply;
  throw error;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}
