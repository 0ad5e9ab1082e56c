/** What calls of a zmq upstream are made of, and how many of them a connection carries. */
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";

/** A message on its way out, encoded. */
export interface ZmqRequest {
  readonly body: readonly Uint8Array[];
  /** First part of what is published; undefined for everything else. */
  readonly topic: Uint8Array | undefined;
  /** Whether a reply is awaited. */
  readonly answered: boolean;
}

/** What came back: the decoded parts; none for what is not answered. */
export interface ZmqReply {
  readonly parts: readonly unknown[];
}

/** The reply of what is not answered. */
export const handedOver: ZmqReply = Object.freeze({ parts: [] });

/** Answered at once: a connection is all that is asked for. */
export const connectOnly: ZmqRequest = Object.freeze({ body: [], topic: undefined, answered: false });

/** Messages at once on one connection of the sockets that take many. */
const atOnce = 10_000;

export function capacityOf({ zmq: { socket } }: Pick<UpstreamPlan, "zmq">): number {
  return socket === "req" || socket === "pair" ? 1 : atOnce;
}
