/**
 * Requests and responses as bytes, for handlers on pool threads.
 *
 *     message = u32be length of head, head (JSON, UTF-8), body
 *     request head = { m: method, u: url, h: [name, value, …] }
 *     response head = { s: status, h: [name, value, …] }
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Puts head and body into one message. */
export function pack(head: unknown, body: Uint8Array): Uint8Array {
  const json = encoder.encode(JSON.stringify(head));
  const bytes = new Uint8Array(4 + json.length + body.length);
  new DataView(bytes.buffer).setUint32(0, json.length);
  bytes.set(json, 4);
  bytes.set(body, 4 + json.length);
  return bytes;
}

/** Takes a message apart; the body is a view on it. */
export function unpack<Head>(bytes: Uint8Array): { head: Head; body: Uint8Array } {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  const head = JSON.parse(decoder.decode(bytes.subarray(4, 4 + length))) as Head;
  return { head, body: bytes.subarray(4 + length) };
}

/** Head of a request. */
export interface RequestHead {
  m: string;
  u: string;
  h: string[];
}

/** Head of a response. */
export interface ResponseHead {
  s: number;
  h: string[];
}

/** Name, value, name, value, … of `headers`; several `set-cookie` stay several. */
export function flatHeaders(headers: Headers): string[] {
  const flat: string[] = [];
  for (const [name, value] of headers) flat.push(name, value);
  return flat;
}

/** The opposite of {@link flatHeaders}. */
export function headerPairs(flat: string[]): Array<[string, string]> {
  const pairs: Array<[string, string]> = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i]!, flat[i + 1]!]);
  return pairs;
}

const noBody = new Uint8Array();

/** A request as bytes; waits for its body, which the listener's limit bounds. */
export function packRequest(request: Request): Uint8Array | Promise<Uint8Array> {
  const head: RequestHead = { m: request.method, u: request.url, h: flatHeaders(request.headers) };
  if (request.method === "GET" || request.method === "HEAD") return pack(head, noBody);
  return request.bytes().then((body) => pack(head, body));
}

/** A response out of bytes. The body is copied: the bytes belong to whoever brought them. */
export function unpackResponse(bytes: Uint8Array): Response {
  const { head, body } = unpack<ResponseHead>(bytes);
  const empty = head.s === 204 || head.s === 304 || body.length === 0;
  // A single header as a map keeps the answer on the runtime's fast path.
  const single = head.h.length === 2 && head.h[0] === "content-type";
  const headers = single ? { "content-type": head.h[1]! } : headerPairs(head.h);
  return new Response(empty ? null : body.slice(), { status: head.s, headers });
}
