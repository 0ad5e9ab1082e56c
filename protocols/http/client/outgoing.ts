/**
 * What a handler passes to `fetch` as a request for an upstream: target, fields and body checked once, before any
 * attempt, by the rules of the web's own types. Fields that belong to the connection are left out.
 */
import type { FlatHeaders, HttpRequest } from "./message.ts";

/** A request in the making. */
export interface Outgoing extends HttpRequest {
  method: string;
  target: string;
  host: string;
  headers: FlatHeaders;
  body: Uint8Array | ReadableStream<Uint8Array> | null;
  bodyBytes: number;
  expectContinue: boolean;
}

/** Paths that need no normalising. */
const plainPath = /^\/(?!\/)(?:[!-"$-~](?<!\/\.))*$/;
const token = /^[!#$%&'*+.^`|~\w-]+$/;
/** Methods whose case does not matter to the web. */
const standard = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);
const connectionFields = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const encoder = new TextEncoder();

/** Path and query of `path`; throws TypeError where it has none. */
export function targetOf(path: string | URL): string {
  if (typeof path === "string" && plainPath.test(path)) return path;
  const url = typeof path !== "string"
    ? path
    : path.startsWith("/")
    ? new URL(`http://x${path}`)
    : absolute(path);
  return url.pathname + url.search;
}

function absolute(text: string): URL {
  const url = URL.parse(text);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TypeError(`Cannot fetch "${text}": it must be a path that begins with "/", or a URL`);
  }
  return url;
}

/** What `fetch(path, init)` sends; a promise where the body has to be gathered first. Throws TypeError. */
export function outgoing(
  path: string | URL | Request,
  init: RequestInit | undefined,
): Outgoing | Promise<Outgoing> {
  if (path instanceof Request) return ofRequest(init === undefined ? path : new Request(path, init), init);
  const made: Outgoing = {
    method: "GET",
    target: targetOf(path),
    host: "",
    headers: [],
    body: null,
    bodyBytes: -1,
    expectContinue: false,
  };
  if (init === undefined) return made;
  if (init.method !== undefined) made.method = methodOf(init.method);
  if (init.headers !== undefined) takeFields(made, new Headers(init.headers), true);
  const { body } = init;
  if (body === undefined || body === null) return withoutBody(made);
  if (made.method === "GET" || made.method === "HEAD") {
    throw new TypeError(`Cannot fetch: a ${made.method} request has no body`);
  }
  return withBody(made, body);
}

/** The host of a Request is this service's own: only where `init` says it anew does it count. */
function ofRequest(request: Request, init: RequestInit | undefined): Outgoing {
  const made: Outgoing = {
    method: methodOf(request.method),
    target: targetOf(new URL(request.url)),
    host: "",
    headers: [],
    body: request.body,
    bodyBytes: -1,
    expectContinue: false,
  };
  takeFields(made, request.headers, init?.headers !== undefined);
  return made.body ? made : withoutBody(made);
}

/** A content-length without a body says nothing. */
function withoutBody(made: Outgoing): Outgoing {
  made.bodyBytes = -1;
  made.expectContinue = false;
  return made;
}

function methodOf(method: string): string {
  const upper = method.toUpperCase();
  if (standard.has(upper)) return upper;
  if (!token.test(method) || upper === "CONNECT") {
    throw new TypeError(`Cannot fetch with the method "${method}"`);
  }
  return method;
}

function takeFields(made: Outgoing, headers: Headers, withHost: boolean): void {
  const named = new Set<string>();
  for (const name of headers.get("connection")?.toLowerCase().split(",") ?? []) named.add(name.trim());
  for (const [name, value] of headers) {
    if (name === "content-length") {
      if (/^[0-9]{1,15}$/.test(value)) made.bodyBytes = Number(value);
    } else if (name === "host") {
      if (withHost) made.host = hostOf(value);
    } else if (name === "expect") made.expectContinue = value.toLowerCase() === "100-continue";
    else if (!connectionFields.has(name) && !named.has(name)) made.headers.push(name, value);
  }
}

function hostOf(value: string): string {
  if (!/^[\w.~:[\]%-]*$/.test(value)) throw new TypeError(`Cannot fetch with the host "${value}"`);
  return value;
}

function withBody(made: Outgoing, body: BodyInit): Outgoing | Promise<Outgoing> {
  if (typeof body === "string") return whole(made, encoder.encode(body), "text/plain;charset=UTF-8");
  if (body instanceof URLSearchParams) {
    return whole(made, encoder.encode(`${body}`), "application/x-www-form-urlencoded;charset=UTF-8");
  }
  if (body instanceof Uint8Array) return whole(made, body, "");
  if (ArrayBuffer.isView(body)) {
    return whole(made, new Uint8Array(body.buffer, body.byteOffset, body.byteLength), "");
  }
  if (body instanceof ArrayBuffer) return whole(made, new Uint8Array(body), "");
  if (body instanceof ReadableStream) {
    if (body.locked) throw new TypeError("Cannot fetch: the stream of the body is locked");
    made.body = body;
    return made;
  }
  // Forms and blobs: the web's own encoding.
  const response = new Response(body);
  const type = response.headers.get("content-type") ?? "";
  return response.bytes().then((bytes) => whole(made, bytes, type));
}

function whole(made: Outgoing, bytes: Uint8Array, type: string): Outgoing {
  made.body = bytes;
  made.bodyBytes = bytes.length;
  if (type !== "" && !has(made.headers, "content-type")) made.headers.push("content-type", type);
  return made;
}

/** Whether a field `name` is there. */
export function has(headers: FlatHeaders, name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}
