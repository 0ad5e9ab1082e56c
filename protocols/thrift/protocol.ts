/**
 * The protocol `thrift`: a service of a Thrift IDL that is read at start; no code is generated. Which protocol and which
 * transport a client speaks is found in its first bytes. Everything that cannot work is found here, before a port is
 * bound: an IDL that does not parse, a handler that lacks a method.
 */
import type { ThriftListenerPlan } from "../../core/manifest/plan.ts";
import type { ListenerHost, Protocol } from "../../core/protocol.ts";
import type { Service } from "../../core/service.ts";
import { nothing } from "./answer.ts";
import { exchange } from "./exchange.ts";
import { handlerOf, handlerService } from "./handler.ts";
import { healthMethod } from "./health_method.ts";
import { loadService } from "./idl/load.ts";
import { adapterFor, packed } from "./pool_adapter.ts";
import type { ThriftRequest } from "./request.ts";
import { type ServiceCodec, serviceCodec } from "./service_codec.ts";

/** The part of a listener's plan that this protocol reads. */
export type ThriftPlan = Pick<
  ThriftListenerPlan,
  "idl" | "service" | "tracking" | "handler" | "run" | "limits" | "pipeline" | "health"
>;

/** Serves Thrift. `make` throws IdlError, TypeError for what cannot work, and what loading the handler throws. */
export const thrift = {
  kind: "protocol",
  name: "thrift",
  alpn: [],
  async make(host) {
    const { plan } = host;
    const service = serviceCodec(loadService(plan.idl, plan.service));
    host.identify = (request) => request.identify();
    host.bytesOf = (reply) => reply.length;
    const setup = {
      host,
      service,
      answer: await answerOf(host, service),
      pipeline: plan.pipeline,
      maxBytes: plan.limits.message,
      tracking: plan.tracking,
      pooled: plan.run !== "inline",
      health: plan.health === null ? undefined : healthMethod(service, plan.health),
    };
    return { serve: (connection) => exchange(connection, setup) };
  },
} as const satisfies Protocol<ThriftPlan, ThriftRequest, Uint8Array>;

async function answerOf(
  host: ListenerHost<ThriftPlan, ThriftRequest, Uint8Array>,
  service: ServiceCodec,
): Promise<Service<ThriftRequest, Uint8Array>> {
  const { plan } = host;
  const { idl, run, handler, health } = plan;
  if (run !== "inline") {
    const call = host.onPool(run, adapterFor(idl, plan.service, health), handler);
    return async (request, context) => {
      const reply: Uint8Array = await call(packed(request), context.signal, context.deadline);
      return request.method.oneway ? nothing : reply;
    };
  }
  const place = `\`${handler.export}\` of ${handler.module}`;
  const loaded = await host.load(handler);
  return handlerService(handlerOf(loaded, place, service, health === null ? [] : [health]));
}
