/**
 * The recent past of chosen series: 60 seconds, 60 minutes, 24 hours, in 1.2 KiB per series. Kept by a reader that calls
 * `tick()` about once a second. Totals are stored as they stood at the end of each step and become rates when asked for,
 * so a late or missed tick loses no count.
 */
import { readSeries, type ReadSeriesOptions, type Series } from "./read_series.ts";
import { seriesKey } from "./series_directory.ts";
import type { StatsMemory } from "./stats_memory.ts";

/** Step and number of points of each span. Two more are stored: the step before the first, and the one that runs. */
const spans = {
  second: { stepMs: 1000, points: 60, at: 0 },
  minute: { stepMs: 60_000, points: 60, at: 62 },
  hour: { stepMs: 3_600_000, points: 24, at: 124 },
} as const;
const spanNames = ["second", "minute", "hour"] as const;
const cells = 150;

/** Which ring of the history. */
export type HistorySpan = keyof typeof spans;

/** One complete step: when it began (epoch ms), and per-second rate (counters, histograms) or last value. */
export interface HistoryPoint {
  at: number;
  value: number;
}

interface Track {
  readonly kind: Series["kind"];
  readonly values: Float64Array;
  /** Number of the newest step per span. */
  readonly newest: Float64Array;
}

/** Rings of the series that `only` accepts, at most `maxSeries` of them (64 when left out). */
export class History {
  /** Memory that one series takes. */
  static readonly bytesPerSeries = (cells + spanNames.length) * 8;

  readonly #memory: StatsMemory;
  readonly #options: ReadSeriesOptions & { maxSeries: number };
  readonly #tracks = new Map<string, Track>();
  /** Whether there were more series than fit. */
  overflowed = false;

  constructor(memory: StatsMemory, options: ReadSeriesOptions & { maxSeries?: number }) {
    this.#memory = memory;
    this.#options = { ...options, maxSeries: options.maxSeries ?? 64 };
  }

  /** Takes a sample of every chosen series at epoch ms `now`. A clock that was set back empties what it overtakes. */
  tick(now: number): void {
    for (const series of readSeries(this.#memory, this.#options)) {
      const key = this.#key(series);
      let track = this.#tracks.get(key);
      if (!track) {
        if (this.#tracks.size >= this.#options.maxSeries) {
          this.overflowed = true;
          continue;
        }
        track = {
          kind: series.kind,
          values: new Float64Array(cells).fill(NaN),
          newest: new Float64Array(3).fill(NaN),
        };
        this.#tracks.set(key, track);
      }
      spanNames.forEach((name, index) => store(track, name, index, now, series.value));
    }
  }

  #key(series: Series): string {
    const key = seriesKey(series.name, series.labelText);
    return series.worker === undefined ? key : `${key} ${series.worker}`;
  }

  /** Keys of the series with a history: `name{labels}`, with ` worker` behind it where workers are apart. */
  keys(): string[] {
    return [...this.#tracks.keys()];
  }

  /** The complete steps of a series, oldest first; steps without a tick are left out. Empty for an unknown key. */
  points(key: string, span: HistorySpan): HistoryPoint[] {
    const track = this.#tracks.get(key);
    if (!track) return [];
    const { stepMs, points, at } = spans[span];
    const newest = track.newest[spanNames.indexOf(span)]!;
    const rates = track.kind === "counter" || track.kind === "histogram";
    const found: HistoryPoint[] = [];
    let previous = NaN;
    let previousStep = 0;
    for (let step = newest - points - 1; step < newest; step++) {
      const value = track.values[at + cellOf(step, points)]!;
      if (Number.isNaN(value)) continue;
      const inside = step >= newest - points;
      if (!rates && inside) found.push({ at: step * stepMs, value });
      if (rates && inside && !Number.isNaN(previous)) {
        found.push({
          at: step * stepMs,
          value: (value - previous) / ((step - previousStep) * stepMs / 1000),
        });
      }
      previous = value;
      previousStep = step;
    }
    return found;
  }
}

function cellOf(step: number, points: number): number {
  return step % (points + 2);
}

function store(track: Track, name: HistorySpan, index: number, now: number, value: number): void {
  const { stepMs, points, at } = spans[name];
  const length = points + 2;
  const step = Math.floor(now / stepMs);
  const newest = track.newest[index]!;
  if (!(step >= newest) || step - newest >= length) track.values.fill(NaN, at, at + length);
  else for (let missed = newest + 1; missed < step; missed++) track.values[at + cellOf(missed, points)] = NaN;
  track.values[at + cellOf(step, points)] = value;
  track.newest[index] = step;
}
