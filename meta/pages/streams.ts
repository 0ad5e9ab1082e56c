/** The streams of the service: where each goes, how far behind it is, what was lost, and how its shipper is. */

import { cell, type Table, type Value } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import { streamStateTexts, type StreamView, streamViews } from "../stream_view.ts";

export const streams = {
  method: "GET",
  path: "/streams",
  title: "Streams",
  summary: "Streams: sink, rates in and out, what waits and for how long, what failed, the last error.",
  tier: "read",
  nav: true,
  render(sight) {
    const series = new SeriesIndex(sight.series());
    const views = streamViews(sight, series);
    const sections = [streamTable(sight, series, views), counts(sight, views), problems(sight, views)];
    return { title: "Streams", sections: [...sections, refusals(sight, series, views)] };
  },
} satisfies Endpoint;

/** One row per declared stream: how it goes now. */
export function streamTable(
  sight: Sight,
  series: SeriesIndex,
  views: readonly StreamView[] = streamViews(sight, series),
): Table {
  return {
    kind: "table",
    key: "streams",
    title: "Streams",
    note: "Waiting records are on disk. Those in flight are among them.",
    columns: [
      { key: "name", label: "Name" },
      { key: "sink", label: "Sink" },
      { key: "target", label: "To", as: "code" },
      { key: "state", label: "State" },
      { key: "inPerSecond", label: "In", as: "rate" },
      { key: "inHistory", label: "Last minute", as: "history" },
      { key: "outPerSecond", label: "Out", as: "rate" },
      { key: "outHistory", label: "Last minute", as: "history" },
      { key: "queued", label: "Waiting", as: "count" },
      { key: "oldestMs", label: "Oldest", as: "duration" },
      { key: "queuedBytes", label: "On disk", as: "bytes" },
      { key: "full", label: "Of the spool", as: "share" },
      { key: "inflight", label: "In flight", as: "count" },
      { key: "shipper", label: "Shipper" },
    ],
    rows: views.map(row),
    empty: "The manifest declares no streams.",
  };
}

function row(view: StreamView): Value[] {
  const { name, figures, state, incoming, outgoing, full } = view;
  const { text = null, tone } = state ? streamStateTexts[state] : {};
  return [
    cell(name, "text", { href: "/streams" }),
    view.sink,
    view.target,
    cell(text, "text", { tone }),
    cell(incoming.ratePerSecond),
    cell(incoming.points, "history"),
    cell(outgoing.ratePerSecond),
    cell(outgoing.points, "history"),
    cell(figures?.queued ?? null),
    cell(view.oldestMs),
    cell(figures?.queuedBytes ?? null),
    cell(full, "share", { tone: full === null || full <= 0.8 ? undefined : full < 1 ? "warn" : "bad" }),
    cell(figures?.inflight ?? null),
    cell(view.shipper === "" ? "ok" : view.shipper, "text", { tone: view.shipper === "" ? "good" : "bad" }),
  ];
}

function counts(sight: Sight, views: readonly StreamView[]): Table {
  return {
    kind: "table",
    key: "records",
    title: "Records",
    note:
      "Every record that the spool took is in one place: sent = acknowledged + failed + dropped + waiting, at any " +
      "moment. Sent counts since the spool was made; written and refused since the service started.",
    columns: [
      { key: "name", label: "Name" },
      { key: "sent", label: "Sent", as: "count" },
      { key: "acked", label: "Acknowledged", as: "count" },
      { key: "failed", label: "Failed", as: "count" },
      { key: "dropped", label: "Dropped", as: "count" },
      { key: "queued", label: "Waiting", as: "count" },
      { key: "written", label: "Written by workers", as: "count" },
      { key: "refused", label: "Refused to workers", as: "count" },
      { key: "retries", label: "Batches retried", as: "count" },
      { key: "lanes", label: "Lanes", as: "count" },
      { key: "damagedBytes", label: "Damaged", as: "bytes" },
      { key: "ackedAgoMs", label: "Last acknowledged", as: "duration" },
      { key: "ageMs", label: "Told", as: "duration" },
    ],
    rows: views.map(({ name, figures, written, refused, ageMs }) => [
      name,
      cell(figures?.sent ?? null),
      cell(figures?.acked ?? null),
      bad(figures?.failed),
      bad(figures?.dropped),
      cell(figures?.queued ?? null),
      cell(written),
      cell(refused, "count", { tone: refused ? "bad" : undefined }),
      cell(figures?.retries ?? null),
      cell(figures?.lanes ?? null),
      cell(figures?.damagedBytes ?? null, "bytes", { tone: figures?.damagedBytes ? "bad" : undefined }),
      since(sight, figures?.ackedAt ?? 0),
      cell(ageMs),
    ]),
    empty: "The manifest declares no streams.",
  };
}

function bad(count: number | undefined) {
  return cell(count ?? null, "count", { tone: count ? "bad" : undefined });
}

function problems(sight: Sight, views: readonly StreamView[]): Table {
  return {
    kind: "table",
    key: "errors",
    title: "Last failures",
    columns: [
      { key: "name", label: "Name" },
      { key: "error", label: "Failure" },
      { key: "errorAgeMs", label: "Ago", as: "duration" },
    ],
    rows: views.filter(({ error }) => error !== "").map(({ name, error, errorAt }) => [
      name,
      error,
      since(sight, errorAt),
    ]),
    empty: "No shipper has told of one.",
  };
}

function refusals(sight: Sight, series: SeriesIndex, views: readonly StreamView[]): Table {
  const found = views.flatMap(({ name }) => series.all("weir_stream_refused_total", { stream: name }));
  return {
    kind: "table",
    key: "refused",
    title: "Refused to workers, by reason",
    columns: [
      { key: "name", label: "Name" },
      { key: "reason", label: "Reason", as: "code" },
      { key: "total", label: "Total", as: "count" },
      { key: "perSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: found.filter(({ value }) => value > 0).map((one) => {
      const { ratePerSecond, points } = sight.trend(one);
      return [
        one.labels.stream ?? "",
        one.labels.reason ?? null,
        one.value,
        cell(ratePerSecond),
        cell(points, "history"),
      ];
    }),
    empty: "None was refused.",
  };
}

function since({ now }: Sight, at: number) {
  return cell(at === 0 ? null : Math.max(0, now - at));
}
