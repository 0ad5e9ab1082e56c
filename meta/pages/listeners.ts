/** All listeners of the service, a row each. */

import type { ListenerPlan } from "../../core/manifest/plan.ts";
import { cell, type Table, type Value } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { addressesOf, latencyOf, listenerFigures, listenerPath } from "../listener_figures.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";

/** One row per declared listener. */
export function listenerTable(sight: Sight, series: SeriesIndex): Table {
  return {
    kind: "table",
    key: "listeners",
    title: "Listeners",
    columns: [
      { key: "name", label: "Name" },
      { key: "protocol", label: "Protocol" },
      { key: "addresses", label: "Listens on", as: "code" },
      { key: "requestsPerSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
      { key: "requests", label: "Requests", as: "count" },
      { key: "failedPerSecond", label: "Failing", as: "rate" },
      { key: "p50Ms", label: "p50", as: "duration" },
      { key: "p99Ms", label: "p99", as: "duration" },
      { key: "inFlight", label: "In flight", as: "count" },
      { key: "concurrencyLimit", label: "Limit", as: "count" },
      { key: "queueDepth", label: "Queue", as: "count" },
      { key: "connectionsOpen", label: "Connections", as: "count" },
    ],
    rows: Object.entries(sight.plan.listeners).map(([name, plan]) => listenerRow(sight, series, name, plan)),
    empty: "The manifest declares no listeners.",
  };
}

function listenerRow(sight: Sight, series: SeriesIndex, name: string, plan: ListenerPlan): Value[] {
  const figures = listenerFigures(sight, series, name);
  const recent = latencyOf(sight, series, name);
  return [
    cell(name, "text", { href: listenerPath(name) }),
    plan.protocol,
    addressesOf(sight, name),
    cell(figures.requestsPerSecond),
    cell(figures.history, "history"),
    cell(figures.requests),
    cell(figures.failedPerSecond, "rate", { tone: figures.failedPerSecond ? "bad" : undefined }),
    cell(recent?.quantile(0.5) ?? null),
    cell(recent?.quantile(0.99) ?? null),
    cell(figures.inFlight),
    cell(figures.concurrencyLimit),
    cell(figures.queueDepth, "count", { tone: figures.queueDepth ? "warn" : undefined }),
    cell(figures.connectionsOpen),
  ];
}

export const listeners = {
  method: "GET",
  path: "/listeners",
  title: "Listeners",
  summary: "Every listener: rate, latency of the last minute, failures, queue, connections.",
  tier: "read",
  nav: true,
  render: (sight) => ({
    title: "Listeners",
    sections: [listenerTable(sight, new SeriesIndex(sight.series()))],
  }),
} satisfies Endpoint;
