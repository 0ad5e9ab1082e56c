/**
 * The accept loop over the runtime's own sockets: SO_REUSEPORT, TLS without client certificates, unix sockets. What it
 * accepts the runtime can serve natively. Errors never end it: it backs off and goes on (EMFILE), until it is closed.
 */
import { socketCalls } from "./libc.ts";
import {
  acceptBackoffMs,
  claimListeningFd,
  formatAddress,
  type Listening,
  type ListenOptions,
  releaseListeningFd,
} from "./listening.ts";
import { removeStaleSocket, socketFileRemover } from "./stale_socket.ts";

// The one internal of the runtime's sockets that is used: the descriptor of an accepted connection. Where it is
// missing, byte counts and queue ages are missing, nothing else.
// deno-lint-ignore no-explicit-any
const internal = (Deno as any)[(Deno as any).internal];
const fdSymbol: symbol | undefined = internal?.core?.internalFdSymbol;

/** Binds `options.address` and accepts until closed; rejects with what binding fails with. */
export async function listenNative(options: ListenOptions): Promise<Listening> {
  const { address } = options;
  if (address.transport === "unix") await removeStaleSocket(address.path);
  const listener = bind(options);
  const removeFile = address.transport === "unix" ? socketFileRemover(address.path) : undefined;
  const port = listener.addr.transport === "tcp" ? listener.addr.port : 0;
  const fd = claimListeningFd(port);
  const state = { closed: false, acceptedAt: -Infinity };
  // An accept under way holds the socket open until the loop has turned: only then has it left its group.
  const released = acceptLoop(listener, options, state);
  return {
    released,
    // Here connections are accepted before they shake hands.
    handshakes: () => 0,
    address: listener.addr.transport === "tcp"
      ? formatAddress(listener.addr.hostname, port)
      : `unix:${(listener.addr as Deno.UnixAddr).path}`,
    port,
    queued: () => state.closed ? -1 : socketCalls()?.tcpInfo(fd)?.unacked ?? -1,
    steerAway: (self, size) => !state.closed && (socketCalls()?.steerAway(fd, self, size) ?? false),
    unsteer: () => void (!state.closed && socketCalls()?.unsteer(fd)),
    sinceAcceptMs: () => performance.now() - state.acceptedAt,
    close() {
      if (state.closed) return;
      state.closed = true;
      releaseListeningFd(fd);
      listener.close();
      removeFile?.();
    },
  };
}

function bind({ address, backlog, reusePort, tls, alpn }: ListenOptions): Deno.Listener {
  if (address.transport === "unix") {
    const listener = Deno.listen({ transport: "unix", path: address.path });
    Deno.chmodSync(address.path, 0o660);
    return listener as unknown as Deno.Listener;
  }
  const where = { hostname: address.hostname, port: address.port, reusePort, tcpBacklog: backlog };
  return tls ? Deno.listenTls({ ...where, ...tls, alpnProtocols: [...alpn] }) : Deno.listen(where);
}

/** What the loop below needs of a listener. */
export type Acceptor = Pick<Deno.Listener, "accept">;

/** Accepts until `state.closed`; whatever goes wrong with one connection ends neither the loop nor the others. */
export async function acceptLoop(
  listener: Acceptor,
  options: Pick<ListenOptions, "onAccept" | "onError" | "tls">,
  state: { closed: boolean; acceptedAt: number },
  pause: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<void> {
  for (let failures = 0; !state.closed;) {
    let conn: Deno.Conn;
    try {
      conn = await listener.accept();
      failures = 0;
    } catch (error) {
      if (state.closed) return;
      options.onError(error, "accept");
      await pause(acceptBackoffMs(++failures));
      continue;
    }
    state.acceptedAt = performance.now();
    const remote = conn.remoteAddr as Deno.NetAddr;
    const fd = fdSymbol === undefined ? -1 : (conn as unknown as Record<symbol, number>)[fdSymbol] ?? -1;
    try {
      options.onAccept({
        stream: nativeStream(conn, fd),
        address: remote.hostname ?? "",
        port: remote.port ?? 0,
        client: "",
        tls: options.tls !== undefined,
        fd,
      });
    } catch (error) {
      options.onError(error, "accept");
    }
  }
}

function nativeStream(conn: Deno.Conn, fd: number) {
  // Deno.Conn has the same methods; two are added, so that no wrapper stands in the way of reads and writes.
  return Object.assign(conn, { native: conn, detach: () => duplicate(conn, fd) });
}

/** -1 when the connection is gone already: its descriptor may belong to another one. */
function duplicate(conn: Deno.Conn, fd: number): number {
  const calls = socketCalls();
  const { port } = conn.remoteAddr as Partial<Deno.NetAddr>;
  if (!calls || (port !== undefined && !calls.isPeer(fd, port))) return -1;
  return calls.duplicate(fd);
}
