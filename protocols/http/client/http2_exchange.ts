/**
 * One attempt as a stream of an HTTP/2 connection (RFC 9113 section 8): fields of an HTTP/1.1 message in both
 * directions, back-pressure in both, and an end that is reported once.
 */
import { Buffer } from "node:buffer";
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import type { Attempt, SessionHost } from "../../../core/upstream/contract.ts";
import type { FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import type { FlatHeaders, HttpReply, HttpRequest } from "./message.ts";
import { type BodyOwner, ReplyBody } from "./reply_body.ts";

/** What an exchange tells its session. */
export interface Http2Owner {
  readonly host: SessionHost;
  /** It failed before its reply. */
  failed(exchange: Http2Exchange, error: UpstreamError): void;
  errorOf(failure: FailureKind, text: string, sent: boolean, cause: unknown): UpstreamError;
  /** Its stream is closed. */
  closed(exchange: Http2Exchange): void;
  /** Whether the peer has said that it did nothing with stream `id`. */
  ignored(id: number): boolean;
}

/** See the module's header. */
export class Http2Exchange implements BodyOwner {
  readonly attempt: Attempt<HttpRequest, HttpReply>;
  readonly since: number;
  settled = false;
  readonly #owner: Http2Owner;
  readonly #stream: ClientHttp2Stream;
  #body: ReplyBody | undefined;
  #complete = false;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #error: unknown;

  constructor(
    attempt: Attempt<HttpRequest, HttpReply>,
    stream: ClientHttp2Stream,
    owner: Http2Owner,
    since: number,
  ) {
    this.attempt = attempt;
    this.since = since;
    this.#stream = stream;
    this.#owner = owner;
    stream.on("response", (headers: IncomingHttpHeaders) => this.#head(headers));
    stream.on("end", () => this.#end());
    stream.on("error", (error: unknown) => this.#error = error);
    stream.on("close", () => this.#close());
    const { body } = attempt.request;
    if (body instanceof Uint8Array) stream.end(body);
    else if (body) this.#send(body, attempt.request.bodyBytes);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.settled = true;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  wanted(): void {
    this.#stream.resume();
  }

  stalled(text: string): void {
    this.#body?.fail(this.#owner.errorOf("timeout", text, true, undefined));
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  unwanted(): void {
    if (!this.#complete) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #head(fields: IncomingHttpHeaders): void {
    if (this.settled) return;
    const status = Number(fields[":status"]);
    const headers = flatten(fields);
    let bytes = 0;
    for (const text of headers) bytes += text.length + 2;
    const { clock, plan } = this.#owner.host;
    if (!(status >= 200 && status <= 599) || bytes > plan.limits.head) {
      return this.#fail(
        "protocol",
        bytes > plan.limits.head ? "the head is too long" : "the status is not one",
      );
    }
    const declared = fields["content-length"];
    const bodyBytes = declared !== undefined && /^[0-9]{1,15}$/.test(declared) ? Number(declared) : -1;
    this.settled = true;
    const none = this.attempt.request.method === "HEAD" || status === 204 || status === 304;
    if (none || bodyBytes === 0) {
      this.#stream.resume();
      return this.attempt.succeed({ status, headers, body: none ? null : new Uint8Array(0), bodyBytes });
    }
    this.#body = new ReplyBody(this, clock, plan.timeouts.body);
    // Not before: the runtime may have the first bytes of the body ahead of the head.
    this.#stream.on("data", (piece: Uint8Array) => this.#data(piece));
    this.attempt.succeed({ status, headers, body: this.#body.stream(), bodyBytes });
  }

  #data(piece: Uint8Array): void {
    const body = this.#body;
    if (!body || piece.length === 0) return;
    // Node shares the memory of what it received.
    body.push(new Uint8Array(piece));
    if (body.full) this.#stream.pause();
  }

  #end(): void {
    this.#complete = this.#stream.rstCode === constants.NGHTTP2_NO_ERROR && this.#error === undefined;
    if (!this.#complete) return;
    this.#body?.end();
    // The reply does not depend on the rest of the request.
    if (this.settled && !this.#stream.writableFinished && this.#reader) {
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  #close(): void {
    const { rstCode, id } = this.#stream;
    this.#reader?.cancel(this.#error).catch(ignore);
    if (!this.settled) {
      if (rstCode === constants.NGHTTP2_REFUSED_STREAM || (id !== undefined && this.#owner.ignored(id))) {
        this.attempt.sent = false;
      }
      this.#report("reset", `the stream ended before its reply (code ${rstCode})`, this.#error);
    } else if (!this.#complete) {
      this.#body?.fail(
        this.#owner.errorOf("reset", `the stream ended early (code ${rstCode})`, true, this.#error),
      );
    }
    this.#owner.closed(this);
  }

  #fail(failure: FailureKind, text: string, cause?: unknown): void {
    if (!this.settled) this.#report(failure, text, cause);
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #report(failure: FailureKind, text: string, cause: unknown): void {
    this.settled = true;
    this.#owner.failed(this, this.#owner.errorOf(failure, text, this.attempt.sent, cause));
  }

  async #send(body: ReadableStream<Uint8Array>, declared: number): Promise<void> {
    const stream = this.#stream;
    let sent = 0;
    try {
      const reader = this.#reader = body.getReader();
      for (;;) {
        this.attempt.awaitsBody = true;
        const { done, value } = await reader.read();
        this.attempt.awaitsBody = false;
        if (stream.destroyed || stream.closed) return;
        if (done) break;
        sent += value.length;
        if (declared >= 0 && sent > declared) throw new RangeError("the body is longer than declared");
        if (value.length > 0) {
          await new Promise<void>((resolve, reject) => {
            stream.write(
              Buffer.from(value.buffer, value.byteOffset, value.length),
              (error) => error ? reject(error) : resolve(),
            );
          });
        }
      }
      if (sent < declared) throw new RangeError("the body is shorter than declared");
      this.#reader = undefined;
      stream.end();
    } catch (error) {
      if (stream.destroyed || stream.closed) return;
      this.#fail("cancelled", `the body of the request failed: ${(error as Error)?.message ?? error}`, error);
    }
  }
}

function flatten(fields: IncomingHttpHeaders): FlatHeaders {
  const headers: FlatHeaders = [];
  for (const name in fields) {
    if (name.startsWith(":")) continue;
    const value = fields[name];
    if (Array.isArray(value)) { for (const one of value) headers.push(name, one); }
    else if (value !== undefined) headers.push(name, value);
  }
  return headers;
}

function ignore(): void {}
