/**
 * A slot as a message, for where processes cannot map one file: the words of the slot's used part that are not zero, so
 * an idle worker's snapshot is a few KiB. The receiver adds what earlier processes of the slot had counted, because
 * their memory is gone with them: totals never go back here either.
 *
 * ```
 * i32 magic, layout version · runs: i32 first word, i32 words, f64 × words
 * ```
 */
import { distinctBytes, mergeRegisters } from "./distinct.ts";
import { addHistograms, histogramCells } from "./histogram.ts";
import * as layout from "./layout.ts";
import { appendSeries, readEntries, type SeriesEntry, seriesKey } from "./series_directory.ts";
import { StreamTable } from "./stream_table.ts";

const snapshotMagic = 0x504e5357;
const { slotI32 } = layout;
const slotWords = layout.slotBytes / 8;

/** Calls `each(firstWord, words)` for every part of the slot that is in use. */
function eachUsedPart({ i32, f64 }: layout.SlotViews, each: (first: number, words: number) => void): void {
  const bounded = (at: number, max: number) => Math.min(Math.max(i32[at]!, 0), max);
  each(0, layout.slotHeaderBytes / 8);
  each(layout.stringsAt / 8, bounded(slotI32.stringCount, layout.maxStrings) * layout.stringBytes / 8);
  each(layout.directoryAt / 8, bounded(slotI32.seriesCount, layout.maxSeries) * layout.seriesBytes / 8);
  each(layout.cellsAt / 8, bounded(slotI32.cellsUsed, layout.cellsBytes) / 8);
  const requests = bounded(slotI32.inflightHigh, layout.maxInflight);
  for (let row = 0; row < requests; row++) {
    const word = (layout.inflightAt + row * layout.inflightBytes) / 8;
    if (f64[word + layout.inflightRow.id] !== 0) each(word, layout.inflightBytes / 8);
  }
  const connections = bounded(slotI32.connectionHigh, layout.maxConnections);
  for (let row = 0; row < connections; row++) {
    const word = (layout.connectionsAt + row * layout.connectionBytes) / 8;
    if (i32[word * 2 + layout.connectionRow.open] !== 0) each(word, layout.connectionBytes / 8);
  }
  const endpoints = bounded(slotI32.endpointHigh, layout.maxEndpoints);
  for (let row = 0; row < endpoints; row++) {
    const word = (layout.endpointsAt + row * layout.endpointBytes) / 8;
    if (i32[word * 2 + layout.endpointRow.live] !== 0) each(word, layout.endpointBytes / 8);
  }
  each(layout.upstreamsAt / 8, bounded(slotI32.upstreamHigh, layout.maxUpstreams) * layout.upstreamBytes / 8);
  each(layout.loopsAt / 8, bounded(slotI32.loopHigh, layout.maxLoops) * layout.loopBytes / 8);
  each(layout.streamsAt / 8, bounded(slotI32.streamHigh, layout.maxStreams) * layout.streamBytes / 8);
}

/** The used part of a slot, at most the size of a slot. */
export function encodeSnapshot(slot: layout.SlotViews): Uint8Array {
  const { bytes, i32 } = slot;
  const runs: number[] = [];
  let size = 8;
  eachUsedPart(slot, (first, words) => {
    const end = first + words;
    for (let word = first; word < end;) {
      if ((i32[word * 2]! | i32[word * 2 + 1]!) === 0) {
        word++;
        continue;
      }
      const start = word;
      while (word < end && (i32[word * 2]! | i32[word * 2 + 1]!) !== 0) word++;
      runs.push(start, word - start);
      size += 8 + (word - start) * 8;
    }
  });
  const out = new Uint8Array(size);
  const head = new Int32Array(out.buffer);
  head[0] = snapshotMagic;
  head[1] = layout.layoutVersion;
  let at = 8;
  for (let i = 0; i < runs.length; i += 2) {
    head[at / 4] = runs[i]!;
    head[at / 4 + 1] = runs[i + 1]!;
    out.set(bytes.subarray(runs[i]! * 8, (runs[i]! + runs[i + 1]!) * 8), at + 8);
    at += 8 + runs[i + 1]! * 8;
  }
  return out;
}

/** Calls `each(firstWord, words, byteOffset)` for the runs of a snapshot; throws a RangeError when it is damaged. */
function eachRun(snapshot: DataView, each: (first: number, words: number, at: number) => void): void {
  const size = snapshot.byteLength;
  const known = size >= 8 && snapshot.getInt32(0, true) === snapshotMagic;
  if (!known || snapshot.getInt32(4, true) !== layout.layoutVersion) {
    throw new RangeError("Cannot apply the snapshot: it is not one of this version");
  }
  for (let at = 8; at < size;) {
    const first = at + 8 <= size ? snapshot.getInt32(at, true) : -1;
    const words = at + 8 <= size ? snapshot.getInt32(at + 4, true) : 0;
    if (first < 0 || words <= 0 || first + words > slotWords || at + 8 + words * 8 > size) {
      throw new RangeError(`Cannot apply the snapshot: it is damaged at byte ${at}`);
    }
    each(first, words, at + 8);
    at += 8 + words * 8;
  }
}

/** Brings the snapshots of one slot into a slot of this process's memory. */
export class SnapshotReceiver {
  readonly #target: layout.SlotViews;
  readonly #image = layout.viewsOf(new ArrayBuffer(layout.slotBytes), 0, layout.slotBytes);
  readonly #streams: StreamTable;
  readonly #targets = new Map<string, SeriesEntry>();
  /** What former processes had counted, by key: the cell as it was when the process changed. */
  readonly #bases = new Map<string, Float64Array>();
  #pairs: Array<{ from: SeriesEntry; to: SeriesEntry; key: string }> = [];
  #entries = 0;
  #leftOut = 0;
  #writer = "";

