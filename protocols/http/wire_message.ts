/**
 * Requests and responses as bytes, for handlers on pool threads.
 *
 *     message  = u16be status (0 for requests), u32be bytes of the head, head (UTF-8), body
 *     request  : head = method LF url LF { name LF value LF }
 *     response : head = { name LF value LF }
 *
 * Names and values hold no LF: the runtime's Headers refuse it. Both sides own the bytes they are given, so bodies are
 * views on them.
 */
import { instantBody, instantContentType } from "./native_server.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const prefixBytes = 6;

/** Puts status, head and body into one message. */
function pack(status: number, head: string, body: string | Uint8Array): Uint8Array {
  const { length } = body;
  const text = typeof body === "string";
  // UTF-8 takes at most three bytes for each UTF-16 unit.
  const bytes = new Uint8Array(prefixBytes + head.length * 3 + (text ? length * 3 : length));
  const headBytes = encoder.encodeInto(head, bytes.subarray(prefixBytes)).written;
  const at = prefixBytes + headBytes;
  bytes[0] = status >> 8;
  bytes[1] = status;
  bytes[2] = headBytes >>> 24;
  bytes[3] = headBytes >>> 16;
  bytes[4] = headBytes >>> 8;
  bytes[5] = headBytes;
  if (!text) {
    bytes.set(body, at);
    return bytes.subarray(0, at + length);
  }
  return length === 0
    ? bytes.subarray(0, at)
    : bytes.subarray(0, at + encoder.encodeInto(body, bytes.subarray(at)).written);
}

function headEnd(bytes: Uint8Array): number {
  return prefixBytes + ((bytes[2]! << 24) | (bytes[3]! << 16) | (bytes[4]! << 8) | bytes[5]!);
}

function headerLines(headers: Headers): string {
  let lines = "";
  for (const [name, value] of headers) lines += `${name}\n${value}\n`;
  return lines;
}

function pairsOf(lines: string[], from: number): Array<[string, string]> {
  const pairs: Array<[string, string]> = [];
  for (let i = from; i + 1 < lines.length; i += 2) pairs.push([lines[i]!, lines[i + 1]!]);
  return pairs;
}

/** A request as bytes; waits for its body, which the listener's limit bounds. */
export function packRequest(request: Request): Uint8Array | Promise<Uint8Array> {
  const { method } = request;
  const head = `${method}\n${request.url}\n${headerLines(request.headers)}`;
  if (method === "GET" || method === "HEAD") return pack(0, head, "");
  return request.bytes().then((body) => pack(0, head, body));
}

/** The opposite of {@link packRequest}. */
export function unpackRequest(bytes: Uint8Array): Request {
  const end = headEnd(bytes);
  const lines = decoder.decode(bytes.subarray(prefixBytes, end)).split("\n");
  const method = lines[0]!;
  const bare = method === "GET" || method === "HEAD";
  const body = bare ? null : bytes.subarray(end) as Uint8Array<ArrayBuffer>;
  return new Request(lines[1]!, { method, headers: pairsOf(lines, 2), body });
}

/** A response as bytes; waits for its body where that is a stream. */
export function packResponse(response: Response): Uint8Array | Promise<Uint8Array> {
  const body = instantBody(response);
  const { status } = response;
  if (body === undefined) {
    const head = headerLines(response.headers);
    return response.bytes().then((bytes) => pack(status, head, bytes));
  }
  const type = instantContentType(response);
  const head = type === undefined
    ? headerLines(response.headers)
    : type === ""
    ? ""
    : `content-type\n${type}\n`;
  return pack(status, head, body);
}

/** The opposite of {@link packResponse}. */
export function unpackResponse(bytes: Uint8Array): Response {
  const status = (bytes[0]! << 8) | bytes[1]!;
  const end = headEnd(bytes);
  const lines = end === prefixBytes ? [] : decoder.decode(bytes.subarray(prefixBytes, end)).split("\n");
  const empty = status === 204 || status === 205 || status === 304;
  const body = empty ? null : bytes.subarray(end) as Uint8Array<ArrayBuffer>;
  if (lines.length === 0) return new Response(body, { status });
  // A single content type as a map keeps the answer on the runtime's fast path.
  const single = lines.length === 3 && lines[0] === "content-type";
  return new Response(body, { status, headers: single ? { "content-type": lines[1]! } : pairsOf(lines, 0) });
}
