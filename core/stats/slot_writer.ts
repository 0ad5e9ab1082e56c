/**
 * The writing side of one slot: who writes, its heartbeat, its series, its requests, connections and endpoints. One
 * process writes a slot, with plain stores, and asks nobody. Counters and histograms go on where the former process of the slot left
 * them, so totals never go back; everything about "now" starts afresh.
 */
import { ConnectionTable } from "./connection_table.ts";
import { Distinct, distinctBytes } from "./distinct.ts";
import { EndpointTable } from "./endpoint_table.ts";
import { writeText } from "./fixed_text.ts";
import { Histogram, histogramCells, type HistogramUnit } from "./histogram.ts";
import { InflightTable } from "./inflight_table.ts";
import { Counter, Gauge } from "./instruments.ts";
import { checkSeriesName, formatLabels, type Labels } from "./label_text.ts";
import * as layout from "./layout.ts";
import { LoopTable } from "./loop_table.ts";
import { isProcessAlive, processStart } from "./process_alive.ts";
import {
  appendSeries,
  fitsDirectory,
  type GaugeMerge,
  readEntries,
  type SeriesEntry,
  seriesKey,
  type SeriesKind,
} from "./series_directory.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { StreamTable } from "./stream_table.ts";
import { UpstreamTable } from "./upstream_table.ts";

const { slotF64, slotI32, slotText } = layout;

/** Life of a slot's process; the number in the slot is the place in this list. */
export const slotStates = ["free", "starting", "ready", "draining", "stopped"] as const;
export type SlotState = typeof slotStates[number];

/** Where refused gauges, histograms and distinct counts write: sums of those would mean nothing. */
const nowhere = new Float64Array(Math.max(histogramCells, distinctBytes / 8));
const nowhereBytes = new Uint8Array(nowhere.buffer);

/** Who writes a slot. */
export interface WriterIdentity {
  /** "worker", "governor", "supervisor", "shipper", "thread". */
  role: string;
  /** Stable id: what replaces it has the same. Slots with the same id are one worker to readers. */
  id: string | number;
  /** Number of the manifest generation; 0 when left out. */
  generation?: number;
  /** This process when left out. */
  pid?: number;
  /** Epoch ms; now when left out. */
  startedAt?: number;
  /**
   * The slot's former writer in this same process (a thread) is known to be gone. `Worker.terminate()` returns while the
   * thread still runs: give its successor another slot, or wait until the thread said that it ended.
   */
  takeOver?: boolean;
}

/** The writer of one slot; get it from `Slot.writer()`. */
export class SlotWriter {
  readonly #slot: layout.SlotViews;
  readonly #pid: number;
  readonly #known = new Map<
    string,
    { entry: SeriesEntry; instrument?: Counter | Gauge | Histogram | Distinct }
  >();
  readonly #strings = new Map<string, number>();
  readonly #dropped: Counter;
  readonly #overflow: Counter;
  /** Requests in flight. */
  readonly inflight: InflightTable;
  /** Open connections. */
  readonly connections: ConnectionTable;
  /** Endpoints of upstreams. */
  readonly endpoints: EndpointTable;
  /** Upstreams. */
  readonly upstreams: UpstreamTable;
  /** Loops. */
  readonly loops: LoopTable;
  /** Streams that this process ships. */
  readonly streams: StreamTable;

