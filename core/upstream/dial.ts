/**
 * From an endpoint to a connected stream: TCP or unix socket, with TLS where the upstream says so. One attempt, one time
 * limit for all of it, one typed error. A name that has several addresses: they are tried one after the other. Knows
 * neither pools nor protocols.
 */
import type { EndpointSpec } from "../endpoint.ts";
import { connectTcp } from "../connect_tcp.ts";
import { type FailureKind, UpstreamError } from "../upstream_error.ts";
import { type Dialled, dialTls, serverName, type TlsMaterial } from "./dial_tls.ts";
import { type Target, targetOf } from "./target.ts";

/**
 * Connects within `timeoutMs`; rejects with an UpstreamError: `resolve`, `refused`, `connect`, `tls`, or `full` where
 * this process has no descriptor left.
 */
export async function dial(
  upstream: string,
  spec: EndpointSpec,
  tls: TlsMaterial | undefined,
  alpn: readonly string[],
  timeoutMs: number,
): Promise<Dialled> {
  const limit = new AbortController();
  const { signal } = limit;
  // After a time without a turn, what has arrived meanwhile counts.
  let timer = setTimeout(() => timer = setTimeout(() => limit.abort(), 0), timeoutMs);
  const progress = { phase: "connect" as Phase };
  try {
    const target = targetOf(spec.address);
    if (!tls) return { stream: await connect(target, signal), tls: false, alpn: "" };
    return await dialTls(
      target,
      serverName(target, spec, tls),
      tls,
      alpn,
      signal,
      () => progress.phase = "tls",
    );
  } catch (error) {
    const { phase } = progress;
    const [failure, text] = signal.aborted
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

type Phase = "connect" | "tls";

async function connect(target: Target, signal: AbortSignal): Promise<Deno.Conn> {
  if ("path" in target) return await Deno.connect({ transport: "unix", path: target.path });
  const conn = await connectTcp(target.hostname, target.port, signal);
  conn.setNoDelay(true);
  return conn;
}

function causeOf(error: unknown, phase: Phase): [FailureKind, string] {
  const text = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string } | null)?.code ?? "";
  if (error instanceof RangeError) return ["resolve", text];
  if (/^E[MN]FILE$/.test(code) || /os error 2[34]\b|too many open files/i.test(text)) {
    return ["full", "no file descriptor is left"];
  }
  if (code === "ECONNREFUSED") return ["refused", "refused"];
  if (/failed to lookup|no such host|ENOTFOUND|EAI_/i.test(text + code)) return ["resolve", text];
  if (code === "ENOENT") return ["refused", "no such socket"];
  if (phase === "tls" || /certificate|TLS|ssl|alert/i.test(text + code)) return ["tls", text];
  return ["connect", text];
}
