/**
 * HTTP messages on the way to an upstream: what the client session writes and what it reads. Plainer than the web's
 * Request and Response, because a proxied request is neither parsed into URL and Headers nor made of them again.
 */
import type { ByteStream } from "../../../core/protocol.ts";

/** Names and values in turn: `["host", "a", "accept", "text/html"]`; names in lower case. */
export type FlatHeaders = string[];

/** One request. Its head is valid as it stands: whoever makes it has refused control characters in all its parts. */
export interface HttpRequest {
  readonly method: string;
  /** Origin form: `/path?query`. */
  readonly target: string;
  /** Value of the Host field; empty: the endpoint's own address. */
  readonly host: string;
  /** Without host, content-length, transfer-encoding and connection: those are the session's. */
  readonly headers: FlatHeaders;
  /** A stream can be sent once: a request with one is never retried after its first byte was read. */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Bytes of a stream where they are known, else -1: then it is sent chunked. */
  readonly bodyBytes: number;
  /** `expect: 100-continue`: the body waits for the upstream's word, for a second at most. */
  readonly expectContinue?: boolean;
  /** Asks to switch protocols; with a 101 the reply brings the connection itself. */
  readonly upgrade?: string;
}

/** One reply; interim ones (1xx but 101) are skipped. */
export interface HttpReply {
  readonly status: number;
  /** All fields as they came, hop-by-hop ones included, except those that framed the body (transfer-encoding). */
  readonly headers: FlatHeaders;
  /**
   * Complete bodies that came with the head are bytes; others a stream that must be read or cancelled, because it holds
   * the connection. null where there is none (HEAD, 204, 304).
   */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Value of content-length where the reply has one, else -1. */
  readonly bodyBytes: number;
  /** With 101: the connection, the reader's from now on, and what was read beyond the head. */
  readonly upgraded?: { stream: ByteStream; rest: Uint8Array };
}
