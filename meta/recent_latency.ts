/**
 * Quantiles of the last minute. The shared histograms only grow, and after a week of service a percentile since the start
 * says nothing about tonight; so every few seconds the cumulative counts at fixed bounds are kept, and the newest less the
 * oldest is the window. It keeps a bounded number of histograms, and refuses to guess a quantile from too few values.
 */

import type { Series } from "../core/stats/mod.ts";

const stepMs = 5_000;
const steps = 13;
const maxHistograms = 256;
/** 10 µs to 20 min, each 5 % above the one before; for sizes and counts the same numbers mean bytes or ones. */
const bounds: readonly number[] = Array.from({ length: 382 }, (_, i) => 0.01 * 1.05 ** i);

/** Values seen within the window. */
export interface Window {
  readonly count: number;
  /** In the unit of the series, to 5 %; null where there are too few values for this share. */
  quantile(q: number): number | null;
}

/** Fewest values from which the quantile `q` is told: one above it must be expected. */
export function smallestShown(q: number): number {
  return Math.ceil(Math.round(1e6 / (1 - q)) / 1e6);
}

/** Keeps what the windows need. */
export class RecentLatency {
  /** By series: cumulative counts at the bounds and, last, of all. */
  readonly #marks = new Map<string, Float64Array[]>();
  #tickedAt = -Infinity;

  /** Takes a mark of every histogram when the last one is old enough. `nowMs` is monotonic. */
  tick(nowMs: number, series: () => Iterable<Series>): void {
    if (nowMs - this.#tickedAt < stepMs) return;
    this.#tickedAt = nowMs;
    for (const one of series()) {
      if (one.distribution === undefined) continue;
      const key = keyOf(one);
      let marks = this.#marks.get(key);
      if (!marks) {
        if (this.#marks.size >= maxHistograms) continue;
        this.#marks.set(key, marks = []);
      }
      marks.push(markOf(one));
      if (marks.length > steps) marks.shift();
    }
  }

  /** The window of one histogram up to now; undefined for what is no histogram or was never marked. */
  window(one: Series): Window | undefined {
    const marks = this.#marks.get(keyOf(one));
    if (one.distribution === undefined || marks === undefined) return undefined;
    return windowOf(markOf(one), marks[0]!);
  }
}

function keyOf({ name, labelText }: Series): string {
  return `${name}{${labelText}}`;
}

function markOf({ distribution }: Series): Float64Array {
  return Float64Array.of(...distribution!.cumulative(bounds), distribution!.count);
}

function windowOf(newest: Float64Array, oldest: Float64Array): Window {
  const at = (i: number) => newest[i]! - oldest[i]!;
  const count = Math.max(0, at(bounds.length));
  return {
    count,
    quantile(q) {
      if (count < smallestShown(q)) return null;
      const rank = Math.max(1, Math.ceil(q * count));
      let low = 0;
      let high = bounds.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (at(middle) >= rank) high = middle;
        else low = middle + 1;
      }
      return bounds[low]!;
    },
  };
}
