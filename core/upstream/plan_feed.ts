/** The endpoints that are written in the manifest, where nobody watches for others. */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { EndpointFeed } from "../endpoint.ts";
import type { Plan } from "../manifest/plan.ts";
import { createEndpointFeed } from "./endpoint_feed.ts";

/** A feed of the static endpoints of `plan`; upstreams that are discovered otherwise stay empty. */
export function planFeed(plan: Pick<Plan, "upstreams">, log: Log, clock: Clock): EndpointFeed {
  return createEndpointFeed({ plan, runtimeFolder: null, cacheFolder: null, clock, log });
}
