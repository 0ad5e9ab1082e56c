/**
 * The listener of protocol zmq, made from its plan: handler, codec, signatures and keys are put together here, and
 * everything that cannot work is found before anything is bound.
 */
import type { ZmqListenerPlan } from "../../core/manifest/plan.ts";
import type { SocketServer } from "../../core/protocol.ts";
import type { Scope } from "../../core/scope.ts";
import type { Service } from "../../core/service.ts";
import { type Codec, loadCodec } from "../codec/codec.ts";
import { joinContext } from "./context.ts";
import { curveOf } from "./curve.ts";
import { handlerOf, type Replies, type ReplyParts, serviceOf } from "./handler.ts";
import type { ZmqMessage } from "./message.ts";
import { replyFromPool, toPool } from "./pool_call.ts";
import { type ZmqHost, ZmqServer } from "./server.ts";
import { signerOf } from "./signer_of.ts";

const adapter = new URL("./pool_adapter.ts", import.meta.url).href;

/** Whether a message of such a socket is answered. */
const replies: Readonly<Record<ZmqListenerPlan["socket"], Replies>> = {
  rep: "always",
  router: "something",
  dealer: "something",
  pair: "something",
  pull: "never",
  sub: "never",
  xsub: "never",
};

/** Throws Error where libzmq is missing, TypeError for a plan that cannot work. */
export async function makeListener(host: ZmqHost, scope: Scope): Promise<SocketServer> {
  const { plan } = host;
  const codec = await loadCodec(plan.codec);
  const pooled = plan.run !== "inline";
  const service = pooled
    ? poolService(host, codec, replies[plan.socket])
    : await inlineService(host, codec, replies[plan.socket]);
  host.bytesOf = (parts) => parts.reduce((sum, part) => sum + part.length, 0);
  host.identify = ({ topic }) => topic === "" ? {} : { meta: { topic } };
  const context = await joinContext();
  scope.defer(() => context.leave());
  const server = new ZmqServer({
    host,
    context,
    codec,
    decode: pooled ? asItIs : codec.decode,
    copies: pooled || codec.keepsBytes,
    service,
    signer: signerOf(plan.signed),
    curve: curveOf(host.name, plan, context, host.log),
  });
  scope.defer(() => server.close());
  return server;
}

async function inlineService(
  host: ZmqHost,
  codec: Codec,
  answers: Replies,
): Promise<Service<ZmqMessage, ReplyParts>> {
  const { handler } = host.plan;
  const place = `\`${handler.export}\` of ${handler.module}`;
  return serviceOf(handlerOf(await host.load(handler), place), codec, answers);
}

function poolService(host: ZmqHost, codec: Codec, answers: Replies): Service<ZmqMessage, ReplyParts> {
  const call = host.onPool(host.plan.run, adapter, host.plan.handler);
  return (message, context) =>
    call(toPool(message, codec.name, answers), context.signal, context.deadline).then(replyFromPool);
}

function asItIs(bytes: Uint8Array): Uint8Array {
  return bytes;
}
