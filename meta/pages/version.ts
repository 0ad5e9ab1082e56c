/** What exactly runs here. */

import { cell } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";

export const version = {
  method: "GET",
  path: "/version",
  title: "Version",
  summary: "Versions of the service, of Weir and of the runtime.",
  tier: "read",
  nav: true,
  render: ({ plan, state, startedAt }) => ({
    title: "Version",
    sections: [{
      kind: "facts",
      key: "version",
      title: "",
      facts: [
        { key: "service", label: "Service", value: plan.service },
        { key: "serviceVersion", label: "Its version", value: plan.version ?? null },
        { key: "cluster", label: "Cluster", value: plan.cluster },
        { key: "generation", label: "Generation", value: state.generation },
        { key: "manifest", label: "Manifest", value: cell(plan.file, "code") },
        { key: "weir", label: "Weir", value: state.weir },
        { key: "deno", label: "Deno", value: Deno.version.deno },
        { key: "v8", label: "V8", value: Deno.version.v8 },
        { key: "typescript", label: "TypeScript", value: Deno.version.typescript },
        { key: "target", label: "Target", value: Deno.build.target },
        { key: "host", label: "Host", value: Deno.hostname() },
        { key: "governorStartedAt", label: "Governor started", value: cell(startedAt, "time") },
      ],
    }],
  }),
} satisfies Endpoint;
