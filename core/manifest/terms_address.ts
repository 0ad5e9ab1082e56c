/** Addresses as schemas: to listen on, of peers, and as zmq writes them. */
import type { RefinementCtx } from "zod";
import { isIP } from "node:net";
import { kinds, quote, shaped } from "./terms.ts";
import { absolute } from "./terms_path.ts";

/** Something to bind or to connect to. */
export type Address =
  | { transport: "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string };

/** What zmq can bind or connect to. */
export type ZmqAddress = Address | { transport: "inproc"; name: string };

const port = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})";
const host = "(?:\\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)";

/** `host:port`, `:port` (all interfaces), `[::]:port` or `unix:./path`. */
export function listenAddress() {
  return address<Address>(
    new RegExp(`^(?:unix:.+|(?:${host})?:${port})$`),
    "an address such as `127.0.0.1:8080`, `[::]:8080` or `unix:./service.sock`",
    (written) => {
      const found = /^(?:tcp:\/\/|https?:\/\/)?(.*?)\/?$/.exec(String(written))?.[1] ?? "";
      if (/^[0-9]{1,5}$/.test(found)) return [`127.0.0.1:${found}`, `0.0.0.0:${found}`];
      return new RegExp(`^${host}:${port}$`).test(found) && found !== written ? [found] : [];
    },
  );
}

/** `host:port` or `unix:./path` of a peer: port 0 and an empty host mean nothing here. */
export function peerAddress() {
  return address<Address>(
    new RegExp(`^(?:unix:.+|${host}:(?!0+$)${port})$`),
    "an address such as `10.0.0.1:80` or `unix:./peer.sock`",
  );
}

/** `host:port` of a peer that is reached over TCP only. */
export function hostAddress() {
  return address<Address>(new RegExp(`^${host}:(?!0+$)${port}$`), "an address such as `10.0.0.1:9092`");
}

/** `tcp://host:port`, `ipc://path` or `inproc://name`, as zmq writes endpoints. */
export function endpoint() {
  return address<ZmqAddress>(
    new RegExp(`^(?:ipc://.+|inproc://.+|tcp://(?:${host}|\\*):${port})$`),
    "an endpoint such as `tcp://127.0.0.1:5555` or `ipc://./service.ipc`",
    (written) => new RegExp(`^${host}:${port}$`).test(String(written)) ? [`tcp://${written}`] : [],
  );
}

/** An IP address, or a network as `address/bits`; stays text. */
export function network() {
  return shaped(
    /^(?=.*[.:])[0-9A-Fa-f.:]+(?:\/[0-9]{1,3})?$/,
    "an address or a network such as `10.0.0.0/8`",
  ).superRefine(checkNetwork);
}

/** Says what is wrong with `address` or `address/bits`. */
export function checkNetwork(value: string, context: RefinementCtx): void {
  const [ip, bits] = value.split("/");
  const family = isIP(ip);
  const most = family === 6 ? 128 : 32;
  const message = family === 0
    ? `names no valid IP address: ${quote(ip)}`
    : bits !== undefined && Number(bits) > most
    ? `has ${bits} bits of network, but an IPv${family} address has ${most}`
    : undefined;
  if (message !== undefined) context.addIssue({ code: "custom", message, input: value });
}

/** `A` is what `pattern` lets through. */
function address<A extends ZmqAddress>(
  pattern: RegExp,
  expected: string,
  propose?: (written: unknown) => string[],
) {
  const schema = shaped(pattern, expected, propose).transform((value, context): A => {
    const unix = /^(?:unix:|ipc:\/\/)(.+)$/.exec(value);
    if (unix) {
      const resolved = absolute(unix[1]);
      const bytes = new TextEncoder().encode(resolved).length;
      if (bytes > 107) {
        const message = `makes a socket path of ${bytes} bytes, and systems allow 107: ${resolved}`;
        context.issues.push({ code: "custom", message, input: value });
      }
      return { transport: "unix", path: resolved } as A;
    }
    const inproc = /^inproc:\/\/(.+)$/.exec(value);
    if (inproc) return { transport: "inproc", name: inproc[1] } as A;
    const [, hostname, digits] = /^(?:tcp:\/\/)?(.*):([0-9]+)$/.exec(value)!;
    const bare = hostname.replace(/^\[|\]$/g, "");
    const wrong = hostname.startsWith("[")
      ? isIP(bare.replace(/%.*/, "")) !== 6
      : /^[0-9.]+$/.test(bare) && isIP(bare) !== 4;
    if (wrong) {
      context.issues.push({
        code: "custom",
        message: `names no valid IP address: ${quote(hostname)}`,
        input: value,
      });
    }
    return {
      transport: "tcp",
      hostname: bare === "" || bare === "*" ? "0.0.0.0" : bare,
      port: Number(digits),
    } as A;
  });
  kinds.add(schema, { kind: "address" });
  return schema;
}
