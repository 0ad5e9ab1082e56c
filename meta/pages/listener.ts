/** One listener: every reason, latency, queue and connection figure. */

import { reasons } from "../../core/reasons.ts";
import type { ListenerPlan } from "../../core/manifest/plan.ts";
import type { Distribution, Series } from "../../core/stats/mod.ts";
import {
  cell,
  type Document,
  type Facts,
  type Section,
  type Table,
  type Tone,
  type Value,
} from "../document.ts";
import { complaint, type Endpoint } from "../endpoint.ts";
import { addressesOf, isFailure, latencyOf, listenerFigures, listenerPath } from "../listener_figures.ts";
import { smallestShown } from "../recent_latency.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import { kafkaSections } from "./kafka_listener.ts";

export const listener = {
  method: "GET",
  path: "/listeners/:name",
  title: "Listener",
  summary: "One listener: requests by reason, latency, queue, concurrency, connections.",
  tier: "read",
  paths: ({ plan }) => Object.keys(plan.listeners).map(listenerPath),
  render(sight, { params }) {
    const name = params.name!;
    if (!Object.hasOwn(sight.plan.listeners, name)) {
      const known = Object.keys(sight.plan.listeners).join(", ");
      return complaint(
        404,
        "No such listener",
        `There is no listener ${JSON.stringify(name)}. There are: ${known}.`,
      );
    }
    return page(sight, name, sight.plan.listeners[name]!);
  },
} satisfies Endpoint;

function page(sight: Sight, name: string, plan: ListenerPlan): Document {
  const series = new SeriesIndex(sight.series());
  return {
    title: `Listener ${name}`,
    sections: [
      now(sight, series, name, plan),
      latency(sight, series, name),
      byReason(sight, series, {
        key: "requests",
        title: "Requests by reason",
        metric: "weir_requests_total",
        listener: name,
        empty: "No request has ended yet.",
      }),
      ...plan.protocol === "kafka"
        ? kafkaSections(sight, series, name, plan)
        : connectionSections(sight, series, name),
      byWorker(sight, name),
    ],
  };
}

function connectionSections(sight: Sight, series: SeriesIndex, name: string): Section[] {
  return [
    connections(sight, series, name),
    byReason(sight, series, {
      key: "connectionsClosed",
      title: "Connections closed, by reason",
      metric: "weir_connections_closed_total",
      listener: name,
      empty: "No connection has been closed yet.",
    }),
    byReason(sight, series, {
      key: "connectionsRefused",
      title: "Connections refused, by reason",
      metric: "weir_connections_refused_total",
      listener: name,
      empty: "None was refused.",
    }),
  ];
}

function now(sight: Sight, series: SeriesIndex, name: string, plan: ListenerPlan): Facts {
  const figures = listenerFigures(sight, series, name);
  const waiting = figures.queueWait;
  const code = "handler" in plan ? plan.handler : undefined;
  return {
    kind: "facts",
    key: "now",
    title: "Now",
    facts: [
      { key: "protocol", label: "Protocol", value: plan.protocol },
      { key: "addresses", label: "Listens on", value: cell(addressesOf(sight, name), "code") },
      {
        key: "handler",
        label: "Handler",
        value: cell(code ? `${code.module}#${code.export}` : null, "code"),
      },
      { key: "run", label: "Runs on", value: "run" in plan ? plan.run : null },
      {
        key: "deadlineMs",
        label: "Deadline",
        value: cell("deadline" in plan ? plan.deadline : null, "duration"),
      },
      { key: "requestsPerSecond", label: "Requests", value: cell(figures.requestsPerSecond, "rate") },
      { key: "history", label: "Requests, last minute", value: cell(figures.history, "history") },
      { key: "failedPerSecond", label: "Failing", value: rateCell(figures.failedPerSecond) },
      { key: "failed", label: "Failed since start", value: cell(figures.failed, "count") },
      {
        key: "inFlight",
        label: "In flight",
        value: cell(figures.inFlight, "count", { href: `/inflight?listener=${encodeURIComponent(name)}` }),
      },
      { key: "concurrencyLimit", label: "Concurrency limit", value: cell(figures.concurrencyLimit, "count") },
      { key: "queueDepth", label: "Waiting in the queue", value: cell(figures.queueDepth, "count") },
      { key: "queueLimit", label: "Queue limit, all workers", value: cell(figures.queueLimit, "count") },
      { key: "queueWaitP50Ms", label: "Queue wait p50, since start", value: quantile(waiting, 0.5) },
      { key: "queueWaitP99Ms", label: "Queue wait p99, since start", value: quantile(waiting, 0.99) },
    ],
  };
}

function rateCell(rate: number | null) {
  return cell(rate, "rate", { tone: rate ? "bad" : undefined });
}

/** A quantile, unless there are too few values for it to mean anything. */
function quantile(distribution: Distribution | undefined, q: number) {
  const enough = distribution !== undefined && distribution.count >= smallestShown(q);
  return cell(enough ? distribution.quantile(q) : null, "duration");
}

