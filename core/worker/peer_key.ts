/**
 * One spelling for the address and port of a peer, whoever writes it: the runtime as text, the kernel as a sockaddr.
 * What connections without a descriptor of their own (TLS) are found by.
 */

const AF_INET = 2;
const AF_INET6 = 10;

/** Key of a peer as the runtime tells it (`10.0.0.1`, `::1`, `::ffff:10.0.0.1`); "" where there is no such address. */
export function peerKey(address: string, port: number): string {
  const bytes = address.includes(":") ? ipv6Bytes(address) : ipv4Bytes(address);
  return bytes ? keyOf(bytes, port) : "";
}

/** Key of a peer as the kernel tells it; "" for families other than IPv4 and IPv6. */
export function sockaddrKey(sockaddr: Uint8Array): string {
  const family = sockaddr[0]! | (sockaddr[1]! << 8);
  const port = (sockaddr[2]! << 8) | sockaddr[3]!;
  if (family === AF_INET) return keyOf(sockaddr.subarray(4, 8), port);
  return family === AF_INET6 ? keyOf(sockaddr.subarray(8, 24), port) : "";
}

function keyOf(bytes: ArrayLike<number>, port: number): string {
  return `${Array.from(bytes).join(".")}/${port}`;
}

function ipv4Bytes(text: string): number[] | undefined {
  const bytes = text.split(".").map(Number);
  return bytes.length === 4 && bytes.every((byte) => byte >= 0 && byte <= 255) ? bytes : undefined;
}

function ipv6Bytes(text: string): number[] | undefined {
  const [before, after] = text.replace(/%.*$/, "").split("::").map(groupBytes);
  if (!before || (after === undefined && before.length !== 16)) return undefined;
  const tail = after ?? [];
  const gap = 16 - before.length - tail.length;
  return gap < 0 ? undefined : [...before, ...new Array<number>(gap).fill(0), ...tail];
}

function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
