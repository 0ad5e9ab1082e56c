/**
 * One connection served by the runtime's own HTTP server, under the guard's limits. Between the runtime and the
 * listener's stack: sizes are checked, the phase is kept, answers get `connection: close` when they are the last, and
 * a peer that pipelines without end takes turns with the others.
 */
import { Refusal } from "../../core/errors.ts";
import type { HttpListenerPlan } from "../../core/manifest/plan.ts";
import { type ByteStream, type Connection, type ListenerHost, Phase } from "../../core/protocol.ts";
import type { Reason } from "../../core/reasons.ts";
import { nodeStream } from "../../core/worker/listen_node.ts";
import { fieldOf, instantStatus, isStreaming, type NativeServing, serveNative } from "./native_server.ts";
import { refusalResponse } from "./refusal_response.ts";
import { answerHalfClosed } from "./half_closed.ts";
import { type BodyDeclaration, BoundedBody, declaredBody, headBytes, isPlainHost } from "./request_limits.ts";
import type { HttpService } from "./routes.ts";
import {
  acceptWebSocket,
  addUpgrader,
  checkUpgrade,
  removeUpgrader,
  socketOf,
  type Upgrader,
} from "./websockets.ts";

/** The host of an HTTP listener. */
export type HttpHost = ListenerHost<HttpListenerPlan, Request, Response | Refusal>;

/** More answers than this within {@link burstMs} and the connection waits a turn of the loop for each further one. */
const burstAnswers = 32;
const burstMs = 1;
/**
 * The head is measured, and its Host looked at, on the first request of a connection and on every request at this
 * distance: it costs as much as everything else here together. In between the runtime's own 64 KiB hold.
 */
const measureEvery = 256;
/** A body that no handler read is worth draining up to here; beyond it the connection ends with the answer. */
const drainBytes = 64 * 1024;
/** How long a peer that still sends gets to read its answer before the connection is cut. */
const cutAfterMs = 1000;

interface Info {
  readonly completed: Promise<void>;
}

const nothing = () => {};
const nothingRead = new Uint8Array();
/** What the runtime gets to answer on a connection that was taken from it. */
const takenOverResponse = () => new Response(null, { status: 200 });

/** See the module's header. */
export class NativeConnection implements Upgrader {
  readonly connection: Connection;
  readonly #host: HttpHost;
  readonly #service: HttpService;
  readonly #serving: NativeServing;
  readonly #http2: boolean;
  #endReason: Reason | undefined;
  #finishing = false;
  #active = 0;
  #burstAt = 0;
  #burst = 0;
  /** Requests on this connection tend to have large heads: each is measured. */
  #heavy = false;
  #socket: WebSocket | undefined;
  /** The answer that ends it was given: what stands behind that is no request any more. */
  #refused = false;
  /** The connection is not the runtime's any more; who took it ends it. */
  #takenOver = false;
  /** The last request; where there are several at once (HTTP/2) none can be upgraded anyway. */
  #request: Request | undefined;