function latency(sight: Sight, series: SeriesIndex, listener: string): Table {
  const total = series.one("weir_request_duration_seconds", { listener })?.distribution;
  const recent = latencyOf(sight, series, listener);
  const shares = [0.5, 0.9, 0.99, 0.999];
  const rows: Value[][] = [];
  if (recent && recent.count > 0) {
    rows.push(["last minute", recent.count, ...shares.map((q) => recent.quantile(q)), null, null]);
  }
  if (total && total.count > 0) {
    rows.push(["since start", total.count, ...shares.map((q) => quantile(total, q)), total.max, total.mean]);
  }
  return {
    kind: "table",
    key: "latency",
    title: "Latency",
    note: "A percentile is left out while there are too few requests for it.",
    columns: [
      { key: "window", label: "Window" },
      { key: "count", label: "Requests", as: "count" },
      { key: "p50Ms", label: "p50", as: "duration" },
      { key: "p90Ms", label: "p90", as: "duration" },
      { key: "p99Ms", label: "p99", as: "duration" },
      { key: "p999Ms", label: "p99.9", as: "duration" },
      { key: "maxMs", label: "Max", as: "duration" },
      { key: "meanMs", label: "Mean", as: "duration" },
    ],
    rows,
    empty: "No request has been measured yet.",
  };
}

interface ReasonTable {
  key: string;
  title: string;
  metric: string;
  listener: string;
  empty: string;
}

function byReason(
  sight: Sight,
  index: SeriesIndex,
  { key, title, metric, listener, empty }: ReasonTable,
): Table {
  const found = index.all(metric, { listener }).filter((one) => one.value > 0).sort((a, b) =>
    b.value - a.value
  );
  return {
    kind: "table",
    key,
    title,
    columns: [
      { key: "reason", label: "Reason", as: "code" },
      { key: "party", label: "Who" },
      { key: "text", label: "Meaning" },
      { key: "total", label: "Total", as: "count" },
      { key: "perSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: found.map((one) => reasonRow(sight, one)),
    empty,
  };
}

function reasonRow(sight: Sight, one: Series): Value[] {
  const reason = one.labels.reason ?? "";
  const row = Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons] : undefined;
  const trend = sight.trend(one);
  const tone: Tone | undefined = reason === "ok" ? "good" : isFailure(reason) ? "bad" : undefined;
  return [
    cell(reason, "code", { tone }),
    row?.party ?? null,
    row?.text ?? null,
    one.value,
    cell(trend.ratePerSecond),
    cell(trend.points, "history"),
  ];
}

function connections(sight: Sight, series: SeriesIndex, name: string): Facts {
  const labels = { listener: name };
  const open = series.sum("weir_connections_open", labels);
  const delay = series.one("weir_accept_delay_seconds", labels)?.distribution;
  const errors = series.sum("weir_accept_errors_total", labels);
  const href = `/connections?listener=${encodeURIComponent(name)}`;
  const opened = series.one("weir_connections_accepted_total", labels);
  return {
    kind: "facts",
    key: "connections",
    title: "Connections",
    facts: [
      { key: "open", label: "Open", value: cell(open, "count", { href }) },
      { key: "accepted", label: "Accepted", value: cell(opened?.value ?? null, "count") },
      {
        key: "acceptedPerSecond",
        label: "New",
        value: cell(opened ? sight.trend(opened).ratePerSecond : null, "rate"),
      },
      {
        key: "refused",
        label: "Refused",
        value: cell(series.sum("weir_connections_refused_total", labels), "count"),
      },
      {
        key: "acceptErrors",
        label: "Accept errors",
        value: cell(errors, "count", { tone: errors ? "bad" : undefined }),
      },
      {
        key: "acceptQueueDepth",
        label: "Waiting in the kernel",
        value: cell(series.sum("weir_accept_queue_depth", labels), "count"),
      },
      { key: "acceptDelayP99Ms", label: "Accept delay p99, since start", value: quantile(delay, 0.99) },
      {
        key: "clientsDistinct",
        label: "Distinct clients",
        value: cell(series.sum("weir_clients_distinct", labels), "count"),
      },
    ],
  };
}

function byWorker(sight: Sight, listener: string): Table {
  const index = new SeriesIndex(sight.seriesPerWorker());
  const workers = new Map<string, SeriesIndex>();
  for (const one of index.all("weir_requests_total", { listener })) {
    const worker = one.worker ?? "";
    if (workers.has(worker)) continue;
    workers.set(worker, new SeriesIndex(sight.seriesPerWorker().filter((other) => other.worker === worker)));
  }
  return {
    kind: "table",
    key: "workers",
    title: "By worker, since start",
    columns: [
      { key: "worker", label: "Worker", as: "code" },
      { key: "requests", label: "Requests", as: "count" },
      { key: "p50Ms", label: "p50", as: "duration" },
      { key: "p99Ms", label: "p99", as: "duration" },
      { key: "inFlight", label: "In flight", as: "count" },
      { key: "queueDepth", label: "Queue", as: "count" },
      { key: "connectionsOpen", label: "Connections", as: "count" },
    ],
    rows: [...workers].map(([worker, own]) => {
      const duration = own.one("weir_request_duration_seconds", { listener })?.distribution;
      return [
        worker,
        own.sum("weir_requests_total", { listener }),
        quantile(duration, 0.5),
        quantile(duration, 0.99),
        own.sum("weir_requests_in_flight", { listener }),
        own.sum("weir_queue_depth", { listener }),
        own.sum("weir_connections_open", { listener }),
      ];
    }),
    empty: "No worker has counted anything yet.",
  };
}
