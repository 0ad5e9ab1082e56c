/**
 * The directory of a slot: what its cells mean. Entries are only ever appended and never change, also when a new process
 * takes the slot, so a reader keeps what it decoded. An entry counts once the number of entries says so.
 */
import { distinctBytes } from "./distinct.ts";
import { histogramCells, type HistogramUnit, histogramUnits, resetHistogram } from "./histogram.ts";
import * as layout from "./layout.ts";
import { readText, textBytes, writeText } from "./fixed_text.ts";

const { seriesI32, seriesText, slotI32 } = layout;

/** What a series is; the number in the directory is the place in this list. */
export const seriesKinds = ["none", "counter", "gauge", "histogram", "distinct"] as const;
export type SeriesKind = Exclude<typeof seriesKinds[number], "none">;

/** How the gauges of several workers become one: their sum, the largest, or not at all (shown per worker). */
export const gaugeMerges = ["sum", "max", "each"] as const;
export type GaugeMerge = typeof gaugeMerges[number];

/** One decoded directory entry. `cell` is an index into the slot's Float64Array. */
export interface SeriesEntry {
  readonly kind: SeriesKind;
  readonly name: string;
  /** Canonical label text, see label_text.ts. */
  readonly labels: string;
  readonly help: string;
  readonly unit: HistogramUnit;
  readonly merge: GaugeMerge;
  readonly cell: number;
}

/** Name and labels in one text, the key of a series. */
export function seriesKey(name: string, labels: string): string {
  return labels === "" ? name : `${name}{${labels}}`;
}

function cellBytes(kind: SeriesKind): number {
  if (kind === "histogram") return histogramCells * 8;
  return kind === "distinct" ? distinctBytes : 8;
}

/** Whether an entry can be stored whole; a cut name or label would merge with another one. */
export function fitsDirectory(name: string, labels: string): boolean {
  return textBytes(name) <= seriesText.name.maxBytes && textBytes(labels) <= seriesText.labels.maxBytes;
}

/** Appends an entry and its cell; undefined when the directory or the cells are full. */
export function appendSeries(
  slot: layout.SlotViews,
  series: Omit<SeriesEntry, "cell">,
): SeriesEntry | undefined {
  const { bytes, i32 } = slot;
  const index = i32[slotI32.seriesCount]!;
  const used = i32[slotI32.cellsUsed]!;
  const size = cellBytes(series.kind);
  if (index >= layout.maxSeries || used + size > layout.cellsBytes) return undefined;
  const cell = (layout.cellsAt + used) / 8;
  const byteAt = layout.directoryAt + index * layout.seriesBytes;
  const at = byteAt / 4;
  i32[at + seriesI32.kind] = seriesKinds.indexOf(series.kind);
  i32[at + seriesI32.unit] = histogramUnits.indexOf(series.unit);
  i32[at + seriesI32.cell] = cell;
  i32[at + seriesI32.merge] = gaugeMerges.indexOf(series.merge);
  for (const part of ["name", "labels", "help"] as const) {
    const { at: offset, maxBytes } = seriesText[part];
    i32[at + seriesI32[`${part}Len`]] = writeText(bytes, byteAt + offset, maxBytes, series[part]);
  }
  // Space first, entry last: a process killed in between loses a cell, never shares one.
  Atomics.store(i32, slotI32.cellsUsed, used + size);
  if (series.kind === "histogram") resetHistogram(slot.f64, cell);
  Atomics.store(i32, slotI32.seriesCount, index + 1);
  return { ...series, cell };
}

/** Decodes the entries from `from` on; entries that make no sense (a foreign file) are left out. */
export function readEntries(slot: layout.SlotViews, from = 0): SeriesEntry[] {
  const { bytes, i32 } = slot;
  const count = Math.min(Atomics.load(i32, slotI32.seriesCount), layout.maxSeries);
  const entries: SeriesEntry[] = [];
  for (let index = from; index < count; index++) {
    const byteAt = layout.directoryAt + index * layout.seriesBytes;
    const at = byteAt / 4;
    const kind = seriesKinds[i32[at + seriesI32.kind]!];
    const cell = i32[at + seriesI32.cell]!;
    if (kind === undefined || kind === "none") continue;
    if (cell * 8 < layout.cellsAt || cell * 8 + cellBytes(kind) > layout.slotBytes) continue;
    const text = (part: "name" | "labels" | "help") => {
      const { at: offset, maxBytes } = seriesText[part];
      return readText(bytes, byteAt + offset, maxBytes, i32[at + seriesI32[`${part}Len`]]!);
    };
    entries.push({
      kind,
      name: text("name"),
      labels: text("labels"),
      help: text("help"),
      unit: histogramUnits[i32[at + seriesI32.unit]!] ?? "one",
      merge: gaugeMerges[i32[at + seriesI32.merge]!] ?? "sum",
      cell,
    });
  }
  return entries;
}
