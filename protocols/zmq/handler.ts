/**
 * What a handler module exports for zmq: `(message, ctx) => reply`. A reply is sent where the socket has one: rep answers
 * every message (nothing returned: null, or with codec raw an empty part), router, dealer and pair those for which the
 * handler returns something.
 */
import type { Context } from "../../core/context.ts";
import { ServiceError } from "../../core/errors.ts";
import type { Service } from "../../core/service.ts";
import type { Codec } from "../codec/codec.ts";
import { Multipart, type ZmqMessage } from "./message.ts";

/** See the module's header. */
export type ZmqHandler = (message: ZmqMessage, context: Context) => unknown;

/** The parts of a reply; none: nothing is sent. */
export type ReplyParts = readonly Uint8Array[];

/** No reply. */
export const noReply: ReplyParts = [];

/** Throws TypeError unless `loaded`, which `place` exports, is a handler. */
export function handlerOf(loaded: unknown, place: string): ZmqHandler {
  if (typeof loaded === "function") return loaded as ZmqHandler;
  throw new TypeError(`Cannot serve zmq with ${place}: wanted is a function (message, ctx) => reply`);
}

/** When a reply is sent. */
export type Replies = "always" | "something" | "never";

/** The handler as the listener's stack calls it. */
export function serviceOf(
  handler: ZmqHandler,
  codec: Codec,
  replies: Replies,
): Service<ZmqMessage, ReplyParts> {
  if (replies === "never") {
    return (message, context) => {
      const returned = handler(message, context);
      return isPromise(returned) ? returned.then(dropped) : noReply;
    };
  }
  const encode = (value: unknown) => encodeReply(value, codec, replies);
  return (message, context) => {
    const returned = handler(message, context);
    return isPromise(returned) ? returned.then(encode) : encode(returned);
  };
}

/** Throws ServiceError `handler_error` for what cannot be encoded. */
export function encodeReply(value: unknown, codec: Codec, replies: Replies): ReplyParts {
  if (replies === "never" || (value === undefined && replies === "something")) return noReply;
  try {
    return encodeParts(value, codec);
  } catch (error) {
    throw new ServiceError("handler_error", `The reply cannot be sent: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** One part, or those of a {@link Multipart}. Throws what the codec throws. */
export function encodeParts(value: unknown, codec: Codec): Uint8Array[] {
  return value instanceof Multipart ? value.parts.map((part) => codec.encode(part)) : [codec.encode(value)];
}

function dropped(): ReplyParts {
  return noReply;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | undefined)?.then === "function";
}
