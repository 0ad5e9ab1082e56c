/**
 * The thread's side of an HTTP listener that runs on a pool: message → Request → handler → Response → message. Loaded on
 * pool threads only. Bodies are whole, not streams: what a thread answers is in memory before it leaves.
 */
import type { Context } from "../../core/context.ts";
import type { Message } from "../../core/pool/message.ts";
import { toFetch } from "./fetch_handler.ts";
import { packResponse, unpackRequest } from "./wire_message.ts";

/** See core/pool: called once per thread with the handler's export. */
export function make(
  handler: unknown,
): (message: Message, context: Context) => Message | Promise<Message> {
  const fetch = toFetch(handler, "the pool's handler");
  return (message, context) => {
    const response = fetch(unpackRequest(message), context);
    return response instanceof Promise ? response.then(packResponse) : packResponse(response);
  };
}
