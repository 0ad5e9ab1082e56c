/**
 * The thread's side of an HTTP listener that runs on a pool: bytes → Request → handler → Response → bytes. Loaded on
 * pool threads only. Bodies are whole, not streams: what a thread answers is in memory before it leaves.
 */
import type { Context } from "../../core/context.ts";
import { toFetch } from "./fetch_handler.ts";
import { packResponse, unpackRequest } from "./wire_message.ts";

/** See core/pool: called once per thread with the handler's export. */
export function make(
  handler: unknown,
): (payload: Uint8Array, context: Context) => Uint8Array | Promise<Uint8Array> {
  const fetch = toFetch(handler, "the pool's handler");
  return (payload, context) => {
    const response = fetch(unpackRequest(payload), context);
    return response instanceof Promise ? response.then(packResponse) : packResponse(response);
  };
}
