/** The kafka side of a pool thread: decodes and calls the handler. Loaded by the thread, not by the worker. */
import type { Context } from "../../core/context.ts";
import { ServiceError } from "../../core/errors.ts";
import { loadCodec } from "../codec/codec.ts";
import { decoded } from "./decode.ts";
import { handlerOf } from "./handler.ts";
import { fromPool, type PoolPayload } from "./pool_call.ts";

const nothing: PoolPayload = { head: "", body: undefined };

/** What the pool calls for every call. Throws TypeError when `handler` is no function. */
export function make(
  handler: unknown,
  _context: unknown,
): (payload: PoolPayload, context: Context) => Promise<PoolPayload> {
  const serve = handlerOf(handler, "the handler of a pool");
  return async (payload, context) => {
    const { codec: name, list, topic, partition, records } = fromPool(payload);
    const { values, bad } = decoded(records, topic, partition, await loadCodec(name));
    if (bad.length > 0) {
      throw new ServiceError("bad_request", bad[0]!.cause, { source: "client" });
    }
    await serve(list ? values : values[0], context);
    return nothing;
  };
}
