/**
 * The protocol `zmq`: ZeroMQ sockets as listeners. It opens its sockets itself; what comes in goes through the stack of
 * the listener like every other request. Loads nothing before a listener speaks it.
 */
import type { ZmqListenerPlan } from "../../core/manifest/plan.ts";
import type { SocketProtocol } from "../../core/protocol.ts";
import type { ReplyParts } from "./handler.ts";
import type { ZmqMessage } from "./message.ts";

/** See the module's header. `make` throws Error where libzmq is missing, TypeError for a plan that cannot work. */
export const zmq = {
  kind: "socketProtocol",
  name: "zmq",
  make: async (host, scope) => await (await import("./make_listener.ts")).makeListener(host, scope),
} as const satisfies SocketProtocol<ZmqListenerPlan, ZmqMessage, ReplyParts>;
