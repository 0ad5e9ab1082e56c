/** Binds the addresses of the meta pages with the runtime's own server; all of them, or none. */

import { formatAddress, type MetaAddress } from "./meta_address.ts";

/** Running servers. */
export interface PageServers {
  /** Where they listen, port 0 resolved. */
  addresses: string[];
  /** Ends them; answers in the making get `drainMs`. */
  close(drainMs: number): Promise<void>;
}

type Handler = (request: Request) => Response | Promise<Response>;

/** Serves `handler` on every address. Rejects with a text for people when one cannot be had. */
export async function servePages(listen: readonly MetaAddress[], handler: Handler): Promise<PageServers> {
  const servers: { server: Deno.HttpServer<Deno.Addr>; stop: AbortController }[] = [];
  const closeAll = async (drainMs: number) => {
    const timer = setTimeout(() => servers.forEach(({ stop }) => stop.abort()), drainMs);
    await Promise.allSettled(servers.map(({ server }) => server.shutdown()));
    clearTimeout(timer);
  };
  const addresses: string[] = [];
  for (const address of listen) {
    const stop = new AbortController();
    try {
      const server = address.transport === "unix"
        ? await serveUnix(address.path, handler, stop.signal)
        : serveTcp(address.hostname, address.port, handler, stop.signal);
      servers.push({ server, stop });
      addresses.push(formatAddress(boundOf(server.addr, address)));
    } catch (error) {
      await closeAll(0);
      throw new Error(`Cannot listen on ${formatAddress(address)} for the meta pages: ${why(error)}`, {
        cause: error,
      });
    }
  }
  return { addresses, close: closeAll };
}

function serveTcp(hostname: string, port: number, handler: Handler, signal: AbortSignal) {
  return Deno.serve({ hostname, port, signal, onListen() {} }, handler) as Deno.HttpServer<Deno.Addr>;
}

async function serveUnix(path: string, handler: Handler, signal: AbortSignal) {
  await removeLeftover(path);
  const server = Deno.serve({ path, signal, onListen() {} }, handler) as Deno.HttpServer<Deno.Addr>;
  Deno.chmodSync(path, 0o600);
  return server;
}

/** A socket file outlives the process that made it; one that somebody listens on answers, and stays. */
async function removeLeftover(path: string): Promise<void> {
  try {
    if (!(await Deno.lstat(path)).isSocket) return;
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return await Deno.remove(path);
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Deno.errors.AddrInUse(path);
}

function boundOf(bound: Deno.Addr, asked: MetaAddress): MetaAddress {
  return bound.transport === "tcp" ? { transport: "tcp", hostname: bound.hostname, port: bound.port } : asked;
}

function why(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "another process listens there";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied (ports below 1024 need privileges)";
  }
  return error instanceof Error ? error.message : String(error);
}
