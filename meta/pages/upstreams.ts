/** All upstreams of the service, a row each. */

import { cell, type Table, type Value } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import {
  discoveryAgeMs,
  discoveryProblem,
  upstreamPath,
  type UpstreamView,
  upstreamViews,
} from "../upstream_view.ts";

/** One row per declared upstream. */
export function upstreamTable(sight: Sight, series: SeriesIndex): Table {
  return {
    kind: "table",
    key: "upstreams",
    title: "Upstreams",
    note: "An endpoint counts as usable when every worker can use it. p50 and p99 are of the last minute.",
    columns: [
      { key: "name", label: "Name" },
      { key: "protocol", label: "Protocol" },
      { key: "usable", label: "Usable", as: "count" },
      { key: "endpoints", label: "Of", as: "count" },
      { key: "callsPerSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
      { key: "failedPerSecond", label: "Failing", as: "rate" },
      { key: "p50Ms", label: "p50", as: "duration" },
      { key: "p99Ms", label: "p99", as: "duration" },
      { key: "inFlight", label: "In flight", as: "count" },
      { key: "throttleWaiting", label: "Throttled", as: "count" },
      { key: "retriesLeft", label: "Retries left", as: "count" },
      { key: "breakers", label: "Breakers" },
      { key: "panic", label: "Panic" },
      { key: "source", label: "Endpoints from", as: "code" },
      { key: "ageMs", label: "Age", as: "duration" },
      { key: "problem", label: "Discovery" },
    ],
    rows: upstreamViews(sight, series).map((view) => row(sight, view)),
    empty: "The manifest declares no upstreams.",
  };
}

function row(sight: Sight, view: UpstreamView): Value[] {
  const { plan, latency, endpoints, usable, failedPerSecond, workers } = view;
  const problem = discoveryProblem(view);
  const silent = workers.length === 0;
  return [
    cell(view.name, "text", { href: upstreamPath(view.name) }),
    plan.protocol,
    cell(silent ? null : usable, "count", { tone: usableTone(view) }),
    cell(silent ? null : endpoints.length),
    cell(view.callsPerSecond),
    cell(view.history, "history"),
    cell(failedPerSecond, "rate", { tone: failedPerSecond ? "bad" : undefined }),
    cell(latency?.quantile(0.5) ?? null),
    cell(latency?.quantile(0.99) ?? null),
    cell(view.inFlight),
    cell(plan.throttle === null ? null : view.throttleWaiting, "count", {
      tone: view.throttleWaiting > 0 ? "warn" : undefined,
    }),
    cell(view.retryLeft === null ? null : Math.floor(view.retryLeft)),
    breakerCell(view),
    panicCell(view),
    view.source,
    cell(discoveryAgeMs(view, sight.now)),
    cell(silent ? null : problem === "" ? "ok" : problem, "text", {
      tone: problem === "" ? undefined : "warn",
    }),
  ];
}

function usableTone({ endpoints, usable, workers }: UpstreamView): "good" | "warn" | "bad" | undefined {
  if (workers.length === 0) return undefined;
  if (usable === 0) return "bad";
  return usable < endpoints.length ? "warn" : "good";
}

/** The breakers of an upstream in a few words. */
export function breakerCell({ plan, breakers, workers }: UpstreamView) {
  if (plan.breaker === null || workers.length === 0) return cell(null);
  return cell(breakers === "" ? "closed" : breakers, "text", { tone: breakers === "" ? undefined : "bad" });
}

/** Whether health is ignored. */
export function panicCell({ panicking, workers }: UpstreamView) {
  if (workers.length === 0) return cell(null);
  const text = panicking === 0
    ? "no"
    : panicking === workers.length
    ? "yes"
    : `${panicking} of ${workers.length} workers`;
  return cell(text, "text", { tone: panicking > 0 ? "bad" : undefined });
}

export const upstreams = {
  method: "GET",
  path: "/upstreams",
  title: "Upstreams",
  summary: "All upstreams: endpoints, rate, latency, failures, breakers, retry budget, discovery.",
  tier: "read",
  nav: true,
  render(sight) {
    const series = new SeriesIndex(sight.series());
    return { title: "Upstreams", sections: [upstreamTable(sight, series)] };
  },
} satisfies Endpoint;
