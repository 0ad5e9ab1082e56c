/** CURVE on sockets: the side that listens is the server (RFC 26). Keys are Z85 texts; nothing of them is logged. */
import type { ZmqListenerPlan } from "../../core/manifest/plan.ts";
import type { Log } from "../../core/context.ts";
import type { ZmqContext } from "./context.ts";
import type { ZmqSocket } from "./socket.ts";
import { decodeZ85 } from "./z85.ts";
import { hex } from "./zap_server.ts";

/** What a socket needs for CURVE. */
export interface CurveSetup {
  readonly publicKey: string;
  readonly secretKey: string;
  /** Of the other side; null where this side is the server. */
  readonly serverKey: string | null;
  /** ZAP domain of the allow list; empty where everybody may connect. */
  readonly domain: string;
}

/** The CURVE of a listener; declares its allow list. Throws TypeError where a key is missing or wrong. */
export function curveOf(
  name: string,
  { curve, listen }: Pick<ZmqListenerPlan, "curve" | "listen">,
  context: ZmqContext,
  log: Log,
): CurveSetup | undefined {
  if (curve === null) return undefined;
  const { publicKey, secretKey, clientKeys } = curve;
  checkKey(secretKey, `listeners.${name}: curve.secretKey`);
  if (listen === null) {
    if (curve.serverKey === null) {
      throw new TypeError(
        `Cannot connect listeners.${name}: curve.serverKey, the other side's public key, is missing`,
      );
    }
    return { publicKey, secretKey, serverKey: curve.serverKey, domain: "" };
  }
  const domain = clientKeys.length > 0 ? `listeners.${name}` : "";
  if (domain !== "") {
    const allowed = new Set(clientKeys.map((key) => hex(decodeZ85(key))));
    context.zap.declare(
      domain,
      allowed,
      (key) => log.warn("a client was refused: its key is not allowed", { key }),
    );
  }
  return { publicKey, secretKey, serverKey: null, domain };
}

/** Sets the options; before the socket is bound or connected. */
export function applyCurve(socket: ZmqSocket, { publicKey, secretKey, serverKey, domain }: CurveSetup): void {
  socket.set("curveSecretkey", decodeZ85(secretKey));
  if (serverKey === null) {
    socket.set("curveServer", 1);
    if (domain !== "") socket.set("zapDomain", domain);
    return;
  }
  socket.set("curvePublickey", decodeZ85(publicKey));
  socket.set("curveServerkey", decodeZ85(serverKey));
}

/** Throws TypeError, without the key in it. */
export function checkKey(key: string, what: string): void {
  try {
    if (decodeZ85(key).length === 32) return;
  } catch {
    // Said below.
  }
  throw new TypeError(`Cannot use ${what}: it is no key of 40 characters (Z85)`);
}
