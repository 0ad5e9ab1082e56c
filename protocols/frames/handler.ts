/**
 * What a handler module exports for frames, made into the service that the listener's stack ends in. Every reply is
 * held against the framing here, inside the stack: a reply that the framing cannot carry (it contains the delimiter,
 * it has the wrong size) is the handler's error and counted as one, and never reaches the wire.
 */
import type { Context } from "../../core/context.ts";
import { ServiceError } from "../../core/errors.ts";
import type { Service } from "../../core/service.ts";
import type { Framing } from "./framing.ts";

/** One frame, or none, or many of them. */
export type FrameReply = Uint8Array | void | AsyncIterable<Uint8Array>;

/**
 * A handler of frames. `frame` is a view of the connection's read memory: good until the returned promise settles or
 * the returned iterable ends, copy what is kept longer. What is returned must not be changed afterwards; an item of an
 * iterable must not be changed until the next one is asked for.
 */
export type FrameHandler = (frame: Uint8Array, context: Context) => FrameReply | Promise<FrameReply>;

/** The reply of a handler that returned nothing: an empty frame, because the peer counts replies. */
export const emptyFrame = new Uint8Array(0);

/** Throws TypeError unless `loaded`, which `place` exports, is a handler of frames. */
export function handlerOf(loaded: unknown, place: string): FrameHandler {
  if (typeof loaded === "function") return loaded as FrameHandler;
  throw new TypeError(
    `Cannot serve frames with ${place}: it is ${
      describe(loaded)
    }; wanted is a function (frame, ctx) => reply`,
  );
}

/** One reply for every frame, in its order. */
export function replyService(handler: FrameHandler, framing: Framing): Service<Uint8Array, Uint8Array> {
  const check = (reply: FrameReply) => replyFrame(reply, framing);
  return (frame, context) => {
    const reply = handler(frame, context);
    if (reply instanceof Uint8Array) return fitting(reply, framing);
    return isPromise<FrameReply>(reply) ? Promise.resolve(reply).then(check) : check(reply);
  };
}

/** No replies: whatever the handler returns is dropped. */
export function oneWayService(handler: FrameHandler): Service<Uint8Array, Uint8Array> {
  return (frame, context) => {
    const reply = handler(frame, context);
    return isPromise(reply) ? Promise.resolve(reply).then(drop) : emptyFrame;
  };
}

/** Replies made by a call that crosses a thread, see pool_adapter.ts; no framing where they are not sent. */
export function pooledService(
  call: (payload: Uint8Array, signal: AbortSignal | undefined, deadline: number) => Promise<Uint8Array>,
  framing: Framing | undefined,
): Service<Uint8Array, Uint8Array> {
  if (!framing) return (frame, context) => call(frame, context.signal, context.deadline);
  const check = (reply: Uint8Array) => fitting(reply, framing);
  return (frame, context) => call(frame, context.signal, context.deadline).then(check);
}

/** `reply` as the frame that is sent for it. Throws ServiceError `handler_error` when it is none. */
export function replyFrame(reply: FrameReply, framing: Framing): Uint8Array {
  if (reply instanceof Uint8Array) return fitting(reply, framing);
  if (reply === undefined || reply === null) return fitting(emptyFrame, framing);
  const hint = isAsyncIterable(reply) ? '; many replies to one frame need "pattern: stream"' : "";
  throw new ServiceError(
    "handler_error",
    `The handler returned ${describe(reply)}; a reply is a Uint8Array${hint}`,
  );
}

/** `frame` itself. Throws ServiceError `handler_error` when the framing cannot carry it. */
export function fitting(frame: Uint8Array, framing: Framing): Uint8Array {
  const misfit = framing.misfit(frame);
  if (misfit === undefined) return frame;
  throw new ServiceError("handler_error", `The reply is no frame of this listener: ${misfit}`);
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof (value as AsyncIterable<Uint8Array> | undefined)?.[Symbol.asyncIterator] === "function";
}

export function isPromise<T>(value: unknown): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === "function";
}

function drop(): Uint8Array {
  return emptyFrame;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return value === undefined ? "undefined" : `a ${typeof value}`;
  return isAsyncIterable(value)
    ? "an async iterable"
    : `an object (${value.constructor?.name ?? "no class"})`;
}
