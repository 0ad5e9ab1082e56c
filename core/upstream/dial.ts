/**
 * From an endpoint to a connected stream: TCP or unix socket, with TLS where the upstream says so. One attempt, one time
 * limit for all of it, one typed error. Knows neither pools nor protocols.
 */
import type { EndpointSpec } from "../endpoint.ts";
import type { UpstreamPlan } from "../manifest/plan.ts";
import type { ByteStream } from "../protocol.ts";
import { type FailureKind, UpstreamError } from "../upstream_error.ts";

/** A connection on which the protocol can begin. */
export interface Dialled {
  stream: ByteStream;
  tls: boolean;
  /** Protocol that TLS negotiated; empty where none was. */
  alpn: string;
}

/** Certificates as text, read once per upstream. */
export interface TlsMaterial {
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
  serverName: string | undefined;
}

/** Reads what `tls` names; undefined without TLS. Throws what the file system says. */
export function tlsMaterial({ tls }: Pick<UpstreamPlan, "tls">): TlsMaterial | undefined {
  if (!tls) return undefined;
  const text = (path: string | null) => path === null ? undefined : Deno.readTextFileSync(path);
  return {
    ca: text(tls.ca),
    cert: text(tls.cert),
    key: text(tls.key),
    serverName: tls.serverName ?? undefined,
  };
}

/** Where an address leads. */
export type Target = { path: string } | { hostname: string; port: number };

/** Takes `host:port`, `[::1]:port` or `unix:/path` apart; RangeError where it is neither. */
export function targetOf(address: string): Target {
  if (address.startsWith("unix:")) return { path: address.slice(5) };
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  const hostname = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  if (colon <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`Cannot connect to "${address}": an address is host:port, [v6]:port or unix:/path`);
  }
  return { hostname, port };
}

/** Connects within `timeoutMs`; rejects with an UpstreamError (`resolve`, `refused`, `connect`, `tls`). */
export async function dial(
  upstream: string,
  spec: EndpointSpec,
  tls: TlsMaterial | undefined,
  alpn: readonly string[],
  timeoutMs: number,
): Promise<Dialled> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeoutMs);
  let phase: "connect" | "tls" = "connect";
  try {
    const target = targetOf(spec.address);
    if (tls?.cert) return await dialWithCertificate(target, spec, tls, alpn, limit.signal);
    const conn = await connect(target, limit.signal);
    if (!tls) return { stream: conn, tls: false, alpn: "" };
    phase = "tls";
    return await shakeHands(conn as Deno.TcpConn, serverName(target, spec, tls), tls, alpn, limit.signal);
  } catch (error) {
    if (error instanceof UpstreamError) throw error;
    const [failure, text] = limit.signal.aborted
      ? ["connect" as const, `no ${phase === "tls" ? "TLS handshake" : "connection"} within ${timeoutMs} ms`]
      : causeOf(error, phase);
    throw new UpstreamError(failure, `Cannot connect to ${spec.address} of upstreams.${upstream}: ${text}`, {
      upstream,
      endpoint: spec.address,
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

async function connect(target: Target, signal: AbortSignal): Promise<Deno.Conn> {
  if ("path" in target) return await Deno.connect({ transport: "unix", path: target.path });
  const conn = await Deno.connect({ ...target, signal });
  conn.setNoDelay(true);
  return conn;
}

function serverName(target: Target, spec: EndpointSpec, tls: TlsMaterial): string {
  return tls.serverName ?? spec.serverName ?? ("hostname" in target ? target.hostname : "localhost");
}

async function shakeHands(
  conn: Deno.TcpConn,
  hostname: string,
  tls: TlsMaterial,
  alpn: readonly string[],
  signal: AbortSignal,
): Promise<Dialled> {
  const secured = await Deno.startTls(conn, {
    hostname,
    caCerts: tls.ca ? [tls.ca] : [],
    alpnProtocols: [...alpn],
  });
  const cut = () => secured.close();
  signal.addEventListener("abort", cut);
  try {
    const { alpnProtocol } = await secured.handshake();
    return { stream: secured, tls: true, alpn: alpnProtocol ?? "" };
  } catch (error) {
    if (!signal.aborted) secured.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

/** The runtime's own TLS takes a client certificate only together with the address as name: node's takes both. */
async function dialWithCertificate(
  target: Target,
  spec: EndpointSpec,
  tls: TlsMaterial,
  alpn: readonly string[],
  signal: AbortSignal,
): Promise<Dialled> {
  const [{ connect }, { nodeStream }] = await Promise.all([
    import("node:tls"),
    import("../worker/listen_node.ts"),
  ]);
  const where = "path" in target ? { path: target.path } : { host: target.hostname, port: target.port };
  const { ca, cert, key } = tls;
  const socket = connect({
    ...where,
    servername: serverName(target, spec, tls),
    ALPNProtocols: [...alpn],
    ...(ca ? { ca } : {}),
    cert: cert!,
    ...(key ? { key } : {}),
  });
  const cut = () => void socket.destroy(new Error("connecting took too long"));
  signal.addEventListener("abort", cut);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    socket.setNoDelay(true);
    return { stream: nodeStream(socket), tls: true, alpn: socket.alpnProtocol || "" };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

function causeOf(error: unknown, phase: "connect" | "tls"): [FailureKind, string] {
  const text = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string } | null)?.code ?? "";
  if (error instanceof RangeError) return ["resolve", text];
  if (error instanceof Deno.errors.ConnectionRefused || code === "ECONNREFUSED") {
    return ["refused", "refused"];
  }
  if (/failed to lookup|no such host|ENOTFOUND|EAI_/i.test(text + code)) return ["resolve", text];
  if (error instanceof Deno.errors.NotFound) return ["refused", "no such socket"];
  if (phase === "tls" || /certificate|TLS|ssl|alert/i.test(text + code)) return ["tls", text];
  return ["connect", text];
}
