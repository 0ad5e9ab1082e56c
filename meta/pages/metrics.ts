/** All series for Prometheus, with what the operating system says of each process. */

import type { Endpoint } from "../endpoint.ts";
import { processMetrics } from "../process_metrics.ts";
import { streamMetrics } from "../stream_metrics.ts";

export const metrics = {
  method: "GET",
  path: "/metrics",
  title: "Metrics",
  summary: "All statistics in the Prometheus text format 0.0.4, and figures of each process and stream.",
  tier: "read",
  nav: true,
  render(sight) {
    const text = sight.prometheus() + streamMetrics(sight) + processMetrics(sight);
    return {
      title: "Metrics",
      sections: [{ kind: "block", key: "metrics", title: "", text }],
      plain: { contentType: "text/plain; version=0.0.4; charset=utf-8", text },
    };
  },
} satisfies Endpoint;
