/** What a request hashes to, where the upstream's balancer is a ring: `balance: { ringHash: { key } }`. */
import type { Context } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { HttpRequest } from "../client/message.ts";

/** Undefined where nothing is hashed; the function's undefined where this request has nothing to go by. */
export function keyMaker(
  balance: UpstreamPlan["balance"],
): ((request: HttpRequest, context: Context) => string | undefined) | undefined {
  if (typeof balance === "string") return undefined;
  const { key } = balance.ringHash;
  if (key === "address") return (_, context) => context.request.address;
  if (key === "client") return (_, context) => context.request.client;
  if (key === "path") return (request) => request.target.split("?", 1)[0];
  const name = key.slice("header:".length).toLowerCase();
  if (name === "host") return (request) => request.host;
  return ({ headers }) => {
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
    return undefined;
  };
}
