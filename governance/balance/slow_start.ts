/** Slow start: an endpoint that joins or returns gets its share bit by bit, because its caches and pools are cold. */
import type { Endpoint } from "../../core/endpoint.ts";

/** Share of its weight that an endpoint begins with (Envoy's min_weight_percent). */
const firstShare = 0.1;

/** Share of its weight that `endpoint` has now: linear from 0.1 to 1 over `slowStartMs` since it is in use. */
export function rampOf({ since }: Endpoint, slowStartMs: number, now: number): number {
  const age = now - since;
  if (!(age < slowStartMs)) return 1;
  return firstShare + (1 - firstShare) * Math.max(0, age) / slowStartMs;
}
