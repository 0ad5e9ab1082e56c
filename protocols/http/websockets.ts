/**
 * WebSockets for user code that calls `Deno.upgradeWebSocket` as always. The runtime's own upgrade only works under
 * its own server, so that call is wrapped once per process: a request that came in here is upgraded by npm:ws on its
 * connection, everything else by the runtime. Sockets are known to their connection, so that a drain can close them
 * politely (1001, going away).
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { ByteStream, Connection } from "../../core/protocol.ts";
import { originOf } from "./derived_request.ts";

/** Upgrades the connection that `request` came on. */
export interface Upgrader {
  /** Whether `request` is the one it serves now. */
  serves(request: Request): boolean;
  upgrade(request: Request, options: Deno.UpgradeWebSocketOptions): Deno.WebSocketUpgrade;
  readonly connection: Connection;
  /** Whether {@link takeOver} could work: asked before anybody else is asked to switch protocols. */
  readonly takesOver: boolean;
  /**
   * The bytes of its connection, which nobody else reads or writes from now on; its phase, its kill switch and its end
   * are the caller's. Undefined where that is not possible, or the peer is gone.
   */
  takeOver(): ByteStream | undefined;
}

/** What is used of a socket of npm:ws beside the standard interface. */
interface NodeWebSocket {
  binaryType: string;
  on(event: string, listener: () => void): void;
  ping(): void;
  terminate(): void;
}

/** Who may upgrade requests. Asked one after the other when there is one to upgrade, so that others cost nothing. */
const upgraders = new Set<Upgrader>();

/** Largest message, bytes: a bound, where the runtime has none. */
const maxMessageBytes = 16 * 1024 * 1024;
const servers = new Map<string, WebSocketServer>();
const maxServers = 64;
let wrapped = false;

/** From now on `upgrader` is asked for the requests that it serves. */
export function addUpgrader(upgrader: Upgrader): void {
  upgraders.add(upgrader);
}

/** It serves nothing any more. */
export function removeUpgrader(upgrader: Upgrader): void {
  upgraders.delete(upgrader);
}

/** Who may upgrade `request`, or take its connection over. */
export function upgraderOf(request: Request): Upgrader | undefined {
  const came = originOf(request);
  for (const upgrader of upgraders) if (upgrader.serves(came)) return upgrader;
  return undefined;
}

/** Wraps `Deno.upgradeWebSocket`, once. */
export function wrapUpgrade(): void {
  if (wrapped) return;
  wrapped = true;
  const original = Deno.upgradeWebSocket;
  Deno.upgradeWebSocket = (request, options = {}) => {
    const upgrader = upgraderOf(request);
    return upgrader ? upgrader.upgrade(request, options) : original(request, options);
  };
}

/** Throws TypeError when `request` does not ask for a WebSocket. */
export function checkUpgrade(request: Request): void {
  const { headers } = request;
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new TypeError('Cannot upgrade: the request has no header "upgrade: websocket"');
  }
  if (!headers.get("sec-websocket-key")) {
    throw new TypeError('Cannot upgrade: the request has no header "sec-websocket-key"');
  }
}

/** A node socket on descriptor `fd`, which it owns; with `allowHalfOpen` the end of input is not the end of output. */
export function socketOf(fd: number, allowHalfOpen = false): net.Socket {
  return new net.Socket({ fd, readable: true, writable: true, allowHalfOpen });
}

/** Answers the handshake on `socket` and returns its WebSocket; RFC 6455 §4.2.2. */
export function acceptWebSocket(
  request: Request,
  socket: Duplex,
  head: Uint8Array,
  options: Deno.UpgradeWebSocketOptions,
): WebSocket {
  const incoming = { method: "GET", url: "/", headers: Object.fromEntries(request.headers) };
  let accepted: WebSocket | undefined;
  serverFor(options.protocol ?? "").handleUpgrade(
    incoming as unknown as IncomingMessage,
    socket,
    Buffer.from(head),
    (socket: NodeWebSocket) => {
      socket.binaryType = "arraybuffer";
      keepAlive(socket, options.idleTimeout ?? 30);
      accepted = socket as unknown as WebSocket;
    },
  );
  if (!accepted) throw new TypeError("Cannot upgrade: the handshake is not valid");
  return accepted;
}

function serverFor(protocol: string): WebSocketServer {
  let server = servers.get(protocol);
  if (!server) {
    server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: maxMessageBytes,
      handleProtocols: () => protocol === "" ? false : protocol,
    });
    if (servers.size < maxServers) servers.set(protocol, server);
  }
  return server;
}

/** Pings a silent peer after half of `idleSeconds` and gives it up after all of them; 0 = never. */
function keepAlive(socket: NodeWebSocket, idleSeconds: number): void {
  if (idleSeconds <= 0) return;
  let silentHalves = 0;
  const heard = () => void (silentHalves = 0);
  socket.on("message", heard);
  socket.on("pong", heard);
  const timer = setInterval(() => {
    if (++silentHalves >= 2) return socket.terminate();
    socket.ping();
  }, idleSeconds * 500);
  socket.on("close", () => clearInterval(timer));
}