  constructor(target: layout.SlotViews) {
    this.#target = target;
    this.#streams = new StreamTable(target);
    for (const entry of readEntries(target)) this.#targets.set(keyOf(entry), entry);
  }

  /**
   * Applies one snapshot; snapshots of one process must come in their order. Returns how many of its series found no
   * place. Throws a RangeError on a damaged one, and then changes nothing.
   */
  apply(snapshot: Uint8Array): number {
    const data = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    eachRun(data, () => {});
    const image = this.#image;
    eachRun(data, (first, words, at) => image.bytes.set(snapshot.subarray(at, at + words * 8), first * 8));
    try {
      this.#merge();
    } finally {
      eachRun(data, (first, words) => image.bytes.fill(0, first * 8, (first + words) * 8));
    }
    return this.#leftOut;
  }

  #merge(): void {
    const image = this.#image;
    const target = this.#target;
    const writer = `${image.i32[slotI32.pid]} ${image.f64[layout.slotF64.startedAt]}`;
    if (writer !== this.#writer) this.#changeWriter(writer);
    this.#match();
    clearTables(target);
    // The target's directory is its own: it also holds what former processes registered.
    const seriesCount = target.i32[slotI32.seriesCount]!;
    const cellsUsed = target.i32[slotI32.cellsUsed]!;
    const streamHigh = target.i32[slotI32.streamHigh]!;
    target.bytes.set(image.bytes.subarray(0, layout.slotHeaderBytes));
    target.i32[slotI32.seriesCount] = seriesCount;
    target.i32[slotI32.cellsUsed] = cellsUsed;
    target.i32[slotI32.streamHigh] = streamHigh;
    copyTables(target, image);
    this.#streams.take(image);
    for (const { from, to, key } of this.#pairs) addCell(target, to, this.#bases.get(key), image, from);
  }

  /** A new process: what is there becomes the base that its counts are added to. */
  #changeWriter(writer: string): void {
    const { f64 } = this.#target;
    for (const [key, entry] of this.#targets) {
      if (entry.kind === "gauge") f64[entry.cell] = NaN;
      else this.#bases.set(key, f64.slice(entry.cell, entry.cell + cellWords(entry)));
    }
    this.#writer = writer;
    this.#pairs = [];
    this.#entries = 0;
    this.#leftOut = 0;
  }

  /** Finds or makes the target of every series that is new in the image. */
  #match(): void {
    for (const from of readEntries(this.#image, this.#entries)) {
      const key = keyOf(from);
      const to = this.#targets.get(key) ?? appendSeries(this.#target, from);
      if (to) {
        this.#targets.set(key, to);
        this.#pairs.push({ from, to, key });
      } else this.#leftOut++;
    }
    this.#entries = this.#image.i32[slotI32.seriesCount]!;
  }
}

function keyOf(entry: SeriesEntry): string {
  return `${entry.kind} ${seriesKey(entry.name, entry.labels)}`;
}

function cellWords(entry: SeriesEntry): number {
  return entry.kind === "histogram" ? histogramCells : entry.kind === "distinct" ? distinctBytes / 8 : 1;
}

function addCell(
  target: layout.SlotViews,
  to: SeriesEntry,
  base: Float64Array | undefined,
  image: layout.SlotViews,
  from: SeriesEntry,
): void {
  if (to.kind === "histogram") addHistograms(target.f64, to.cell, base, image.f64, from.cell);
  else if (to.kind === "distinct") {
    if (base) mergeRegisters(target.bytes, to.cell * 8, new Uint8Array(base.buffer), 0);
    mergeRegisters(target.bytes, to.cell * 8, image.bytes, from.cell * 8);
  } else target.f64[to.cell] = (to.kind === "counter" ? base?.[0] ?? 0 : 0) + image.f64[from.cell]!;
}

function clearTables(target: layout.SlotViews): void {
  const requests = target.i32[slotI32.inflightHigh]!;
  const connections = target.i32[slotI32.connectionHigh]!;
  const endpoints = target.i32[slotI32.endpointHigh]!;
  const upstreams = target.i32[slotI32.upstreamHigh]!;
  const loops = target.i32[slotI32.loopHigh]!;
  const { inflightAt, inflightBytes, connectionsAt, connectionBytes } = layout;
  const { endpointsAt, endpointBytes, upstreamsAt, upstreamBytes, loopsAt, loopBytes } = layout;
  target.bytes.fill(0, inflightAt, inflightAt + requests * inflightBytes);
  target.bytes.fill(0, connectionsAt, connectionsAt + connections * connectionBytes);
  target.bytes.fill(0, endpointsAt, endpointsAt + endpoints * endpointBytes);
  target.bytes.fill(0, upstreamsAt, upstreamsAt + upstreams * upstreamBytes);
  target.bytes.fill(0, loopsAt, loopsAt + loops * loopBytes);
  target.bytes.fill(0, layout.stringsAt, layout.stringsAt + layout.maxStrings * layout.stringBytes);
}

/** All tables but that of the streams, whose rows outlive their writer. */
function copyTables(target: layout.SlotViews, image: layout.SlotViews): void {
  eachUsedPart(image, (first, words) => {
    const at = first * 8;
    const table = at === layout.stringsAt || (at >= layout.inflightAt && at < layout.streamsAt);
    if (table) target.bytes.set(image.bytes.subarray(at, at + words * 8), at);
  });
}
