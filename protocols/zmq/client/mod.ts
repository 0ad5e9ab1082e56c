/**
 * ZeroMQ as an upstream: `ctx.upstream("metrics").send(message)`. One socket per endpoint and worker, so that balancer,
 * health, breaker and retry know whom they deal with; endpoints come and go as discovery says.
 */
import type { Upstream } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import { reasons } from "../../../core/reasons.ts";
import type { UpstreamProtocol, Verdict } from "../../../core/upstream/contract.ts";
import { isRefusal } from "../refusal_parts.ts";
import { ZmqHandle } from "./handle.ts";
import { capacityOf, connectOnly, type ZmqReply, type ZmqRequest } from "./request.ts";

const good: Verdict = Object.freeze({ ok: true, status: 0, retryAfterMs: 0 });
/** See the module's header. */
export const zmqUpstream = {
  kind: "upstreamProtocol",
  name: "zmq",
  alpn: () => [],
  pipeline: capacityOf,
  adapt,
  open: async (host) => await (await import("./open.ts")).open(host),
  connect() {
    throw new TypeError("Cannot speak zmq over a byte stream: it opens its sockets itself");
  },
  released: async () => await (await import("./open.ts")).released(),
  judge({ parts }) {
    const [value] = parts;
    if (parts.length !== 1 || !isRefusal(value)) return good;
    return { ok: false, status: reasons[value.error].status, retryAfterMs: value.retryAfterMs };
  },
  probe: () => ({ request: connectOnly, good: () => true }),
  handle: (caller, context) => new ZmqHandle(caller, context),
} satisfies UpstreamProtocol<ZmqRequest, ZmqReply, Upstream>;

/** One connection carries it all, and is kept: subscribers and queues hang on it. */
function adapt(plan: UpstreamPlan): UpstreamPlan {
  const one = plan.zmq.socket !== "req" && plan.zmq.socket !== "pair";
  const pool = { ...plan.pool, age: 0, warm: Math.max(1, plan.pool.warm) };
  return { ...plan, pool: one ? { ...pool, connections: 1, warm: 1, idle: Infinity } : pool };
}
