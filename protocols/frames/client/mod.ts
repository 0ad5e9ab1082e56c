/**
 * Framed TCP as an upstream: `ctx.upstream("orders").request(frame)`. The framing is declared; replies come in the order
 * of requests, `pool.pipeline` of them at once on a connection. A frame is sent twice only where the caller says that it
 * may be (`idempotent`).
 *
 * Probes connect, or send `health.probe.send` and take any reply for a good one; heartbeats send that frame too, and
 * there are none without it.
 */
import type { Upstream } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { UpstreamProtocol, Verdict } from "../../../core/upstream/contract.ts";
import { type Framing, framingOf } from "../framing.ts";
import { FramesHandle } from "./handle.ts";
import { connectOnly, FramesSession } from "./session.ts";

/** One-way frames at once on one connection, unless `pool.pipeline` says more: they wait for nobody's reply. */
export const oneWayAtOnce = 1024;

const good: Verdict = Object.freeze({ ok: true, status: 0, retryAfterMs: 0 });
const encoder = new TextEncoder();
const framings = new WeakMap<UpstreamPlan, Framing>();

/** See the module's header. */
export const framesUpstream = {
  kind: "upstreamProtocol",
  name: "frames",
  alpn: () => [],
  pipeline: capacityOf,
  connect(stream, host) {
    const { plan } = host;
    return new FramesSession(stream, host, {
      framing: framingFor(plan),
      replyFraming: replyFraming(plan),
      oneWay: plan.pattern === "oneWay",
      capacity: capacityOf(plan),
      heartbeat: probeFrame(plan),
    });
  },
  judge: () => good,
  probe: (plan) => ({ request: probeFrame(plan) ?? connectOnly, good: () => true }),
  handle: (caller, context) => new FramesHandle(caller, context, framingFor(caller.plan)),
} satisfies UpstreamProtocol<Uint8Array, Uint8Array, Upstream>;

function capacityOf({ pool, pattern }: Pick<UpstreamPlan, "pool" | "pattern">): number {
  return pattern === "oneWay" ? Math.max(oneWayAtOnce, pool.pipeline) : pool.pipeline;
}

/** The framing of an upstream, made once. */
function framingFor(plan: UpstreamPlan): Framing {
  let framing = framings.get(plan);
  if (!framing) framings.set(plan, framing = framingOf(plan.framing!));
  return framing;
}

/** Replies are bounded by `limits.reply` as well. */
function replyFraming(plan: UpstreamPlan): Framing {
  const framing = plan.framing!;
  const most = plan.limits.reply;
  return framing.fixed !== undefined || framing.max <= most
    ? framingFor(plan)
    : framingOf({ ...framing, max: most });
}

/** Throws TypeError for a frame that cannot be sent in the upstream's framing. */
function probeFrame(plan: UpstreamPlan): Uint8Array | undefined {
  const send = plan.health.probe?.send ?? null;
  if (send === null) return undefined;
  const frame = encoder.encode(send);
  const framing = framingFor(plan);
  const misfit = frame.length > framing.maxBytes
    ? `longer than ${framing.maxBytes} bytes`
    : framing.misfit(frame);
  if (misfit === undefined) return frame;
  throw new TypeError(`Cannot probe: health.probe.send does not fit the framing: ${misfit}`);
}
