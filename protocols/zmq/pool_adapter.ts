/** The zmq side of a pool thread: decodes, calls the handler, encodes. Loaded by the thread, not by the worker. */
import type { Context } from "../../core/context.ts";
import { ServiceError } from "../../core/errors.ts";
import { loadCodec } from "../codec/codec.ts";
import { encodeReply, handlerOf } from "./handler.ts";
import { ZmqMessage } from "./message.ts";
import { fromPool, type PoolPayload, replyToPool } from "./pool_call.ts";

/** What the pool calls for every message. Throws TypeError when `handler` is no function. */
export function make(
  handler: unknown,
  _context: unknown,
): (payload: PoolPayload, context: Context) => Promise<PoolPayload> {
  const serve = handlerOf(handler, "the handler of a pool");
  return async (payload, context) => {
    const { codec: name, replies, topic, identity, parts } = fromPool(payload);
    const codec = await loadCodec(name);
    let values: unknown[];
    try {
      values = parts.map((part) => codec.decode(part));
    } catch (error) {
      throw new ServiceError("bad_request", "The message cannot be decoded", {
        source: "client",
        cause: error,
      });
    }
    const reply = await serve(new ZmqMessage(values.at(-1), topic, identity, values), context);
    return replyToPool(encodeReply(reply, codec, replies));
  };
}
