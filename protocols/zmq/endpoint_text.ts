/** Endpoints as libzmq writes them. */
import type { ZmqAddress } from "../../core/manifest/plan.ts";

/** `tcp://host:port`, `ipc:///path` or `inproc://name`. */
export function endpointText(address: ZmqAddress): string {
  if (address.transport === "inproc") return `inproc://${address.name}`;
  if (address.transport === "unix") return `ipc://${address.path}`;
  const { hostname, port } = address;
  return `tcp://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** The same of an endpoint of discovery: `host:port`, `unix:/path`, or what is an endpoint of libzmq already. */
export function endpointOf(address: string): string {
  if (/^(tcp|ipc|inproc):\/\//.test(address)) return address;
  return address.startsWith("unix:") ? `ipc://${address.slice("unix:".length)}` : `tcp://${address}`;
}
