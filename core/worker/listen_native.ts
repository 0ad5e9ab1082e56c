/**
 * The accept loop over the runtime's own sockets: SO_REUSEPORT, TLS without client certificates, unix sockets. What it
 * accepts the runtime can serve natively. Errors never end it: it backs off and goes on (EMFILE), until it is closed.
 */
import { socketCalls } from "./libc.ts";
import { acceptBackoffMs, formatAddress, type Listening, type ListenOptions } from "./listening.ts";

// The one internal of the runtime's sockets that is used: the descriptor of an accepted connection. Where it is
// missing, byte counts and queue ages are missing, nothing else.
// deno-lint-ignore no-explicit-any
const internal = (Deno as any)[(Deno as any).internal];
const fdSymbol: symbol | undefined = internal?.core?.internalFdSymbol;

/** Binds `options.address` and accepts until closed. Throws what binding throws. */
export function listenNative(options: ListenOptions): Listening {
  const listener = bind(options);
  const port = listener.addr.transport === "tcp" ? listener.addr.port : 0;
  const fd = port > 0 ? socketCalls()?.listeningFd(port) ?? -1 : -1;
  const state = { closed: false, acceptedAt: -Infinity };
  // An accept under way holds the socket open until the loop has turned: only then has it left its group.
  const released = acceptLoop(listener, options, state);
  return {
    released,
    address: listener.addr.transport === "tcp"
      ? formatAddress(listener.addr.hostname, port)
      : `unix:${(listener.addr as Deno.UnixAddr).path}`,
    port,
    queued: () => socketCalls()?.tcpInfo(fd)?.unacked ?? -1,
    steerAway: (self, size) => fd >= 0 && (socketCalls()?.steerAway(fd, self, size) ?? false),
    unsteer: () => void (fd >= 0 && socketCalls()?.unsteer(fd)),
    sinceAcceptMs: () => performance.now() - state.acceptedAt,
    close() {
      if (state.closed) return;
      state.closed = true;
      listener.close();
    },
  };
}

function bind({ address, backlog, reusePort, tls, alpn }: ListenOptions): Deno.Listener {
  if (address.transport === "unix") {
    removeStaleSocket(address.path);
    const listener = Deno.listen({ transport: "unix", path: address.path });
    Deno.chmodSync(address.path, 0o660);
    return listener as unknown as Deno.Listener;
  }
  const where = { hostname: address.hostname, port: address.port, reusePort, tcpBacklog: backlog };
  return tls ? Deno.listenTls({ ...where, ...tls, alpnProtocols: [...alpn] }) : Deno.listen(where);
}

/** A socket file that nobody listens on goes away; anything else is left alone and makes the bind fail. */
function removeStaleSocket(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return;
  }
  if (!info.isSocket) throw new TypeError(`Cannot listen on unix:${path}: there is a file that is no socket`);
  Deno.removeSync(path);
}

async function acceptLoop(
  listener: Deno.Listener,
  options: ListenOptions,
  state: { closed: boolean; acceptedAt: number },
): Promise<void> {
  for (let failures = 0; !state.closed;) {
    let conn: Deno.Conn;
    try {
      conn = await listener.accept();
      failures = 0;
    } catch (error) {
      if (state.closed) return;
      options.onError(error, "accept");
      await new Promise((resolve) => setTimeout(resolve, acceptBackoffMs(++failures)));
      continue;
    }
    state.acceptedAt = performance.now();
    const remote = conn.remoteAddr as Deno.NetAddr;
    const fd = fdSymbol === undefined ? -1 : (conn as unknown as Record<symbol, number>)[fdSymbol] ?? -1;
    options.onAccept({
      stream: nativeStream(conn, fd),
      address: remote.hostname ?? "",
      port: remote.port ?? 0,
      client: "",
      tls: options.tls !== undefined,
      fd,
    });
  }
}

function nativeStream(conn: Deno.Conn, fd: number) {
  // Deno.Conn has the same methods; two are added, so that no wrapper stands in the way of reads and writes.
  return Object.assign(conn, { native: conn, detach: () => socketCalls()?.duplicate(fd) ?? -1 });
}
