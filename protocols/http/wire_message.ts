/**
 * Requests and responses as messages (core/pool), for handlers on pool threads.
 *
 *     request  : head = method LF url LF { name LF value LF }, body = bytes; none for GET and HEAD
 *     response : head = status LF { name LF value LF }, body = text or bytes
 *
 * Names and values hold no LF: the runtime's Headers refuse it. Text stays text on both ways: the runtime encodes it
 * when it sends it.
 */
import type { Message } from "../../core/pool/message.ts";
import { rawFields } from "./native_server.ts";
import { pooledRequest } from "./pooled_request.ts";
import { onlyContentType, wholeBody } from "./whole_response.ts";

const encoder = new TextEncoder();
const noBytes = new Uint8Array();

/** for…of takes several times as long. */
function headerLines(headers: Headers): string {
  let lines = "";
  headers.forEach((value, name) => lines += name + "\n" + value + "\n");
  return lines;
}

function pairsOf(head: string, from: number): Array<[string, string]> {
  const pairs: Array<[string, string]> = [];
  while (from < head.length) {
    const colon = head.indexOf("\n", from);
    const end = head.indexOf("\n", colon + 1);
    pairs.push([head.slice(from, colon), head.slice(colon + 1, end)]);
    from = end + 1;
  }
  return pairs;
}

function isBare(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** As they came: the other side makes Headers of them. */
function fieldLines(request: Request): string {
  let lines = "";
  for (const [name, value] of rawFields(request)) lines += name + "\n" + value + "\n";
  return lines;
}

/** A request as a message; waits for its body, which the listener's limit bounds. */
export function packRequest(request: Request): Message | Promise<Message> {
  const { method } = request;
  const head = `${method}\n${request.url}\n${fieldLines(request)}`;
  if (isBare(method)) return { head, body: undefined };
  return request.bytes().then((body) => ({ head, body }));
}

/** The opposite of {@link packRequest}. */
export function unpackRequest({ head, body }: Message): Request {
  const methodEnd = head.indexOf("\n");
  const urlEnd = head.indexOf("\n", methodEnd + 1);
  const method = head.slice(0, methodEnd);
  const url = head.slice(methodEnd + 1, urlEnd);
  return pooledRequest(method, url, () => {
    const headers = pairsOf(head, urlEnd + 1);
    if (isBare(method)) return new Request(url, { method, headers });
    return new Request(url, { method, headers, body: (body ?? noBytes) as Uint8Array<ArrayBuffer> });
  });
}

/** A response as a message; waits for its body where that is a stream. */
export function packResponse(response: Response): Message | Promise<Message> {
  const { status } = response;
  const type = onlyContentType(response);
  const head = type === undefined
    ? `${status}\n${headerLines(response.headers)}`
    : type === ""
    ? `${status}\n`
    : `${status}\ncontent-type\n${type}\n`;
  const body = wholeBody(response);
  if (body === undefined) return response.bytes().then((bytes) => ({ head, body: bytes }));
  if (body === null) return { head, body: undefined };
  // Text without a type would be given one on the other side.
  return { head, body: typeof body === "string" && !hasType(head) ? encoder.encode(body) : body };
}

function hasType(head: string): boolean {
  return head.includes("\ncontent-type\n");
}

/** The opposite of {@link packResponse}. */
export function unpackResponse({ head, body }: Message): Response {
  const statusEnd = head.indexOf("\n");
  const status = Number(head.slice(0, statusEnd));
  const given = status === 204 || status === 205 || status === 304
    ? null
    : (body ?? noBytes) as string | Uint8Array<ArrayBuffer>;
  if (statusEnd + 1 === head.length) return new Response(given, { status });
  const pairs = pairsOf(head, statusEnd + 1);
  // A single content type as a map keeps the answer on the runtime's fast path.
  const single = pairs.length === 1 && pairs[0]![0] === "content-type";
  return new Response(given, { status, headers: single ? { "content-type": pairs[0]![1] } : pairs });
}