  constructor(slot: layout.SlotViews, identity: WriterIdentity) {
    this.#slot = slot;
    this.#pid = identity.pid ?? Deno.pid;
    this.#lock(identity);
    const { i32, f64 } = slot;
    i32[slotI32.magic] = layout.magic;
    i32[slotI32.generation] = identity.generation ?? 0;
    i32[slotI32.stringCount] = 0;
    for (const at of [slotF64.beats, slotF64.loopDelayMs, slotF64.loopDelayMaxMs, slotF64.markedAt]) {
      f64[at] = 0;
    }
    f64[slotF64.startedAt] = identity.startedAt ?? Date.now();
    f64[slotF64.beatAt] = f64[slotF64.startedAt]!;
    f64[slotF64.writers] = f64[slotF64.writers]! + 1;
    this.#headerText("role", identity.role);
    this.#headerText("id", String(identity.id));
    this.#headerText("mark", "");
    for (const entry of readEntries(slot)) {
      this.#known.set(seriesKey(entry.name, entry.labels), { entry });
      // Not a number: not shown until this process sets it.
      if (entry.kind === "gauge") f64[entry.cell] = NaN;
    }
    this.#dropped = this.counter(
      "weir_series_dropped_total",
      {},
      "Series refused because the directory was full",
    );
    this.#overflow = this.counter("weir_series_overflow_total", {}, "Sum of the counters that were refused");
    this.inflight = new InflightTable(
      slot,
      this.counter(
        "weir_inflight_dropped_total",
        {},
        "Requests that found no row in the table of requests in flight",
      ),
    );
    this.connections = new ConnectionTable(
      slot,
      this.counter(
        "weir_connections_dropped_total",
        {},
        "Connections that found no row in the table of connections",
      ),
    );
    const intern = (text: string) => this.intern(text);
    this.endpoints = new EndpointTable(
      slot,
      this.counter(
        "weir_endpoints_dropped_total",
        {},
        "Endpoints that found no row in the table of endpoints",
      ),
      intern,
    );
    this.upstreams = new UpstreamTable(slot, intern);
    this.loops = new LoopTable(slot, intern);
    this.streams = new StreamTable(slot);
    this.intern("");
    this.state("starting");
  }

  #lock(identity: WriterIdentity): void {
    const { i32, f64 } = this.#slot;
    const owner = Atomics.load(i32, slotI32.pid);
    const ours = owner === this.#pid && identity.takeOver === true;
    if (owner !== 0 && !ours && isProcessAlive(owner, f64[slotF64.pidStart]!)) {
      throw new Error(`Cannot write this slot: process ${owner} writes it`);
    }
    // Unknown before the pid is ours: who looks in between must not judge the new pid by the old start time.
    f64[slotF64.pidStart] = 0;
    if (Atomics.compareExchange(i32, slotI32.pid, owner, this.#pid) !== owner) {
      throw new Error("Cannot write this slot: another process has just taken it");
    }
    f64[slotF64.pidStart] = Math.max(0, processStart(this.#pid));
  }

  #headerText(part: keyof typeof slotText, text: string): void {
    const { bytes, i32 } = this.#slot;
    const { at, lengthAt, maxBytes } = slotText[part];
    const sequence = Atomics.or(i32, slotI32.textSequence, 1) | 1;
    i32[lengthAt / 4] = writeText(bytes, at, maxBytes, text);
    Atomics.store(i32, slotI32.textSequence, sequence + 1);
  }

  /** Where the process is in its life. */
  state(state: Exclude<SlotState, "free">): void {
    this.#slot.i32[slotI32.state] = slotStates.indexOf(state);
  }

  /** The loop turns. Call it from a timer, with how late the timer came. */
  beat(loopDelayMs = 0, at: number = Date.now()): void {
    const { f64 } = this.#slot;
    f64[slotF64.loopDelayMs] = loopDelayMs;
    if (loopDelayMs > f64[slotF64.loopDelayMaxMs]!) f64[slotF64.loopDelayMaxMs] = loopDelayMs;
    f64[slotF64.beatAt] = at;
    f64[slotF64.beats] = f64[slotF64.beats]! + 1;
  }

  /** Leaves a text (252 bytes): what the process is doing now, to be read when it hangs in it. */
  mark(text: string, at: number = Date.now()): void {
    this.#headerText("mark", text);
    this.#slot.f64[slotF64.markedAt] = at;
  }

  /** The index of a short text (listener name …) for the tables; 0, the empty text, when all 256 are taken. */
  intern(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const { bytes, i32 } = this.#slot;
    const index = i32[slotI32.stringCount]!;
    if (index >= layout.maxStrings) return 0;
    const at = layout.stringsAt + index * layout.stringBytes;
    i32[at / 4] = writeText(bytes, at + 4, layout.stringBytes - 4, text);
    Atomics.store(i32, slotI32.stringCount, index + 1);
    this.#strings.set(text, index);
    return index;
  }

  /** The counter of this name and these labels; look it up once and keep it. */
  counter(name: string, labels?: Labels, help = ""): Counter {
    return this.#instrument(
      "counter",
      name,
      labels,
      help,
      "one",
      "sum",
      (cell) => new Counter(this.#slot.f64, cell),
    ) ??
      this.#overflow;
  }

  /** The gauge of this name and these labels, 0 at first; `merge` says what all workers' gauges amount to. */
  gauge(name: string, labels?: Labels, help = "", merge: GaugeMerge = "sum"): Gauge {
    const make = (cell: number) => {
      this.#slot.f64[cell] = 0;
      return new Gauge(this.#slot.f64, cell);
    };
    return this.#instrument("gauge", name, labels, help, "one", merge, make) ?? new Gauge(nowhere, 0);
  }

  /** The histogram of this name and these labels; `unit` (ms when left out) is what record() is given. */
  histogram(name: string, labels?: Labels, options: { unit?: HistogramUnit; help?: string } = {}): Histogram {
    const unit = options.unit ?? "ms";
    const make = (cell: number) => new Histogram(this.#slot.f64, cell, unit);
    return this.#instrument("histogram", name, labels, options.help ?? "", unit, "sum", make) ??
      new Histogram(nowhere, 0, unit);
  }

  /** The distinct count of this name and these labels. */
  distinct(name: string, labels?: Labels, help = ""): Distinct {
    const make = (cell: number) => new Distinct(this.#slot.bytes, cell * 8);
    return this.#instrument("distinct", name, labels, help, "one", "sum", make) ??
      new Distinct(nowhereBytes, 0);
  }

  #instrument<T extends Counter | Gauge | Histogram | Distinct>(
    kind: SeriesKind,
    name: string,
    labels: Labels | undefined,
    help: string,
    unit: HistogramUnit,
    merge: GaugeMerge,
    make: (cell: number) => T,
  ): T | undefined {
    const text = formatLabels(labels);
    const key = seriesKey(name, text);
    let known = this.#known.get(key);
    if (known === undefined) {
      checkSeriesName(name);
      const fits = fitsDirectory(name, text);
      const entry = fits
        ? appendSeries(this.#slot, { kind, name, labels: text, help, unit, merge })
        : undefined;
      if (entry === undefined) {
        this.#dropped.add();
        return undefined;
      }
      this.#known.set(key, known = { entry });
    }
    if (known.entry.kind !== kind || known.entry.unit !== unit) {
      throw new TypeError(
        `Cannot use ${key} as a ${kind} (${unit}): it is a ${known.entry.kind} (${known.entry.unit})`,
      );
    }
    return (known.instrument ??= make(known.entry.cell)) as T;
  }

  /** The used part of the slot as bytes, for `StatsMemory.applySnapshot` in a process that does not map the file. */
  snapshot(): Uint8Array {
    return encodeSnapshot(this.#slot);
  }

  /** The process leaves the slot in order: its tables are emptied (but for streams), its counts stay, another may write it now. */
  close(): void {
    const { i32, f64 } = this.#slot;
    if (Atomics.load(i32, slotI32.pid) !== this.#pid) return;
    for (const { entry } of this.#known.values()) if (entry.kind === "gauge") f64[entry.cell] = NaN;
    this.inflight.clear();
    this.connections.clear();
    this.endpoints.clear();
    this.upstreams.clear();
    this.loops.clear();
    this.state("stopped");
    Atomics.store(i32, slotI32.pid, 0);
  }
}
