/** The pools of threads: what they may do, and every `weir_pool_*` figure of each. */

import { type Cell, cell, type Table, type Value } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { smallestShown } from "../recent_latency.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";

export const pools = {
  method: "GET",
  path: "/pools",
  title: "Pools",
  summary: "Pools of threads: declared limits, and what the threads did.",
  tier: "read",
  nav: true,
  render(sight) {
    const series = new SeriesIndex(sight.series());
    return { title: "Pools", sections: [declared(sight), figures(sight, series)] };
  },
} satisfies Endpoint;

function declared({ plan }: Sight): Table {
  return {
    kind: "table",
    key: "pools",
    title: "Declared, per worker",
    columns: [
      { key: "name", label: "Name" },
      { key: "kind", label: "Kind" },
      { key: "threads", label: "Threads", as: "count" },
      { key: "queue", label: "Queue", as: "count" },
      { key: "heapBytes", label: "Heap of a thread", as: "bytes" },
      { key: "timeoutMs", label: "Timeout", as: "duration" },
    ],
    rows: Object.entries(plan.pools).map(([name, pool]) =>
      [name, pool.kind, pool.threads, pool.queue, pool.heap, pool.timeout] as Value[]
    ),
    empty: "The manifest declares no pools.",
  };
}

function figures(sight: Sight, series: SeriesIndex): Table {
  const rows: Value[][] = [];
  for (const name of series.names("weir_pool_")) {
    for (const one of series.all(name)) {
      const { pool = "", ...others } = one.labels;
      const window = sight.recentLatency(one);
      const trend = sight.trend(one);
      rows.push([
        pool,
        name,
        Object.entries(others).map(([label, value]) => `${label}=${value}`).join(" "),
        one.value,
        cell(one.kind === "gauge" ? null : trend.ratePerSecond),
        window ? window.quantile(0.5) : null,
        window ? window.quantile(0.99) : null,
        sinceStart(one.distribution, 0.99),
        cell(trend.points, "history"),
      ]);
    }
  }
  rows.sort((a, b) => String(a[0]).localeCompare(String(b[0])) || String(a[1]).localeCompare(String(b[1])));
  return {
    kind: "table",
    key: "figures",
    title: "Figures",
    note: "p50 and p99 are of the last minute.",
    columns: [
      { key: "pool", label: "Pool" },
      { key: "series", label: "Series", as: "code" },
      { key: "labels", label: "Labels", as: "code" },
      { key: "value", label: "Value", as: "count" },
      { key: "perSecond", label: "Rate", as: "rate" },
      { key: "p50Ms", label: "p50", as: "duration" },
      { key: "p99Ms", label: "p99", as: "duration" },
      { key: "p99TotalMs", label: "p99 since start", as: "duration" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows,
    empty: "No pool has counted anything yet.",
  };
}

function sinceStart(
  distribution: { count: number; quantile(q: number): number } | undefined,
  q: number,
): Cell {
  return cell(distribution && distribution.count >= smallestShown(q) ? distribution.quantile(q) : null);
}
