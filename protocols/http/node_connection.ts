/**
 * HTTP/1.1 over node sockets, for connections that only those can carry: handed over by the supervisor, or with client
 * certificates. node's parser and framing, the same limits, the same stack. No HTTP/2.
 */
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Refusal } from "../../core/errors.ts";
import { type Connection, type LastWriter, Phase } from "../../core/protocol.ts";
import { type Reason, reasons } from "../../core/reasons.ts";
import type { Scope } from "../../core/scope.ts";
import { answerHalfClosed } from "./half_closed.ts";
import type { HttpHost } from "./native_connection.ts";
import { knownLength } from "./native_server.ts";
import { reasonHeader, refusalResponse } from "./refusal_response.ts";
import { BoundedBody, declaredBody, headBytes } from "./request_limits.ts";
import type { HttpService } from "./routes.ts";
import { acceptWebSocket, addUpgrader, checkUpgrade, removeUpgrader, type Upgrader } from "./websockets.ts";

const nothing = () => {};
/** How long a peer that sent what cannot be read gets to read its answer. */
const cutAfterMs = 1000;
/** Ends the body that is being read from a connection with an error. */
const failBody = new WeakMap<Socket, () => void>();

/** Returns what serves one connection; the node server behind it is made on the first call. */
export function nodeServer(
  host: HttpHost,
  service: HttpService,
  scope: Scope,
): (connection: Connection) => void {
  const connections = new WeakMap<Socket, Connection>();
  /** Requests that a connection is answering. */
  const active = new WeakMap<Connection, number>();
  /** The last of them. */
  const turns = new WeakMap<Connection, Promise<void>>();
  const start = () => {
    const server = createServer({ maxHeaderSize: host.plan.limits.headers }, (incoming, outgoing) => {
      const connection = connections.get(incoming.socket);
      if (!connection) return void incoming.socket.destroy();
      const waiting = active.get(connection) ?? 0;
      active.set(connection, waiting + 1);
      const answer = () => {
        // Behind a last answer stands no request any more.
        if (!incoming.socket.writable) return Promise.resolve();
        return serve(incoming, outgoing, connection, host, service).catch((error) => {
          host.log.error("answer failed", { error });
          incoming.socket.destroy();
        });
      };
      // node does not wait, but what is pipelined may depend on what stands before it.
      const work = waiting > 0 ? turns.get(connection)!.then(answer) : answer();
      turns.set(
        connection,
        work.finally(() => {
          const left = active.get(connection)! - 1;
          active.set(connection, left);
          if (left === 0) connection.enter(Phase.idle);
        }),
      );
    });
    // The guard owns all timers.
    server.keepAliveTimeout = server.headersTimeout = server.requestTimeout = 0;
    server.on("upgrade", (incoming, socket, head) => {
      const connection = connections.get(socket as Socket);
      if (!connection) return void socket.destroy();
      upgrade(incoming, socket as Socket, head, connection, host, service).catch((error) => {
        host.log.error("upgrade failed", { error });
        socket.destroy();
      });
    });
    server.on("clientError", (error: Error & { code?: string }, socket) => {
      const reason = error.code === "HPE_HEADER_OVERFLOW" ? "head_too_large" : "protocol_error";
      const connection = connections.get(socket as Socket);
      if (connection) host.refuse(connection, reason, "");
      // Nobody waits for the rest of a body that is none.
      failBody.get(socket as Socket)?.();
      socket.end(refusalHead(reason));
      setTimeout(() => socket.destroy(), cutAfterMs);
    });
    // The runtime's node server only works once it listens somewhere: a private socket that nobody connects to.
    const folder = Deno.makeTempDirSync({ prefix: "weir-" });
    server.listen(join(folder, "http"));
    scope.defer(() => {
      server.close();
      Deno.removeSync(folder, { recursive: true });
    });
    return server;
  };
  let server: ReturnType<typeof start> | undefined;
  return (connection) => {
    const socket = connection.stream.node as Socket;
    connections.set(socket, connection);
    connection.opaque = true;
    socket.on("close", () => connection.done("client_closed"));
    connection.kill = (reason) => {
      connection.done(reason);
    };
    connection.finish = () => {
      // An answer on its way is the last one, and ends the connection itself.
      if (active.get(connection)) connection.closing = true;
      else connection.done("drain");
    };
    (server ??= start()).emit("connection", socket);
    socket.resume();
  };
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  connection: Connection,
  host: HttpHost,
  service: HttpService,
): Promise<void> {
  const { limits } = host.plan;
  const method = incoming.method ?? "GET";
  const target = incoming.url ?? "/";
  const text = `${method} ${target}`;
  let request = toRequest(incoming, connection, method, target);
  if (!request) {
    host.refuse(connection, "bad_request", text);
    return await send(outgoing, refusalResponse(new Refusal("bad_request"), true), true);
  }
  const declared = declaredBody(request, limits.body);
  const refused = target.length > limits.url
    ? "url_too_long"
    : headBytes(request) > limits.headers
    ? "head_too_large"
    : typeof declared === "string"
    ? declared
    : undefined;
  if (refused) {
    host.refuse(connection, refused, text);
    return await send(outgoing, refusalResponse(new Refusal(refused), true), true);
  }
  if (declared) request = new BoundedBody(request, limits).request;
  connection.enter(declared ? Phase.body : Phase.serving);
  // The runtime does not tell who reads a body that its connection is gone.
  const { socket } = incoming;
  const gone = () => void (incoming.complete || incoming.destroy(new Error("The connection ended")));
  if (declared) {
    socket.once("close", gone);
    failBody.set(socket, gone);
  }
  const answer = await host.handle(connection, request, text, service);
  if (declared && incoming.complete) socket.off("close", gone);
  const response = answer instanceof Refusal ? refusalResponse(answer, connection.closing) : answer;
  if (response.body) connection.enter(Phase.stream);
  // A body that is still to come would be taken for the next request, or waited for.
  const last = connection.closing || (declared !== undefined && !(request.bodyUsed && incoming.complete));
  await send(outgoing, response, last);
}

