/** Where the meta pages listen, as the Plan says it, and whether others can reach that. */

/** One address of `meta.listen`. */
export type MetaAddress =
  | { transport: "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string };

/** Whether only this machine reaches `hostname`. Names other than localhost are not trusted to stay here. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

/** `127.0.0.1:9901`, `[::1]:9901` or `unix:/path`. */
export function formatAddress(address: MetaAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return `${hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname}:${port}`;
}
