/**
 * The protocol `frames`: any TCP protocol whose messages can be cut out of the byte stream by a declared framing. The
 * manifest says how frames are told apart, whether they are answered, and what a refused one gets; the handler sees
 * whole frames and nothing else. Everything that cannot work is found here, before a port is bound.
 */
import { setImmediate } from "node:timers";
import type { FramesListenerPlan } from "../../core/manifest/plan.ts";
import type { ListenerHost, Protocol } from "../../core/protocol.ts";
import type { Service } from "../../core/service.ts";
import { exchange, type ExchangeSetup } from "./exchange.ts";
import { encode, type Framing, framingOf } from "./framing.ts";
import { type FrameHandler, handlerOf, oneWayService, pooledService, replyService } from "./handler.ts";
import { streamService, type Turn } from "./stream_service.ts";

/** The part of a listener's plan that this protocol reads. */
export type FramesPlan =
  & Pick<FramesListenerPlan, "framing" | "pattern" | "refuse" | "handler" | "run">
  & {
    /** Frames with the handler at once, per connection; 64 unless given. */
    readonly pipeline?: number;
  };

const defaultPipeline = 64;
const adapter = new URL("./pool_adapter.ts", import.meta.url).href;

/** Serves framed TCP. `make` throws TypeError for a plan that cannot work, and what loading the handler throws. */
export const frames = {
  kind: "protocol",
  name: "frames",
  alpn: [],
  async make(host) {
    const setup = await setupOf(host);
    host.bytesOf = (reply) => reply.length;
    // Who connects and asks gets the refusal as its answer.
    const farewell = setup.refusal && setup.pattern !== "oneWay"
      ? sealed(setup.refusal, setup.framing)
      : undefined;
    return { serve: (connection) => exchange(connection, setup), farewell: () => farewell };
  },
} as const satisfies Protocol<FramesPlan, Uint8Array, Uint8Array>;

async function setupOf(host: ListenerHost<FramesPlan, Uint8Array, Uint8Array>): Promise<ExchangeSetup> {
  const { plan, name } = host;
  const framing = framingOf(plan.framing);
  if (plan.run !== "inline" && plan.pattern === "stream") {
    throw new TypeError(
      `Cannot run listeners.${name} on pool "${plan.run}": a pool answers one frame with one; "pattern: stream" needs "run: inline"`,
    );
  }
  return {
    host,
    framing,
    pipeline: plan.pipeline ?? defaultPipeline,
    service: await serviceOf(host, framing),
    pattern: plan.pattern,
    refusal: refusalOf(plan.refuse, framing, name),
    nextTurn: () => new Promise((resolve) => void setImmediate(resolve)),
  };
}

async function serviceOf(
  host: ListenerHost<FramesPlan, Uint8Array, Uint8Array>,
  framing: Framing,
): Promise<ExchangeSetup["service"]> {
  const { plan } = host;
  if (plan.run !== "inline") {
    const call = host.onPool(plan.run, adapter, plan.handler);
    return pooledService(call, plan.pattern === "oneWay" ? undefined : framing);
  }
  const place = `\`${plan.handler.export}\` of ${plan.handler.module}`;
  return inlineService(handlerOf(await host.load(plan.handler), place), plan.pattern, framing);
}

function inlineService(handler: FrameHandler, pattern: FramesPlan["pattern"], framing: Framing) {
  if (pattern === "oneWay") return oneWayService(handler);
  if (pattern === "requestReply") return replyService(handler, framing);
  return (turn: Turn): Service<Uint8Array, Uint8Array> => streamService(handler, framing, turn);
}

function sealed(frame: Uint8Array, framing: Framing): Uint8Array {
  const into = new Uint8Array(frame.length + framing.overheadBytes);
  return into.subarray(0, encode(framing, frame, into, 0));
}

function refusalOf(refuse: string, framing: Framing, name: string): Uint8Array | undefined {
  if (refuse === "close") return undefined;
  const frame = new TextEncoder().encode(refuse);
  const misfit = framing.misfit(frame);
  if (misfit === undefined) return frame;
  throw new TypeError(`Cannot refuse on listeners.${name} with ${JSON.stringify(refuse)}: ${misfit}`);
}
