/** Endpoints that stand in the manifest. Workers take them from the plan; this is the same as a source like the others. */
import { staticSpecs } from "../../core/upstream/endpoint_feed_source.ts";
import type { Discovery } from "./discovery.ts";

/** `discover: { static: […] }`. */
export const staticDiscovery = {
  kind: "discovery",
  name: "static",
  make: (host) => host.publish(staticSpecs(host.plan)),
} as const satisfies Discovery;
