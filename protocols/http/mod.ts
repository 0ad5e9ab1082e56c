/** HTTP/1.1, HTTP/2 and WebSocket as a protocol of core/protocol.ts. */
import { Refusal } from "../../core/errors.ts";
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

/** Headers that name the caller and its request. Too long or unprintable ids are not taken over. */
function identify(request: Request): Partial<RequestInfo> {
  let id: string | undefined, trace: string | undefined, client: string | undefined;
  for (const [name, value] of rawFields(request)) {
    // Names are of any case: only what is as long as one that is looked for is looked at.
    if (name.length === 12 && id === undefined && name.toLowerCase() === "x-request-id") id = value;
    else if (name.length === 11 && trace === undefined && name.toLowerCase() === "traceparent") {
      trace = value.split("-")[1];
    } else if (name.length === 13 && client === undefined && name.toLowerCase() === "x-client-name") {
      client = value;
    }
  }
  id ??= trace;
  return { ...(isPlain(id) ? { id } : {}), ...(isPlain(client) ? { client } : {}) };
}

function isPlain(text: string | undefined): text is string {
  return typeof text === "string" && /^[\x21-\x7e]{1,128}$/.test(text);
}
