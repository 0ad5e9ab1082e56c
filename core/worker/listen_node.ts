/**
 * The accept path over node sockets: for client certificates (mTLS), for connections that the supervisor hands over,
 * and for runtimes without the native hook. Same contract, about half the speed.
 */
import net from "node:net";
import tls from "node:tls";
import { Buffer } from "node:buffer";
import type { ByteStream } from "../protocol.ts";
import type { Accepted } from "./guard.ts";
import { Handshakes } from "./handshakes.ts";
import { socketCalls } from "./libc.ts";
import {
  claimListeningFd,
  formatAddress,
  type Listening,
  type ListenOptions,
  releaseListeningFd,
} from "./listening.ts";
import { removeStaleSocket, socketFileRemover } from "./stale_socket.ts";

/** Binds `options.address` and accepts until closed; rejects with what binding fails with. */
export async function listenNode(options: ListenOptions): Promise<Listening> {
  let acceptedAt = -Infinity;
  const take = (socket: net.Socket) => {
    acceptedAt = performance.now();
    adopt(socket, options);
  };
  const handshakes = new Handshakes(options.handshakes, options.onCut);
  const server = options.tls
    ? tlsServer(options, handshakes, take)
    : net.createServer({ pauseOnConnect: true }, take);
  const { address } = options;
  if (address.transport === "unix") await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const where = address.transport === "unix" ? { path: address.path } : {
      host: address.hostname,
      port: address.port,
      backlog: options.backlog,
      reusePort: options.reusePort,
    };
    server.listen(where as net.ListenOptions, () => {
      server.off("error", reject);
      server.on("error", (error) => options.onError(error, "accept"));
      resolve();
    });
  });
  const bound = server.address() as net.AddressInfo | string;
  const port = typeof bound === "string" ? 0 : bound.port;
  const fd = claimListeningFd(port);
  if (address.transport === "unix") Deno.chmodSync(address.path, 0o660);
  const removeFile = address.transport === "unix" ? socketFileRemover(address.path) : undefined;
  let closed = false;
  const released = Promise.withResolvers<void>();
  return {
    released: released.promise,
    address: typeof bound === "string" ? `unix:${bound}` : formatAddress(bound.address, bound.port),
    port,
    queued: () => closed ? -1 : socketCalls()?.tcpInfo(fd)?.unacked ?? -1,
    steerAway: (self, size) => !closed && (socketCalls()?.steerAway(fd, self, size) ?? false),
    unsteer: () => void (!closed && socketCalls()?.unsteer(fd)),
    sinceAcceptMs: () => performance.now() - acceptedAt,
    handshakes: () => handshakes.size,
    close() {
      if (closed) return;
      closed = true;
      releaseListeningFd(fd);
      server.close();
      // Its handle goes with the next turn of the loop.
      setTimeout(released.resolve, 5);
      removeFile?.();
    },
  };
}

function tlsServer(
  options: ListenOptions,
  handshakes: Handshakes,
  take: (socket: net.Socket) => void,
): tls.Server {
  const { cert, key, clientCa } = options.tls!;
  const server = tls.createServer({
    cert,
    key,
    ...(clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: true } : {}),
    ALPNProtocols: ["http/1.1"],
    // Ours ends the connection, the runtime's does not.
    handshakeTimeout: 2 * options.handshakes.timeoutMs,
  }, (socket) => {
    handshakes.end(rawSocket(socket));
    take(socket);
  });
  server.prependListener("connection", (socket: net.Socket) => void handshakes.begin(socket));
  server.on("tlsClientError", (error, socket) => {
    handshakes.end(rawSocket(socket));
    socket.destroy();
    options.onError(error, "tls");
  });
  return server;
}

function rawSocket(socket: tls.TLSSocket): net.Socket {
  return (socket as unknown as { _parent?: net.Socket })._parent ?? socket;
}

/** Takes over sockets that were accepted elsewhere. */
export interface Adopter {
  /** Takes over a plain socket, and speaks TLS on it where the listener does. */
  take(socket: net.Socket): void;
  /** Milliseconds (monotonic) since the last one came; Infinity before the first. */
  sinceTakenMs(): number;
  /** See Listening. */
  handshakes(): number;
}

/** Makes the adopter of one listener. */
export function adopter(options: ListenOptions): Adopter {
  const handshakes = new Handshakes(options.handshakes, options.onCut);
  const server = options.tls && tlsServer(options, handshakes, (socket) => adopt(socket, options));
  let takenAt = -Infinity;
  return {
    take(socket) {
      takenAt = performance.now();
      if (server) server.emit("connection", socket);
      else adopt(socket, options);
    },
    sinceTakenMs: () => performance.now() - takenAt,
    handshakes: () => handshakes.size,
  };
}

/** Takes over a socket on which the application's bytes come next. */
function adopt(socket: net.Socket, options: Pick<ListenOptions, "onAccept">): void {
  const encrypted = socket instanceof tls.TLSSocket;
  socket.setNoDelay(true);
  const accepted: Accepted = {
    stream: nodeStream(socket),
    address: socket.remoteAddress ?? "",
    port: socket.remotePort ?? 0,
    client: encrypted ? subject(socket as tls.TLSSocket) : "",
    tls: encrypted,
    fd: -1,
  };
  options.onAccept(accepted);
}

function subject(socket: tls.TLSSocket): string {
  if (!socket.authorized) return "";
  const name = socket.getPeerCertificate()?.subject?.CN;
  return Array.isArray(name) ? name[0] ?? "" : name ?? "";
}

/** A node socket as a {@link ByteStream}: reads are pulled, so that back-pressure reaches the peer. */
export function nodeStream(socket: net.Socket): ByteStream {
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  let listening = false;
  const signal = () => {
    const resolve = wake;
    wake = undefined;
    resolve?.();
  };
  // Only once somebody reads: node's own HTTP server wants the socket untouched.
  const listen = () => {
    listening = true;
    socket.on("readable", signal);
    socket.on("end", () => {
      ended = true;
      signal();
    });
  };
  const close = () => {
    ended = true;
    signal();
  };
  socket.on("close", close);
  socket.on("error", (error) => {
    failure = error;
    signal();
  });
  return {
    node: socket,
    async read(into) {
      if (!listening) listen();
      for (;;) {
        if (failure) throw failure;
        const available = socket.readableLength;
        if (available > 0) {
          const chunk = socket.read(Math.min(available, into.length)) as Buffer | null;
          if (chunk) {
            into.set(chunk);
            return chunk.length;
          }
        }
        if (ended) return null;
        await new Promise<void>((resolve) => {
          wake = resolve;
          socket.read(0);
        });
      }
    },
    write(bytes) {
      if (failure) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        const copy = Buffer.from(bytes);
        socket.write(copy, (error) => error ? reject(error) : resolve(copy.length));
      });
    },
    closeWrite() {
      return new Promise((resolve) => socket.end(() => resolve()));
    },
    close() {
      socket.destroy();
    },
  };
}