  constructor(connection: Connection, host: HttpHost, service: HttpService) {
    this.connection = connection;
    this.#host = host;
    this.#service = service;
    this.#http2 = connection.alpn === "h2";
    connection.opaque = true;
    this.#serving = serveNative(
      connection.stream.native!,
      (request, info) => this.#serve(request, info),
      () => refusalResponse(new Refusal("handler_error"), true),
    );
    addUpgrader(this);
    connection.kill = (reason) => {
      this.#endReason ??= reason;
      this.#serving.kill();
    };
    connection.finish = () => this.#finish();
    this.#serving.finished.then(
      () => this.#over("client_closed"),
      () => this.#over("client_reset"),
    );
  }

  serves(request: Request): boolean {
    return this.#request === request;
  }

  #over(reason: Reason): void {
    removeUpgrader(this);
    if (this.#takenOver) return;
    this.connection.done(this.#endReason ?? reason);
  }

  #finish(): void {
    if (this.#socket) return this.#socket.close(1001, "the service is stopping");
    if (this.#finishing) return;
    this.#finishing = true;
    this.#endReason ??= "drain";
    this.#serving.shutdown().catch(nothing);
  }

  #serve(request: Request, info: Info): Response | Promise<Response> {
    const connection = this.connection;
    if (this.#refused) return refusalResponse(new Refusal("bad_request"), true);
    const { url, method } = request;
    const slash = url.indexOf("/", 8);
    const target = slash < 0 ? "/" : url.slice(slash);
    const text = `${method} ${target}`;
    let refused = this.#checkHead(request, target.length);
    let body: BodyDeclaration | undefined;
    let bounded: BoundedBody | undefined;
    if (!refused && method !== "GET" && method !== "HEAD") {
      const declared = method === "CONNECT"
        ? "method_not_allowed"
        : isPlainHost(request)
        ? declaredBody(request, this.#host.plan.limits.body) ?? this.#undeclared(request)
        : "bad_request";
      if (typeof declared === "string") refused = declared;
      else if (declared) {
        body = declared;
        if (body.bytes < 0) bounded = new BoundedBody(request, this.#host.plan.limits);
      }
    }
    if (refused) {
      this.#host.refuse(connection, refused, text);
      return this.#last(refusalResponse(new Refusal(refused), !this.#http2), info, refused);
    }
    const message = bounded ? bounded.request : request;
    // HTTP/2 has many requests at once: one slow body among them must not end the others.
    if (++this.#active === 1) connection.enter(body && !this.#http2 ? Phase.body : Phase.serving);
    this.#request = request;
    const answer = this.#host.handle(connection, message, text, this.#service);
    if (answer instanceof Promise) {
      return answer.then((value) => {
        const last = connection.left ? this.#toHalfClosed(request, value, bounded) : undefined;
        return last ?? this.#answer(request, info, body, bounded, value);
      });
    }
    return this.#answer(request, info, body, bounded, answer);
  }

  /** HTTP/2 frames bodies itself: they need no declaration, and are counted like chunked ones. */
  #undeclared(request: Request): BodyDeclaration | undefined {
    return this.#http2 && !request.headers.has("content-length") ? { bytes: -1 } : undefined;
  }

  #checkHead(request: Request, targetLength: number): Reason | undefined {
    const { limits } = this.#host.plan;
    if (targetLength > limits.url) return "url_too_long";
    const count = this.connection.requests;
    if (!this.#heavy && count % measureEvery !== 0) return undefined;
    const bytes = headBytes(request);
    this.#heavy = bytes > limits.headers / 4;
    if (bytes > limits.headers) return "head_too_large";
    return isPlainHost(request) ? undefined : "bad_request";
  }

  #answer(
    request: Request,
    info: Info,
    body: BodyDeclaration | undefined,
    bounded: BoundedBody | undefined,
    answer: Response | Refusal,
  ): Response | Promise<Response> {
    const connection = this.connection;
    const response = answer instanceof Refusal ? refusalResponse(answer, false) : answer;
    const unread = body !== undefined && !this.#http2 &&
      (bounded
        ? !bounded.complete && (bounded.exceeded || isUntouched(bounded.request, response))
        : body.bytes > drainBytes && isUntouched(request, response));
    if (unread) {
      connection.closing = true;
      // The runtime would wait for somebody to read on.
      if (bounded) bounded.drop();
    } else if (bounded && !bounded.complete) {
      const over = () => bounded.drop();
      info.completed.then(over, over);
    }
    // The connection is not the server's any more: the answer must not come before it knows.
    if (this.#takenOver) return this.#serving.finished.then(takenOverResponse, takenOverResponse);
    if (instantStatus(response) === 0) {
      if (asksToClose(response)) connection.closing = true;
      if (isStreaming(response)) return this.#watch(request, response, info, unread, bounded);
    }
    this.#between();
    if (connection.closing) {
      return unread ? this.#last(response, info, "body_too_large") : this.#close(response);
    }
    return this.#turn(response);
  }

  /** An answer that is not over when the handler returns: a stream. */
  #watch(
    request: Request,
    response: Response,
    info: Info,
    unread: boolean,
    bounded: BoundedBody | undefined,
  ): Response | Promise<Response> {
    const connection = this.connection;
    // The first piece of a stream comes too late for a peer that has closed its side, like an answer that was awaited.
    const last = connection.peerLeft?.() ? this.#toHalfClosed(request, response, bounded) : undefined;
    if (last) return last;
    if (this.#active === 1) connection.enter(this.#http2 ? Phase.serving : Phase.stream);
    const over = () => this.#between();
    info.completed.then(over, over);
    if (unread) return this.#last(response, info, "body_too_large");
    return connection.closing ? this.#close(response) : this.#turn(response);
  }

  /**
   * The runtime would drop this answer: the connection is taken from it, and the answer written here. Requests that were
   * pipelined behind it are lost with the runtime's buffer. Not over TLS, where the bytes are the runtime's alone.
   */
  #toHalfClosed(
    request: Request,
    answer: Response | Refusal,
    bounded: BoundedBody | undefined,
  ): Promise<Response> | undefined {
    const connection = this.connection;
    if (this.#http2 || this.#active > 1) return undefined;
    const response = answer instanceof Refusal ? refusalResponse(answer, true) : answer;
    const writer = this.#takenOver ? undefined : connection.lastWriter?.();
    if (!writer) return undefined;
    this.#takenOver = true;
    this.#serving.kill();
    connection.enter(Phase.stream);
    connection.kill = (reason) => {
      writer.close();
      connection.done(reason);
    };
    connection.finish = nothing;
    const over = () => {
      connection.done(this.#endReason ?? "client_closed");
      bounded?.drop();
    };
    answerHalfClosed(writer, response, request.method === "HEAD").then(over, over);
    // The connection is not the server's any more: what it gets to answer must not come before it knows.
    return this.#serving.finished.then(takenOverResponse, takenOverResponse);
  }

  #between(): void {
    this.#request = undefined;
    if (--this.#active === 0) this.connection.enter(Phase.idle);
  }

  get takesOver(): boolean {
    return !this.#http2 && !this.connection.tls && this.#active === 1;
  }

  takeOver(): ByteStream | undefined {
    const fd = this.takesOver && !this.connection.peerLeft?.() ? this.#detach() : -1;
    return fd < 0 ? undefined : nodeStream(socketOf(fd, true));
  }

  /**
   * Takes the connection away from the runtime's server: a second descriptor of its socket goes to somebody else, the
   * first is closed without a word. What the server would still write, it writes to nobody.
   */
  #detach(): number {
    const { connection } = this;
    const fd = this.#takenOver || connection.tls ? -1 : connection.detach?.() ?? -1;
    if (fd < 0) return fd;
    this.#takenOver = true;
    this.#serving.kill();
    connection.enter(Phase.stream);
    return fd;
  }

  upgrade(request: Request, options: Deno.UpgradeWebSocketOptions): Deno.WebSocketUpgrade {
    checkUpgrade(request);
    const { connection } = this;
    if (this.#active > 1) throw new TypeError("Cannot upgrade: the connection serves other requests");
    const headers = new Headers(request.headers);
    const fd = this.#detach();
    if (fd < 0) {
      throw new TypeError(
        "Cannot upgrade: WebSockets need a connection without TLS; let a proxy end TLS before it",
      );
    }
    const socket = acceptWebSocket(new Request(request.url, { headers }), socketOf(fd), nothingRead, options);
    this.#socket = socket;
    connection.kill = (reason) => {
      this.#endReason ??= reason;
      socket.close(1011);
      connection.done(reason);
    };
    socket.addEventListener("close", () => {
      this.#socket = undefined;
      connection.done(this.#endReason ?? "client_closed");
    });
    return { socket, response: takenOverResponse() };
  }

  /** The last answer of this connection: the peer is told, and closes. */
  #close(response: Response): Response {
    if (this.#http2) {
      // HTTP/2 has GOAWAY instead of the header; it goes out while this answer is on its way.
      queueMicrotask(() => this.#finish());
      return response;
    }
    return withClose(response);
  }

  /** The last answer, to a peer that may still be sending: it gets a moment to read it, then the connection is cut. */
  #last(response: Response, info: Info, reason: Reason): Response {
    // HTTP/2 ends the one stream and keeps the connection.
    if (this.#http2) return response;
    this.connection.closing = this.#refused = true;
    const cut = () => void setTimeout(() => this.connection.kill(reason), cutAfterMs);
    info.completed.then(cut, cut);
    return withClose(response);
  }

  /** Who gets many answers within a moment lets the others go first. */
  #turn(response: Response): Response | Promise<Response> {
    const { now } = this.#host;
    if (now - this.#burstAt > burstMs) {
      this.#burstAt = now;
      this.#burst = 1;
      return response;
    }
    if (++this.#burst <= burstAnswers) return response;
    return new Promise((resolve) => setImmediate(() => resolve(response)));
  }
}

/** Whether nobody reads the body of `request`, the answer itself included. */
function isUntouched(request: Request, response: Response): boolean {
  if (request.bodyUsed) return false;
  const { body } = request;
  if (body === null || body.locked) return false;
  // Asking for the body of an answer that is complete would make a stream of it.
  return instantStatus(response) !== 0 || response.body !== body;
}

function asksToClose(response: Response): boolean {
  const value = fieldOf(response, "connection");
  return value !== undefined && value.toLowerCase().split(",").some((one) => one.trim() === "close");
}

function withClose(response: Response): Response {
  try {
    response.headers.set("connection", "close");
    return response;
  } catch {
    // Immutable, as answers of fetch() are.
    const headers = new Headers(response.headers);
    headers.set("connection", "close");
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  }
}
