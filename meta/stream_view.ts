/**
 * One stream as its shipper and the workers see it, put together from the shipper's row and the workers' series. Pure;
 * null means "nobody has counted that yet".
 */

import type { StreamPlan } from "../core/manifest/plan.ts";
import type { WorkerStream } from "../core/stats/mod.ts";
import type { StreamStateName } from "../core/stream/contract.ts";
import type { Tone } from "./document.ts";
import { formatDuration } from "./format_value.ts";
import { addHistories, addRates } from "./listener_figures.ts";
import { formatAddress } from "./meta_address.ts";
import type { SeriesIndex } from "./series_index.ts";
import type { Sight, Trend } from "./sight.ts";
import { figuresOf, reporterOf } from "./stream_rows.ts";

/** One stream. */
export interface StreamView {
  name: string;
  plan: StreamPlan;
  /** `kafka`, `file` or `stdout`. */
  sink: string;
  /** The topic and its brokers, the path; empty for stdout. */
  target: string;
  /** All counts, of one moment; undefined where nobody ever told. Of a shipper that is gone where it says so. */
  figures: WorkerStream | undefined;
  /** What the living shipper does; `stopped` without one, undefined before the first. */
  state: StreamStateName | undefined;
  /** Whether a process that shipped this stream lives. */
  alive: boolean;
  /** How old the figures are, ms; null without any. */
  ageMs: number | null;
  /** What is wrong with the shipper, in words; empty where nothing is. */
  shipper: string;
  /** Share of `spool.max`. */
  full: number | null;
  /** How long the oldest record has waited; null where none does. */
  oldestMs: number | null;
  /** Into the spool: what workers wrote, or what the shipper found where no worker has told. */
  incoming: Trend;
  /** Out of it, to the sink. */
  outgoing: Trend;
  written: number | null;
  refused: number | null;
  refusedPerSecond: number | null;
  /** The last failure; empty without one. */
  error: string;
  errorAt: number;
}

/** A shipper that says nothing for longer than this hangs or is overloaded; it writes its row once a second. */
const reportMs = 5_000;

/** The states in words, and their tones. */
export const streamStateTexts: Readonly<Record<StreamStateName, { text: string; tone: Tone | undefined }>> = {
  idle: { text: "idle", tone: undefined },
  sending: { text: "sending", tone: "good" },
  backingOff: { text: "backing off", tone: "bad" },
  waitingForLock: { text: "waiting for the lock", tone: "warn" },
  stopped: { text: "stopped", tone: "bad" },
};

/** All streams of the plan, in its order. */
export function streamViews(sight: Sight, series: SeriesIndex): StreamView[] {
  return Object.entries(sight.plan.streams).map(([name, plan]) => streamView(sight, series, name, plan));
}

function streamView(sight: Sight, series: SeriesIndex, name: string, plan: StreamPlan): StreamView {
  const rows = sight.streams();
  const figures = figuresOf(rows, name);
  const reporter = reporterOf(rows, name);
  const labels = { stream: name };
  const refused = series.all("weir_stream_refused_total", labels);
  const failed = [reporter, figures].find((row) => row !== undefined && row.error !== "");
  const { sent, acked } = sight.streamTrend(name);
  const oldestAt = figures?.oldestAt ?? 0;
  return {
    name,
    plan,
    ...sinkOf(plan),
    figures,
    state: reporter?.state ?? (figures && "stopped"),
    alive: reporter !== undefined,
    ageMs: figures ? Math.max(0, sight.now - figures.at) : null,
    shipper: shipperProblem(sight, figures, reporter),
    full: figures && plan.spool.max > 0 ? figures.queuedBytes / plan.spool.max : null,
    oldestMs: oldestAt === 0 ? null : Math.max(0, sight.now - oldestAt),
    incoming: writtenTrend(sight, series, name) ?? sent,
    outgoing: acked,
    written: series.sum("weir_stream_written_total", labels),
    refused: series.sum("weir_stream_refused_total", labels),
    refusedPerSecond: addRates(refused.map((one) => sight.trend(one).ratePerSecond)),
    error: failed?.error ?? "",
    errorAt: failed?.errorAt ?? 0,
  };
}

/** Where records go, as the manifest says it. */
export function sinkOf({ kafka, file }: StreamPlan): { sink: string; target: string } {
  if (kafka) {
    return { sink: "kafka", target: `${kafka.topic} at ${kafka.brokers.map(formatAddress).join(", ")}` };
  }
  return file === undefined ? { sink: "stdout", target: "" } : { sink: "file", target: file };
}

function shipperProblem(
  { now, state }: Sight,
  figures: WorkerStream | undefined,
  reporter: WorkerStream | undefined,
): string {
  if (reporter) {
    const silentMs = now - reporter.at;
    return silentMs > reportMs ? `the shipper has not reported for ${formatDuration(silentMs)}` : "";
  }
  const child = state.children.find(({ role }) => role === "shipper");
  const last = figures ? `; its last report is ${formatDuration(Math.max(0, now - figures.at))} old` : "";
  if (!child) return `no shipper runs${last}`;
  if (now - child.startedAt <= reportMs) return `the shipper has just started${last}`;
  return `the shipper (pid ${child.pid}) says nothing of this stream${last}`;
}

function writtenTrend(sight: Sight, series: SeriesIndex, name: string): Trend | undefined {
  const trends = series.all("weir_stream_written_total", { stream: name }).map((one) => sight.trend(one));
  if (trends.length === 0) return undefined;
  return {
    ratePerSecond: addRates(trends.map(({ ratePerSecond }) => ratePerSecond)),
    points: addHistories(trends.map(({ points }) => points)),
  };
}
