/** What an endpoint's address says. */

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
