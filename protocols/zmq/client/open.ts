/** Opens sessions; loaded with the first one. Joins the process's context for each, and leaves it at its end. */
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { Session } from "../../../core/upstream/contract.ts";
import { loadCodec } from "../../codec/codec.ts";
import { joinContext } from "../context.ts";
import type { Signer } from "../signature.ts";
import { signerOf } from "../signer_of.ts";
import { checkKept, type OpenHost, openSocket } from "./open_socket.ts";
import { capacityOf, type ZmqReply, type ZmqRequest } from "./request.ts";
import { ZmqSession } from "./session.ts";

const signers = new WeakMap<UpstreamPlan, { signer: Signer | undefined }>();
/** Contexts that are being left. */
const leaving = new Set<Promise<void>>();

/** Resolves when everything that was closed has let go. */
export async function released(): Promise<void> {
  await Promise.all(leaving);
}

/** Rejects with UpstreamError. */
export async function open(host: OpenHost): Promise<Session<ZmqRequest, ZmqReply>> {
  const { plan } = host;
  if (plan.zmq.socket === "none") return nobody();
  const context = await joinContext();
  let left = false;
  const leave = () => {
    if (left) return;
    left = true;
    const over: Promise<void> = context.leave().finally(() => leaving.delete(over));
    leaving.add(over);
  };
  try {
    const codec = await loadCodec(plan.zmq.codec);
    const opened = await openSocket(context, host);
    checkKept(opened, host);
    return new ZmqSession(opened, host, capacityOf(plan), codec, signerFor(plan), leave);
  } catch (error) {
    leave();
    throw error;
  }
}

/** One for all sessions: what was seen on one must not be taken on another. */
function signerFor(plan: UpstreamPlan): Signer | undefined {
  let known = signers.get(plan);
  if (!known) signers.set(plan, known = { signer: signerOf(plan.zmq.signed) });
  return known.signer;
}

/** The session of an upstream without sockets: there is nothing that could fail. */
function nobody(): Session<ZmqRequest, ZmqReply> {
  let open = true;
  return {
    inflight: 0,
    capacity: 1,
    get open() {
      return open;
    },
    waitingSince: 0,
    start(attempt) {
      attempt.succeed({ parts: [] });
      attempt.release();
    },
    abandon() {},
    close() {
      open = false;
    },
  };
}
