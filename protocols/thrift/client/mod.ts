/**
 * Thrift as an upstream: `ctx.upstream("split").call("split", { text })`, the IDL read when the worker starts.
 *
 * Up to `thrift.multiplex` calls at once share a connection, further ones are opened only when they do not fit: replies
 * are matched by seqid and may come in any order. Calls are not taken to be idempotent unless the caller says so.
 * Breakers `per: method` go by the names of the IDL.
 *
 * Declared exceptions are thrown as ThriftException and are no failures: the upstream did its work. An
 * ApplicationException is one where it says that the server failed, see {@link applicationError} in call.ts.
 */
import type { Upstream } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { UpstreamProtocol } from "../../../core/upstream/contract.ts";
import { loadService } from "../idl/load.ts";
import { serviceCodec } from "../service_codec.ts";
import { BinaryReader } from "../wire/binary_protocol.ts";
import { CompactReader } from "../wire/compact_protocol.ts";
import { MessageCutter } from "../wire/transport.ts";
import { judge, type ThriftCall } from "./call.ts";
import { type CalledService, encodedArgs, ThriftHandle } from "./handle.ts";
import { shakeHands } from "./handshake.ts";
import { connectOnly, ThriftSession } from "./session.ts";

const readers = { binary: new BinaryReader(), compact: new CompactReader() };
const services = new WeakMap<UpstreamPlan, CalledService>();

/** See the module's header. */
export const thriftUpstream = {
  kind: "upstreamProtocol",
  name: "thrift",
  alpn: () => [],
  pipeline(plan) {
    // Asked for once, at the start: then an IDL that is wrong is found.
    calledService(plan);
    return plan.thrift!.multiplex;
  },
  async connect(stream, host) {
    const { plan } = host;
    const { mode } = calledService(plan);
    const reader = readers[mode.protocol];
    const cutter = new MessageCutter(plan.limits.reply, mode);
    const version = await shakeHands(stream, host, cutter, reader);
    return new ThriftSession(stream, host, {
      cutter,
      reader,
      version,
      capacity: plan.thrift!.multiplex,
      ping: pingOf(plan),
    });
  },
  judge,
  probe: (plan) => ({ request: pingOf(plan) ?? connectOnly, good: (reply) => judge(reply).ok }),
  handle: (caller, context) => new ThriftHandle(caller, context, calledService(caller.plan)),
} satisfies UpstreamProtocol<ThriftCall, unknown, Upstream>;

/** The service of an upstream, read once. Throws IdlError. */
function calledService(plan: UpstreamPlan): CalledService {
  let called = services.get(plan);
  if (!called) {
    const { idl, service, transport, protocol } = plan.thrift!;
    const mode = { framed: transport === "framed", protocol, strict: true };
    services.set(plan, called = { service: serviceCodec(loadService(idl, service)), mode });
  }
  return called;
}

/** The call of `thrift.ping`. Throws TypeError where there is no such method, or it wants arguments. */
function pingOf(plan: UpstreamPlan): ThriftCall | undefined {
  const { ping } = plan.thrift!;
  if (ping === null) return undefined;
  const { service, mode } = calledService(plan);
  const method = service.methods.get(ping);
  if (!method || method.oneway) {
    throw new TypeError(`Cannot ping: ${service.name} has no method ${ping} that answers`);
  }
  const args = encodedArgs(method, {}, mode, service.name);
  return {
    method,
    values: {},
    args,
    protocol: mode.protocol,
    id: "",
    rpcId: "",
    meta: undefined,
    onReplyMeta: undefined,
  };
}
