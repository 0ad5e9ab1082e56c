/**
 * The frames side of a pool thread: makes a handler module's export into what a pool calls. Loaded by the thread, not
 * by the worker; it knows no connection and no framing.
 */
import type { Context } from "../../core/context.ts";
import { ServiceError } from "../../core/errors.ts";
import { emptyFrame, type FrameReply, handlerOf, isAsyncIterable, isPromise } from "./handler.ts";

/**
 * What the pool calls for every frame. `payload` belongs to the call. Throws TypeError when `handler` is no function;
 * the function throws ServiceError `handler_error` for what is no reply.
 */
export function make(
  handler: unknown,
  _context: unknown,
): (payload: Uint8Array, context: Context) => Uint8Array | Promise<Uint8Array> {
  const serve = handlerOf(handler, "the handler of a pool");
  return (payload, context) => {
    const reply = serve(payload, context);
    return isPromise<FrameReply>(reply) ? reply.then(bytesOf) : bytesOf(reply);
  };
}

function bytesOf(reply: FrameReply): Uint8Array {
  if (reply instanceof Uint8Array) return reply;
  if (reply === undefined || reply === null) return emptyFrame;
  throw new ServiceError(
    "handler_error",
    isAsyncIterable(reply)
      ? "The handler returned an async iterable; a handler on a pool answers with one Uint8Array"
      : "The handler returned something that is no Uint8Array",
  );
}
