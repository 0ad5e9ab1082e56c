/** What a refusal looks like in HTTP: its status, a machine-readable reason, and when to try again. */
import type { Refusal } from "../../core/errors.ts";
import { MethodRefusal } from "./routes.ts";
import { type Reason, reasons } from "../../core/reasons.ts";

/** The header that carries the reason code of every answer that no handler gave. */
export const reasonHeader = "x-weir-reason";

/** A text/plain answer with {@link reasonHeader}, and Retry-After (whole seconds, at least 1) on 429 and 503. */
export function refusalResponse(refusal: Refusal, closing: boolean): Response {
  const { status } = refusal;
  const headers: Record<string, string> = {
    "content-type": "text/plain; charset=utf-8",
    [reasonHeader]: refusal.reason,
  };
  if (status === 503 || status === 429) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(refusal.retryAfterMs / 1000)));
  }
  if (refusal instanceof MethodRefusal) headers.allow = refusal.methods.join(", ");
  if (closing) headers.connection = "close";
  // 499 means that nobody is there to read it; the runtime only takes real ones.
  return new Response(`${reasons[refusal.reason].text}\n`, { status: status === 0 ? 503 : status, headers });
}

const encoder = new TextEncoder();
const farewells = new Map<Reason, Uint8Array>();

/** The bytes of an HTTP/1.1 answer to a connection that is refused before it said anything. */
export function farewell(reason: Reason): Uint8Array {
  let bytes = farewells.get(reason);
  if (!bytes) {
    const body = `${reasons[reason].text}\n`;
    bytes = encoder.encode(
      "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n" +
        `${reasonHeader}: ${reason}\r\nretry-after: 1\r\nconnection: close\r\n` +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
    farewells.set(reason, bytes);
  }
  return bytes;
}