/**
 * A request that asks for another protocol: the handler makes a WebSocket of it, a proxied one takes the connection over,
 * or it is answered as any other, for the last time on this connection.
 */
async function upgrade(
  incoming: IncomingMessage,
  socket: Socket,
  head: Uint8Array,
  connection: Connection,
  host: HttpHost,
  service: HttpService,
): Promise<void> {
  const target = incoming.url ?? "/";
  const method = incoming.method ?? "GET";
  const text = `${method} ${target}`;
  const request = method === "GET" ? toRequest(incoming, connection, method, target) : undefined;
  // node leaves what may be a body among the bytes of the other protocol.
  if (!request || declaredBody(request, 0) !== undefined) {
    host.refuse(connection, "bad_request", text);
    return void socket.end(refusalHead("bad_request"));
  }
  if (target.length > host.plan.limits.url) {
    host.refuse(connection, "url_too_long", text);
    return void socket.end(refusalHead("url_too_long"));
  }
  let opened: WebSocket | undefined;
  let taken = false;
  const upgrader: Upgrader = {
    connection,
    takesOver: true,
    serves: (other) => other === request,
    takeOver() {
      if (socket.destroyed) return undefined;
      taken = true;
      // The end of what it sends is not the end of what it gets.
      socket.allowHalfOpen = true;
      if (head.length > 0) socket.unshift(head);
      return connection.stream;
    },
    upgrade(request, options) {
      checkUpgrade(request);
      opened = acceptWebSocket(request, socket, head, options);
      return { socket: opened, response: new Response(null) };
    },
  };
  addUpgrader(upgrader);
  connection.enter(Phase.serving);
  const answer = await host.handle(connection, request, text, service);
  removeUpgrader(upgrader);
  if (opened) {
    const webSocket: WebSocket = opened;
    connection.enter(Phase.stream);
    connection.finish = () => webSocket.close(1001, "the service is stopping");
  } else if (!taken) {
    connection.enter(Phase.stream);
    const response = answer instanceof Refusal ? refusalResponse(answer, true) : answer;
    await answerHalfClosed(lastWriter(socket), response, false);
  }
}

function lastWriter(socket: Socket): LastWriter {
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => socket.write(bytes, (error) => error ? reject(error) : resolve())),
    close: () => void socket.destroySoon(),
  };
}

/** Undefined for what node lets pass although it means different things to different servers. */
function toRequest(
  incoming: IncomingMessage,
  connection: Connection,
  method: string,
  target: string,
): Request | undefined {
  const { httpVersion } = incoming;
  if (
    httpVersion !== "1.1" && (httpVersion !== "1.0" || incoming.headers["transfer-encoding"] !== undefined)
  ) {
    return undefined;
  }
  const url = urlOf(target, incoming.headers.host || "localhost", connection.tls);
  if (url === undefined) return undefined;
  const headers = new Headers();
  let hosts = 0;
  try {
    for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
      if (incoming.rawHeaders[i]!.toLowerCase() === "host" && ++hosts > 1) return undefined;
      headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!);
    }
    const bare = method === "GET" || method === "HEAD";
    const body = bare ? null : Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
    return new Request(url, { method, headers, body } as RequestInit);
  } catch {
    return undefined;
  }
}

/** Origin form, absolute form and `*` as an absolute URL; undefined for everything else. */
function urlOf(target: string, host: string, tls: boolean): string | undefined {
  if (/[/?#\\@\s]/.test(host)) return undefined;
  if (target.startsWith("/")) return `${tls ? "https" : "http"}://${host}${target}`;
  if (target === "*") return `${tls ? "https" : "http"}://${host}/*`;
  return /^https?:\/\/[^/?#\\@\s]+(?:\/|$)/.test(target) ? target : undefined;
}

async function send(outgoing: ServerResponse, response: Response, last: boolean): Promise<void> {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (last) outgoing.setHeader("connection", "close");
  const bytes = knownLength(response);
  const bodiless = response.status === 204 || response.status === 304;
  // What an answer to HEAD says of its length is the handler's own.
  if (bytes >= 0 && !bodiless && !outgoing.hasHeader("content-length")) {
    outgoing.setHeader("content-length", bytes);
  }
  if (!response.body) return void outgoing.end();
  const reader = response.body.getReader();
  const gone = new Promise<void>((resolve) => outgoing.once("close", resolve));
  // Whoever left does not wait for the next piece, and whoever makes the pieces is told.
  gone.then(() => reader.cancel().catch(nothing));
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (outgoing.destroyed) return;
    if (outgoing.write(part.value)) continue;
    await Promise.race([new Promise((resolve) => outgoing.once("drain", resolve)), gone]);
  }
  outgoing.end();
  await Promise.race([new Promise((resolve) => outgoing.once("finish", resolve)), gone]);
}

/** An answer without a body, for what never became a request. */
function refusalHead(reason: Reason): string {
  const { status } = reasons[reason];
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${reasonHeader}: ${reason}\r\n` +
    "connection: close\r\ncontent-length: 0\r\n\r\n";
}
