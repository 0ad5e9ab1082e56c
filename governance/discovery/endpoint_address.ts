/** The address of an endpoint as registries and files write it, checked and in the form that {@link EndpointSpec} has. */
import { isIP } from "node:net";
import { isAbsolute, resolve } from "node:path";

const host = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/**
 * `host:port`, `[v6]:port` or `unix:/path`; relative paths of sockets start from `directory` where one is given. Throws
 * SyntaxError with what is wrong.
 */
export function endpointAddress(text: string, directory?: string): string {
  if (text.length > 300) throw new SyntaxError("the address is longer than 300 characters");
  if (text.startsWith("unix:")) {
    const path = text.slice(5);
    if (path === "" || (directory === undefined && !isAbsolute(path))) {
      throw new SyntaxError(`${JSON.stringify(text)} is no absolute path of a socket`);
    }
    return `unix:${directory === undefined ? path : resolve(directory, path)}`;
  }
  const [, hostname = "", digits = ""] = /^(.*):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const bare = /^\[(.*)\]$/.exec(hostname)?.[1];
  const known = bare === undefined
    ? host.test(hostname) && (isIP(hostname) === 4 || !/^[0-9.]+$/.test(hostname))
    : isIP(bare.replace(/%[A-Za-z0-9]+$/, "")) === 6;
  if (!known || port < 1 || port > 65_535) {
    throw new SyntaxError(
      `${JSON.stringify(text)} is no address such as 10.0.0.1:80, [::1]:80 or unix:/peer.sock`,
    );
  }
  return `${hostname}:${port}`;
}

/** `10.0.0.1:80`, `[::1]:80`. */
export function joinAddress(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
