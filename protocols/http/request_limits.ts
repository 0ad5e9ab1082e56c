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
  readonly #maxBytes: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #bytes = 0;

  /** The body of {@link request} fails with ServiceError `body_too_large` after `limits.body` bytes. */
  constructor(request: Request, limits: HttpLimitsPlan) {
    this.#maxBytes = limits.body;
    const reader = this.#reader = request.body?.getReader();
    const body = reader
      ? new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: (controller) => this.#pull(reader, controller),
        cancel: (reason) => reader.cancel(reason),
      }, { highWaterMark: 0 })
      : null;
    this.request = derivedRequest(request, request.url, body);
  }

  /**
   * Nobody will read on, whoever holds the body that the handler got: the runtime keeps the connection of a body that is
   * neither read to its end nor cancelled until its memory is reclaimed.
   */
  drop(): void {
    if (!this.complete) this.#reader?.cancel().catch(() => {});
  }

  async #pull(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    controller: ReadableStreamDefaultController<Uint8Array>,
  ): Promise<void> {
    const { value } = await reader.read();
    if (value === undefined) {
      this.complete = true;
      return controller.close();
    }
    this.#bytes += value.byteLength;
    if (this.#bytes <= this.#maxBytes) return controller.enqueue(value);
    this.exceeded = true;
    const text = `The body is longer than ${this.#maxBytes} bytes`;
    const error = new ServiceError("body_too_large", text, { source: "client" });
    reader.cancel(error).catch(() => {});
    throw error;
  }
}
