/** Binds the addresses of one listener and gives what is accepted to its protocol. */
import type { Log } from "../context.ts";
import { Phase, type ProtocolServer } from "../protocol.ts";
import type { Scope } from "../scope.ts";
import { isHandedOver } from "../supervisor/handed_over.ts";
import type { Guard } from "./guard.ts";
import type { GuardedConnection } from "./guarded_connection.ts";
import { listenNative } from "./listen_native.ts";
import { adopter, listenNode } from "./listen_node.ts";
import type { ListenOptions } from "./listening.ts";
import type { Served } from "./served.ts";

export async function handshake(
  conn: Deno.TlsConn,
  guard: Guard,
  connection: GuardedConnection,
  server: ProtocolServer,
  log: Log,
): Promise<void> {
  connection.kill = (reason) => guard.cut(connection, reason === "drain" ? reason : "tls_timeout");
  try {
    connection.alpn = (await conn.handshake()).alpnProtocol ?? "";
  } catch {
    return connection.done("tls_failed");
  }
  if (connection.gone) return;
  connection.enter(Phase.first);
  serveOn(connection, server, log);
}

/** A connection that the peer has reset already can fail in many ways; none of them may reach the accept loop. */
export function serveOn(connection: GuardedConnection, server: ProtocolServer, log: Log): void {
  try {
    server.serve(connection);
  } catch (error) {
    log.debug("connection not served", { error, client: connection.address });
    connection.done("client_reset");
  }
}

export async function bind(one: Served, alone: boolean, log: Log, scope: Scope): Promise<void> {
  const { plan, guard } = one;
  const tls = readTls(plan);
  const errors = guard.acceptErrors;
  const shared: Omit<ListenOptions, "address" | "reusePort"> = {
    backlog: plan.accept.backlog,
    ...(tls ? { tls } : {}),
    alpn: one.protocol.alpn,
    handshakes: { timeoutMs: plan.accept.firstByte, most: plan.accept.connections },
    onAccept: one.accept,
    onCut: (reason) => guard.countClosed(reason),
    onError: (error: unknown, kind: "accept" | "tls") => {
      if (kind === "tls") return guard.countClosed("tls_failed");
      errors.add();
      log.warn("accept failed", { listener: one.name, error });
    },
  };
  for (const address of plan.listen) {
    const reusePort = address.transport === "tcp" && Deno.build.os === "linux";
    const options: ListenOptions = { ...shared, address, reusePort };
    if (isHandedOver(plan.accept.mode, address) && !alone) {
      one.adopter ??= adopter(options);
      one.addresses.push("");
      continue;
    }
    // The runtime has neither client certificates nor TLS on unix sockets.
    const special = tls !== undefined && (tls.clientCa !== undefined || address.transport === "unix");
    const native = one.protocol.native !== false && !special && plan.accept.mode !== "handOff";
    const listening = await (native ? listenNative(options) : listenNode(options));
    scope.defer(() => listening.close());
    one.listenings.push(listening);
    one.addresses.push(listening.address);
  }
}

function readTls(plan: Served["plan"]): ListenOptions["tls"] {
  if (!plan.tls) return undefined;
  const { cert, key, clientCa } = plan.tls;
  return {
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key),
    ...(clientCa ? { clientCa: Deno.readTextFileSync(clientCa) } : {}),
  };
}
