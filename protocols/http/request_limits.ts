/**
 * Sizes of requests: URL, head, body. What is over its limit is refused before a handler sees it; a body without a
 * declared length is counted while it streams. Pure, but for the request it looks at.
 */
import { ServiceError } from "../../core/errors.ts";
import type { HttpLimitsPlan } from "../../core/manifest/plan.ts";
import type { Reason } from "../../core/reasons.ts";
import { derivedRequest } from "./derived_request.ts";

/** Bytes of the request head as HTTP/1.1 would write it. */
export function headBytes(request: Request): number {
  let bytes = request.method.length + request.url.length + 12;
  for (const [name, value] of request.headers) bytes += name.length + value.length + 4;
  return bytes;
}

/** Whether the Host of a request can be one: the runtime pastes it into the URL as it is, path separators included. */
export function isPlainHost(request: Request): boolean {
  return !/[/?#\\@\s]/.test(request.headers.get("host") ?? "");
}

/** What a request says of its body. */
export interface BodyDeclaration {
  /** Declared bytes; -1 when the body is chunked. */
  readonly bytes: number;
}

/** The body that `request` declares, undefined for none, or why it is refused. GET and HEAD have none to handlers. */
export function declaredBody(request: Request, maxBytes: number): BodyDeclaration | undefined | Reason {
  const { headers } = request;
  const coding = headers.get("transfer-encoding");
  if (coding !== null) return coding.toLowerCase() === "chunked" ? { bytes: -1 } : "bad_request";
  const length = headers.get("content-length");
  if (length === null || length === "0") return undefined;
  const bytes = Number(length);
  return bytes > maxBytes ? "body_too_large" : { bytes };
}

/** A request whose body has no declared length, with a body that is counted while it streams. */
export class BoundedBody {
  /** What the handler gets. */
  readonly request: Request;
  /** The handler has read all of it. */
  complete = false;
  /** It was longer than allowed. */
  exceeded = false;

  /** The body of {@link request} fails with ServiceError `body_too_large` after `limits.body` bytes. */
  constructor(request: Request, limits: HttpLimitsPlan) {
    const body = request.body?.pipeThrough(byteLimit(limits.body, (fits) => this.#end(fits))) ?? null;
    this.request = derivedRequest(request, request.url, body);
  }

  /** Nobody will read it. */
  drop(): void {
    const { body } = this.request;
    if (body && !body.locked) body.cancel().catch(() => {});
  }

  #end(fits: boolean): void {
    if (fits) this.complete = true;
    else this.exceeded = true;
  }
}

/** A stream that passes at most `maxBytes`; `onEnd` is told whether all fitted. Takes nothing before it is read. */
export function byteLimit(
  maxBytes: number,
  onEnd?: (fits: boolean) => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let seen = 0;
  return new TransformStream(
    {
      transform(chunk, controller) {
        seen += chunk.byteLength;
        if (seen <= maxBytes) return controller.enqueue(chunk);
        onEnd?.(false);
        controller.error(
          new ServiceError("body_too_large", `The body is longer than ${maxBytes} bytes`, {
            source: "client",
          }),
        );
      },
      flush() {
        onEnd?.(true);
      },
    },
    undefined,
    new CountQueuingStrategy({ highWaterMark: 0 }),
  );
}
