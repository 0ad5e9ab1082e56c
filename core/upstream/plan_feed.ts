/** The endpoints that are written in the manifest: all there at once, never changing. */
import type { EndpointFeed, EndpointSpec } from "../endpoint.ts";
import type { Address, Plan } from "../manifest/plan.ts";

/** A feed of the static endpoints of `plan`; upstreams that are discovered otherwise stay empty. */
export function planFeed(plan: Pick<Plan, "upstreams">): EndpointFeed {
  return {
    watch(upstream, onChange) {
      const declared = plan.upstreams[upstream]?.discover.static ?? [];
      const added = declared.map((one): EndpointSpec => ({ ...one, address: textOf(one.address) }));
      const state = { source: "static", updatedAt: Date.now(), error: "", cached: false };
      onChange({ added, removed: [], changed: [] }, state);
      return () => {};
    },
  };
}

function textOf(address: Address): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return `${host}:${address.port}`;
}
