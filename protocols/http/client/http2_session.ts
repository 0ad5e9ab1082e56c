/**
 * One HTTP/2 connection to an endpoint, for upstreams with `http2: true`: by ALPN on TLS, with prior knowledge without.
 * The framing is the runtime's own (node:http2), over the connection that was dialled; attempts are streams of it and
 * know nothing of each other. Protocols are not switched on it.
 */
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import type { ByteStream } from "../../../core/protocol.ts";
import type { Attempt, Session, SessionHost } from "../../../core/upstream/contract.ts";
import { type FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import { ByteDuplex } from "./byte_duplex.ts";
import { Http2Exchange, type Http2Owner } from "./http2_exchange.ts";
import type { HttpReply, HttpRequest } from "./message.ts";
import { hostOf } from "./request_head.ts";

/** Attempts at once on one connection, where the upstream does not allow less. */
export const maxStreams = 128;

/** What a stream, and all streams of a connection, may send ahead of who reads. */
const streamWindowBytes = 256 * 1024;
const windowBytes = 4 * 1024 * 1024;

/** Resolves when the upstream has sent its settings. Rejects with UpstreamError where it does not speak HTTP/2. */
export function connectHttp2(stream: ByteStream, host: SessionHost): Promise<Http2Session> {
  if (host.tls && host.alpn !== "h2") {
    return Promise.reject(failureOf(host, "connect", "it does not offer HTTP/2 over TLS", false));
  }
  const duplex = new ByteDuplex(stream);
  const client = connect("http://upstream", {
    createConnection: () => duplex,
    settings: {
      enablePush: false,
      maxHeaderListSize: host.plan.limits.head,
      initialWindowSize: streamWindowBytes,
    },
  });
  return new Promise((resolve, reject) => {
    // Stays: what goes wrong later is told by the streams, and by the end of the session.
    const refuse = (cause?: unknown) =>
      reject(failureOf(host, "connect", "it ended the connection before it spoke HTTP/2", false, cause));
    client.on("error", refuse);
    client.once("close", refuse);
    client.once("remoteSettings", () => {
      duplex.own();
      resolve(new Http2Session(client, host));
    });
  });
}

/** See the module's header. */
export class Http2Session implements Session<HttpRequest, HttpReply>, Http2Owner {
  open = true;
  readonly host: SessionHost;
  readonly #client: ClientHttp2Session;
  readonly #authority: string;
  readonly #exchanges = new Map<Attempt<HttpRequest, HttpReply>, Http2Exchange>();
  /** Streams above this one were ignored by the peer. */
  #lastStream = Infinity;
  #error: unknown;

  constructor(client: ClientHttp2Session, host: SessionHost) {
    this.#client = client;
    this.host = host;
    this.#authority = hostOf(host);
    client.setLocalWindowSize(windowBytes);
    client.on("goaway", (_code: number, lastStream: number) => {
      this.#lastStream = lastStream;
      this.close();
    });
    client.on("error", (error: unknown) => this.#error = error);
    client.on("close", () => this.#over());
  }

  get inflight(): number {
    return this.#exchanges.size;
  }

  get capacity(): number {
    return Math.min(maxStreams, this.#client.remoteSettings?.maxConcurrentStreams ?? maxStreams);
  }

  get waitingSince(): number {
    for (const exchange of this.#exchanges.values()) if (!exchange.settled) return exchange.since;
    return 0;
  }

  start(attempt: Attempt<HttpRequest, HttpReply>): void {
    const { request } = attempt;
    const { body } = request;
    if (request.upgrade) {
      return this.#refuse(attempt, "unavailable", "it cannot switch protocols over HTTP/2");
    }
    if (body instanceof ReadableStream && body.locked) {
      return this.#refuse(attempt, "cancelled", "its body was read before");
    }
    try {
      const stream = this.#client.request(this.#fieldsOf(request), { endStream: body === null });
      attempt.sent = true;
      this.#exchanges.set(attempt, new Http2Exchange(attempt, stream, this, this.host.clock.now()));
    } catch (error) {
      this.#refuse(attempt, "write", "nothing can be written", error);
    }
  }

  abandon(attempt: Attempt<HttpRequest, HttpReply>): void {
    this.#exchanges.get(attempt)?.cancel();
  }

  ping(timeoutMs: number): void {
    const cancel = this.host.clock.after(timeoutMs, () => this.close(true));
    const sent = this.#client.ping((error: unknown) => {
      cancel();
      if (error) this.close(true);
    });
    if (!sent) cancel();
  }

  close(now = false): void {
    if (now) {
      this.open = false;
      this.#client.destroy();
    } else if (this.open) {
      this.open = false;
      this.#client.close();
      this.host.changed();
    }
  }

  failed({ attempt }: Http2Exchange, error: UpstreamError): void {
    this.#exchanges.delete(attempt);
    attempt.fail(error);
    this.host.changed();
  }

  errorOf(failure: FailureKind, text: string, sent: boolean, cause: unknown): UpstreamError {
    return failureOf(this.host, failure, text, sent, cause ?? this.#error);
  }

  closed({ attempt }: Http2Exchange): void {
    if (!this.#exchanges.delete(attempt)) return;
    attempt.release();
    this.host.changed();
  }

  ignored(id: number): boolean {
    return id > this.#lastStream;
  }

  /** The connection is gone; its streams have told what became of them. */
  #over(): void {
    this.open = false;
    this.host.changed();
  }

  #refuse(
    attempt: Attempt<HttpRequest, HttpReply>,
    failure: FailureKind,
    text: string,
    cause?: unknown,
  ): void {
    attempt.fail(failureOf(this.host, failure, text, false, cause));
    this.host.changed();
  }

  #fieldsOf(request: HttpRequest): OutgoingHttpHeaders {
    const { headers, body, bodyBytes } = request;
    const fields: Record<string, string | string[]> = {
      ":method": request.method,
      ":scheme": this.host.tls ? "https" : "http",
      ":authority": request.host || this.#authority,
      ":path": request.target,
    };
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!, value = headers[i + 1]!;
      const before = fields[name];
      if (before === undefined) fields[name] = value;
      else if (Array.isArray(before)) before.push(value);
      else fields[name] = name === "cookie" ? `${before}; ${value}` : [before, value];
    }
    if (body instanceof Uint8Array) fields["content-length"] = `${body.length}`;
    else if (body && bodyBytes >= 0) fields["content-length"] = `${bodyBytes}`;
    return fields;
  }
}

function failureOf(
  { upstream, endpoint }: SessionHost,
  failure: FailureKind,
  text: string,
  sent: boolean,
  cause?: unknown,
): UpstreamError {
  const { address } = endpoint.spec;
  const message = `Cannot call ${address} of upstreams.${upstream}: ${text}`;
  return new UpstreamError(failure, message, { upstream, endpoint: address, sent, cause });
}
