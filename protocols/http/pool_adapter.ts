/**
 * The thread's side of an HTTP listener that runs on a pool: bytes → Request → handler → Response → bytes. Loaded on
 * pool threads only. Bodies are whole, not streams: what a thread answers is in memory before it leaves.
 */
import type { Context } from "../../core/context.ts";
import { instantBody } from "./native_server.ts";
import { toFetch } from "./fetch_handler.ts";
import {
  flatHeaders,
  headerPairs,
  pack,
  type RequestHead,
  type ResponseHead,
  unpack,
} from "./wire_message.ts";

const encoder = new TextEncoder();

/** See core/pool: called once per thread with the handler's export. */
export function make(
  handler: unknown,
): (payload: Uint8Array, context: Context) => Uint8Array | Promise<Uint8Array> {
  const fetch = toFetch(handler, "the pool's handler");
  return (payload, context) => {
    const { head, body } = unpack<RequestHead>(payload);
    const bare = head.m === "GET" || head.m === "HEAD";
    const request = new Request(head.u, {
      method: head.m,
      headers: headerPairs(head.h),
      ...(bare ? {} : { body: body.slice() }),
    });
    const response = fetch(request, context);
    return response instanceof Promise ? response.then(packResponse) : packResponse(response);
  };
}

function packResponse(response: Response): Uint8Array | Promise<Uint8Array> {
  const body = instantBody(response);
  const head: ResponseHead = { s: response.status, h: flatHeaders(response.headers) };
  if (body === undefined) return response.bytes().then((bytes) => pack(head, bytes));
  return pack(head, typeof body === "string" ? encoder.encode(body) : body);
}
