/** HTTP/1.1 and HTTP/2 as upstreams speak them: a protocol of core/upstream/contract.ts. */
import type { Upstream } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { UpstreamProtocol, Verdict } from "../../../core/upstream/contract.ts";
import { HttpHandle } from "./handle.ts";
import { connectHttp2, maxStreams } from "./http2_session.ts";
import type { HttpReply, HttpRequest } from "./message.ts";
import { retryAfterMs } from "./retry_after.ts";
import { HttpSession } from "./session.ts";

/** See core/upstream/contract.ts. */
export const httpUpstream: UpstreamProtocol<HttpRequest, HttpReply, Upstream> = {
  kind: "upstreamProtocol",
  name: "http",
  alpn: (plan) => plan.http2 ? ["h2"] : ["http/1.1"],
  pipeline: (plan) => plan.http2 ? maxStreams : undefined,
  connect: (stream, host) => host.plan.http2 ? connectHttp2(stream, host) : new HttpSession(stream, host),
  judge,
  discard({ body, upgraded }) {
    upgraded?.stream.close();
    if (body instanceof ReadableStream && !body.locked) body.cancel().catch(() => {});
  },
  probe: (plan) => ({ request: probeRequest(plan), good: ({ status }) => status >= 200 && status <= 399 }),
  handle: (caller, context) => new HttpHandle(caller, context, undefined),
};

/** 5xx is a failure of the upstream; when to come back counts for those, and for 429. */
function judge({ status, headers }: HttpReply): Verdict {
  const ok = status < 500;
  return { ok, status, retryAfterMs: ok && status !== 429 ? 0 : retryAfterMs(headers, Date.now()) };
}

function probeRequest({ health }: UpstreamPlan): HttpRequest {
  return {
    method: "GET",
    target: health.probe?.path ?? "/",
    host: "",
    headers: ["user-agent", "weir-probe", "accept", "*/*"],
    body: null,
    bodyBytes: -1,
  };
}
