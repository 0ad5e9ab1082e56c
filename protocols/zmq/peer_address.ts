/** Address of the peer of a connection, by its descriptor: getpeername(2), Linux and macOS. */
import { systemPoll } from "./system_poll.ts";

const familyInet = 2;
const familyInet6 = Deno.build.os === "darwin" ? 30 : 10;
/** struct sockaddr begins with its length on BSDs. */
const familyAt = Deno.build.os === "darwin" ? 1 : 0;
const address = new Uint8Array(128);
const length = new Uint8Array(4);
const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** Empty for unix sockets, and for connections that are gone already. */
export function peerAddress(descriptor: number): string {
  new DataView(length.buffer).setUint32(0, address.length, true);
  if (systemPoll().getpeername(descriptor, address, length) !== 0) return "";
  const family = address[familyAt];
  if (family === familyInet) return address.subarray(4, 8).join(".");
  if (family !== familyInet6) return "";
  const bytes = address.subarray(8, 24);
  if (mapped.every((byte, i) => bytes[i] === byte)) return bytes.subarray(12).join(".");
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16));
  return words.join(":").replace(/\b0(?::0)+\b/, ":").replace(/:::+/, "::");
}
