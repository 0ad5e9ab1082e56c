/**
 * TLS towards endpoints: what the manifest names, read and checked, and connections over node sockets. The runtime's own
 * TLS trusts its roots beside `ca`, takes client certificates only together with the address as name, knows no unix
 * sockets, and keeps the descriptor of a handshake that was cut for as long as its peer is silent. Knows no time limits
 * but the signal that it is given.
 */
import process from "node:process";
import type { TLSSocket } from "node:tls";
import type { EndpointSpec } from "../endpoint.ts";
import type { UpstreamPlan } from "../manifest/plan.ts";
import type { ByteStream } from "../protocol.ts";
import type { Target } from "./target.ts";

/** A connection on which the protocol can begin. */
export interface Dialled {
  stream: ByteStream;
  tls: boolean;
  /** Protocol that TLS negotiated; empty where none was. */
  alpn: string;
}

/** Certificates as text, read once per upstream. */
export interface TlsMaterial {
  /** The only ones that are trusted, where it is there. */
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
  serverName: string | undefined;
}

/**
 * Reads what `tls` names; undefined without TLS. Throws what the file system says, and Error where a file holds no
 * certificate or the key is that of another one.
 */
export function tlsMaterial({ tls }: Pick<UpstreamPlan, "tls">): TlsMaterial | undefined {
  if (!tls) return undefined;
  const text = (path: string | null) => path === null ? undefined : Deno.readTextFileSync(path);
  const cert = text(tls.cert);
  const material = {
    ca: text(tls.ca),
    cert,
    key: text(tls.key) ?? cert,
    serverName: tls.serverName ?? undefined,
  };
  check(material, tls);
  return material;
}

/** Beside it there may be certificates. */
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]+?-----END [A-Z ]*PRIVATE KEY-----/;

function check({ ca, cert, key }: TlsMaterial, paths: NonNullable<UpstreamPlan["tls"]>): void {
  if (ca === undefined && cert === undefined) return;
  // Loaded only where it is needed: it takes the start of a worker 15 ms.
  const { X509Certificate, createPrivateKey } = process.getBuiltinModule("node:crypto");
  const parsed = <T>(make: () => T, what: string, path: string | null): T => {
    try {
      return make();
    } catch (error) {
      throw new Error(`Cannot use ${path}: there is no ${what} in it`, { cause: error });
    }
  };
  if (ca !== undefined) parsed(() => new X509Certificate(ca), "certificate", paths.ca);
  if (cert === undefined) return;
  const own = parsed(() => new X509Certificate(cert), "certificate", paths.cert);
  const secret = parsed(
    () => createPrivateKey(privateKey.exec(key!)?.[0] ?? ""),
    "private key without a passphrase",
    paths.key ?? paths.cert,
  );
  if (own.checkPrivateKey(secret)) return;
  throw new Error(
    `Cannot use ${paths.cert}: ${paths.key ?? "the key in it"} is the key of another certificate`,
  );
}

/** Name that the certificate of an endpoint must carry. */
export function serverName(target: Target, spec: EndpointSpec, tls: TlsMaterial): string {
  return tls.serverName ?? spec.serverName ?? ("hostname" in target ? target.hostname : "localhost");
}

/** Connects and speaks TLS; `onConnected` is told when only TLS is missing. */
export async function dialTls(
  target: Target,
  name: string,
  tls: TlsMaterial,
  alpn: readonly string[],
  signal: AbortSignal,
  onConnected: () => void,
): Promise<Dialled> {
  const [{ checkServerIdentity, connect }, { isIP }, { nodeStream }] = await Promise.all([
    import("node:tls"),
    import("node:net"),
    import("../worker/listen_node.ts"),
  ]);
  signal.throwIfAborted();
  const { ca, cert, key } = tls;
  const socket: TLSSocket = connect({
    ...("path" in target ? { path: target.path } : { host: target.hostname, port: target.port }),
    // An address is no name to ask for (RFC 6066 section 3), but the certificate may carry it.
    servername: isIP(name) ? "" : name,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    ALPNProtocols: [...alpn],
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key: key! }),
  });
  const cut = () => void socket.destroy(new Error("connecting took too long"));
  signal.addEventListener("abort", cut);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", onConnected);
      socket.once("secureConnect", resolve);
      socket.once("close", () => reject(new Error("the peer closed the connection")));
      // Stays: an error nobody listens for would end the process.
      socket.on("error", reject);
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
