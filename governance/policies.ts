/** The policies of upstreams as one value: what a worker builds the stack of each upstream from, beside its protocol. */
import type { UpstreamParts } from "../core/upstream/contract.ts";
import { makeSelector } from "./balance/mod.ts";
import { makeBreakers } from "./breaker/mod.ts";
import { makeHealth } from "./health/mod.ts";
import { makeHedge } from "./hedge/mod.ts";
import { makeRetry } from "./retry/mod.ts";
import { makeThrottle } from "./throttle/mod.ts";

/** All of them. */
export const policies: Omit<UpstreamParts, "protocols"> = {
  selector: makeSelector,
  health: makeHealth,
  retry: makeRetry,
  hedge: makeHedge,
  breakers: makeBreakers,
  throttle: makeThrottle,
};
