/**
 * Figures of streams in the Prometheus text format: all of a stream come from one reading of its shipper's row, so
 * `sent = acked + failed + dropped + queued` holds in every scrape. What workers count are series of their own.
 */

import type { WorkerStream } from "../core/stats/mod.ts";
import type { Sight } from "./sight.ts";
import { figuresOf } from "./stream_rows.ts";

interface Family {
  name: string;
  type: "gauge" | "counter";
  help: string;
  value(figures: WorkerStream, now: number): number;
}

const families: readonly Family[] = [
  {
    name: "weir_stream_sent_total",
    type: "counter",
    help: "Records that the spool took, since it was made: acked + failed + dropped + queued",
    value: ({ sent }) => sent,
  },
  {
    name: "weir_stream_acked_total",
    type: "counter",
    help: "Records that the sink acknowledged",
    value: ({ acked }) => acked,
  },
  {
    name: "weir_stream_failed_total",
    type: "counter",
    help: "Records in the dead-letter file, and damaged ones",
    value: ({ failed }) => failed,
  },
  {
    name: "weir_stream_dropped_total",
    type: "counter",
    help: "Records given up for newer ones because the spool was full",
    value: ({ dropped }) => dropped,
  },
  {
    name: "weir_stream_queued",
    type: "gauge",
    help: "Records that wait, those in flight among them",
    value: ({ queued }) => queued,
  },
  {
    name: "weir_stream_queued_bytes",
    type: "gauge",
    help: "Bytes of the spool's files",
    value: ({ queuedBytes }) => queuedBytes,
  },
  {
    name: "weir_stream_oldest_seconds",
    type: "gauge",
    help: "How long the oldest record has waited; 0 where none does",
    value: ({ oldestAt }, now) => oldestAt === 0 ? 0 : Math.max(0, now - oldestAt) / 1000,
  },
  {
    name: "weir_stream_inflight",
    type: "gauge",
    help: "Records of the batch that is on its way",
    value: ({ inflight }) => inflight,
  },
  {
    name: "weir_stream_retries_total",
    type: "counter",
    help: "Batches that were sent again",
    value: ({ retries }) => retries,
  },
  {
    name: "weir_stream_damaged_bytes_total",
    type: "counter",
    help: "Bytes of the spool that could not be read",
    value: ({ damagedBytes }) => damagedBytes,
  },
  {
    name: "weir_stream_lanes",
    type: "gauge",
    help: "Lanes of the spool that have records, or a living writer",
    value: ({ lanes }) => lanes,
  },
  {
    name: "weir_stream_figures_age_seconds",
    type: "gauge",
    help: "Since the shipper told these figures: it hangs or is gone where this grows",
    value: ({ at }, now) => Math.max(0, now - at) / 1000,
  },
];

/** The text, to be put behind that of the shared series; empty where no stream has figures. */
export function streamMetrics(sight: Sight): string {
  const rows = sight.streams();
  const told = Object.keys(sight.plan.streams).map((name) => figuresOf(rows, name)).filter((row) =>
    row !== undefined
  );
  if (told.length === 0) return "";
  return families.map(({ name, type, help, value }) => {
    const samples = told.map((row) => `${name}{stream="${row.stream}"} ${value(row, sight.now)}\n`);
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.join("")}`;
  }).join("");
}
