/**
 * The protocol `kafka`: a consumer group as a listener. Records go through the stack of the listener like every other
 * request. Loads nothing before a listener speaks it.
 */
import type { KafkaListenerPlan } from "../../core/manifest/plan.ts";
import type { SocketProtocol } from "../../core/protocol.ts";
import type { KafkaHost } from "./calls.ts";
import type { Job } from "./job.ts";

/** See the module's header. `make` throws TypeError for a plan that cannot work. */
export const kafka = {
  kind: "socketProtocol",
  name: "kafka",
  make: async (host, scope) =>
    await (await import("./make_listener.ts")).makeListener(host as KafkaHost, scope),
} as const satisfies SocketProtocol<KafkaListenerPlan, Job, undefined>;
