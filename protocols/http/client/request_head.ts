/**
 * Heads of requests as text (RFC 9112 section 3). The fields that frame the message and the connection are written here
 * and nowhere else. Checks nothing: see {@link HttpRequest}.
 */
import type { SessionHost } from "../../../core/upstream/contract.ts";
import type { HttpRequest } from "./message.ts";

/** Methods of which a request without a body says nothing about it. */
const bodiless: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "CONNECT"]);

/** The head of `request`, empty line included; `host` stands in where the request names none. */
export function headText(request: HttpRequest, host: string): string {
  const { headers, body } = request;
  let text = `${request.method} ${request.target} HTTP/1.1\r\nhost: ${request.host || host}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += headers[i] + ": " + headers[i + 1] + "\r\n";
  if (body === null) {
    if (!bodiless.has(request.method)) text += "content-length: 0\r\n";
  } else if (body instanceof Uint8Array) text += "content-length: " + body.length + "\r\n";
  else if (request.bodyBytes >= 0) text += "content-length: " + request.bodyBytes + "\r\n";
  else text += "transfer-encoding: chunked\r\n";
  if (awaitsContinue(request)) text += "expect: 100-continue\r\n";
  if (request.upgrade) text += "connection: upgrade\r\nupgrade: " + request.upgrade + "\r\n";
  return text + "\r\n";
}

/** Whether the body waits for the upstream's word. */
export function awaitsContinue({ expectContinue, body }: HttpRequest): boolean {
  return expectContinue === true && body !== null && !(body instanceof Uint8Array && body.length === 0);
}

/** The Host of requests that name none: the name its certificate must carry, else its address; no port that is implied. */
export function hostOf({ plan, endpoint, tls }: Pick<SessionHost, "plan" | "endpoint" | "tls">): string {
  const { address, serverName } = endpoint.spec;
  const name = plan.tls?.serverName ?? serverName;
  if (address.startsWith("unix:")) return name ?? "localhost";
  const colon = address.lastIndexOf(":");
  const port = address.slice(colon + 1);
  const host = name ?? address.slice(0, colon);
  return port === (tls ? "443" : "80") ? host : `${host}:${port}`;
}
