/**
 * Reads all series of a service: merged over its slots, or per worker. Counters and histograms add up, distinct counts
 * merge by maximum, gauges as registered (sum, largest, each), and only those of running processes.
 */
import { distinctBytes, estimateDistinct, mergeRegisters } from "./distinct.ts";
import { Distribution, type HistogramUnit } from "./histogram.ts";
import { parseLabels } from "./label_text.ts";
import { type GaugeMerge, type SeriesEntry, seriesKey, type SeriesKind } from "./series_directory.ts";
import type { Slot } from "./slot.ts";
import type { StatsMemory } from "./stats_memory.ts";

/** One series as read. */
export interface Series {
  readonly kind: SeriesKind;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Labels as Prometheus writes them between braces. */
  readonly labelText: string;
  readonly help: string;
  readonly unit: HistogramUnit;
  readonly merge: GaugeMerge;
  /** Worker id, or role and id of another process; undefined in a merged series. */
  readonly worker: string | undefined;
  /** Total, gauge, number of records or number of distinct values. */
  value: number;
  /** Of histograms. */
  distribution?: Distribution;
  /** Of merged gauges: the value of each worker. */
  workers?: Array<{ worker: string; value: number }>;
}

/** What to read. */
export interface ReadSeriesOptions {
  /** Keep workers apart, by their stable id. */
  perWorker?: boolean;
  /** Only series whose name this accepts. */
  only?: (name: string) => boolean;
}

type Draft = { -readonly [K in keyof Series]: Series[K] } & { registers?: Uint8Array };

/** All series, sorted by name, then labels, then worker. */
export function readSeries(memory: StatsMemory, options: ReadSeriesOptions = {}): Series[] {
  const drafts = new Map<string, Draft>();
  for (const slot of memory.usedSlots()) {
    const worker = slot.worker;
    const alive = slot.alive;
    for (const entry of slot.entries()) {
      if (options.only && !options.only(entry.name)) continue;
      if (entry.kind === "gauge" && (!alive || Number.isNaN(slot.views.f64[entry.cell]!))) continue;
      const apart = options.perWorker === true || (entry.kind === "gauge" && entry.merge === "each");
      const key = `${seriesKey(entry.name, entry.labels)} ${entry.kind}${apart ? ` ${worker}` : ""}`;
      let draft = drafts.get(key);
      if (!draft) drafts.set(key, draft = emptyDraft(entry, apart ? worker : undefined));
      addEntry(draft, slot, worker, entry);
    }
  }
  const series = [...drafts.values()].sort(inOrder);
  for (const draft of series) finish(draft);
  return series;
}

/** By name first: "a_b" must not come between "a" and "a{…}". */
function inOrder(a: Draft, b: Draft): number {
  return compare(a.name, b.name) || compare(a.labelText, b.labelText) ||
    compare(a.worker ?? "", b.worker ?? "");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function emptyDraft(entry: SeriesEntry, worker: string | undefined): Draft {
  const { kind, name, labels, help, unit, merge } = entry;
  return { kind, name, labels: parseLabels(labels), labelText: labels, help, unit, merge, worker, value: 0 };
}

function addEntry(draft: Draft, slot: Slot, worker: string, entry: SeriesEntry): void {
  const { f64, bytes } = slot.views;
  if (entry.kind === "counter") draft.value += f64[entry.cell]!;
  else if (entry.kind === "histogram") {
    (draft.distribution ??= new Distribution(entry.unit)).addCell(f64, entry.cell);
  } else if (entry.kind === "distinct") {
    mergeRegisters(draft.registers ??= new Uint8Array(distinctBytes), 0, bytes, entry.cell * 8);
  } else {
    const value = f64[entry.cell]!;
    const first = draft.workers === undefined;
    (draft.workers ??= []).push({ worker, value });
    draft.value = first ? value : draft.merge === "max" ? Math.max(draft.value, value) : draft.value + value;
  }
}

function finish(draft: Draft): void {
  if (draft.distribution) draft.value = draft.distribution.count;
  if (draft.registers) draft.value = estimateDistinct(draft.registers);
  delete draft.registers;
  if (draft.worker !== undefined) delete draft.workers;
}
