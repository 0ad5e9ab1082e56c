/** HTTP/1.1, HTTP/2 and WebSocket as a protocol of core/protocol.ts. */
import { Refusal } from "../../core/errors.ts";
import { isRpcId, parseBaggage, traceIdOf, validTraceparent } from "../../core/trace_context.ts";
import type { RequestInfo } from "../../core/context.ts";
import type { HttpListenerPlan } from "../../core/manifest/plan.ts";
import type { Protocol } from "../../core/protocol.ts";
import { NativeConnection } from "./native_connection.ts";
import {
  hasNativeServer,
  hasSendableFields,
  instantLength,
  instantStatus,
  rawFields,
} from "./native_server.ts";
import { nodeServer } from "./node_connection.ts";
import { farewell } from "./refusal_response.ts";
import { listenerService } from "./services.ts";
import { wrapUpgrade } from "./websockets.ts";

/** See core/protocol.ts. */
export const http = {
  kind: "protocol",
  name: "http",
  alpn: ["h2", "http/1.1"],
  native: hasNativeServer,
  async make(host, scope) {
    if (!hasNativeServer) {
      host.log.warn(
        "this runtime lacks the native HTTP hook: HTTP/1.1 over node sockets, no HTTP/2, no WebSocket",
      );
    }
    wrapUpgrade();
    host.identify = identify;
    host.statusOf = statusOf;
    host.bytesOf = instantLength;
    const service = await listenerService(host);
    const node = nodeServer(host, service, scope);
    return {
      serve(connection) {
        if (connection.stream.native) new NativeConnection(connection, host, service);
        else node(connection);
      },
      farewell,
    };
  },
} as const satisfies Protocol<HttpListenerPlan, Request, Response | Refusal>;

/** Status of an answer that can be sent; -1 for anything else, such as a Response that was sent before. */
function statusOf(answer: unknown): number {
  if (!(answer instanceof Response) || answer.bodyUsed || !hasSendableFields(answer)) return -1;
  return instantStatus(answer) || answer.status || -1;
}

/** Headers that name the caller, its request and what travels with it. What is too long or makes no sense is not taken over. */
function identify(request: Request): Partial<RequestInfo> {
  let id: string | undefined, rpcId: string | undefined, client: string | undefined;
  let traceparent: string | undefined, baggage: string | undefined;
  for (const [name, value] of rawFields(request)) {
    // Names are of any case: only what is as long as one that is looked for is looked at.
    switch (name.length) {
      case 7:
        if (name.toLowerCase() === "baggage") baggage = baggage === undefined ? value : `${baggage},${value}`;
        break;
      case 8:
        if (rpcId === undefined && name.toLowerCase() === "x-rpc-id") rpcId = value;
        break;
      case 11:
        if (traceparent === undefined && name.toLowerCase() === "traceparent") traceparent = value;
        break;
      case 12:
        if (id === undefined && name.toLowerCase() === "x-request-id") id = value;
        break;
      case 13:
        if (client === undefined && name.toLowerCase() === "x-client-name") client = value;
    }
  }
  // Most requests say nothing of themselves.
  if (!(id || rpcId || client || traceparent || baggage)) return nothingKnown;
  const trace = traceparent === undefined ? undefined : validTraceparent(traceparent);
  const meta = baggage === undefined ? undefined : parseBaggage(baggage);
  id ??= trace && traceIdOf(trace);
  return {
    ...(isPlain(id) ? { id } : {}),
    ...(rpcId !== undefined && isRpcId(rpcId) ? { rpcId } : {}),
    ...(isPlain(client) ? { client } : {}),
    ...(meta ? { meta } : {}),
    ...(trace ? { trace } : {}),
  };
}

const nothingKnown: Partial<RequestInfo> = Object.freeze({});

function isPlain(text: string | undefined): text is string {
  return typeof text === "string" && /^[\x21-\x7e]{1,128}$/.test(text);
}
