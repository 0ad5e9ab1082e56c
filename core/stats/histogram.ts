/**
 * A log-linear histogram in shared memory: 32 octaves of 32 linear buckets, so any value between 1 and 2^32 ticks is
 * known to 1.6 %. A tick is 1 µs for times (up to 71 minutes), 1 for sizes and counts. What is larger goes to the last
 * bucket; minimum and maximum are exact. Written with plain stores by one process, merged by addition.
 *
 * Cell: f64 sum, min, max, buckets[1025]; bucket 0 is "below one tick". The count is the sum of the buckets, so that
 * count and buckets agree also when read in the middle of a record().
 */

/** The unit of the values given to `record()`; times are shown in milliseconds, and exported in seconds. */
export type HistogramUnit = "ms" | "us" | "bytes" | "one";

export const histogramUnits = ["one", "ms", "us", "bytes"] as const satisfies readonly HistogramUnit[];

const bucketCount = 1025;
const lastBucket = bucketCount - 1;
/** Exponent and five bits of mantissa of 1.0, less one: bucket 1 starts at one tick. */
const firstCode = (1023 << 5) - 1;
const sumAt = 0;
const minAt = 1;
const maxAt = 2;
const bucketsAt = 3;

/** Float64 cells that one histogram takes. */
export const histogramCells = bucketsAt + bucketCount;

const scratch = new Float64Array(1);
const scratchHalves = new Int32Array(scratch.buffer);

/** The bucket of a value in ticks: the exponent and the first five bits of the mantissa of the double. */
function bucketOf(ticks: number): number {
  if (!(ticks >= 1)) return 0;
  scratch[0] = ticks;
  const bucket = (scratchHalves[1]! >>> 15) - firstCode;
  return bucket > lastBucket ? lastBucket : bucket;
}

function bucketLow(bucket: number): number {
  if (bucket === 0) return 0;
  return 2 ** ((bucket - 1) >> 5) * (1 + ((bucket - 1) & 31) / 32);
}

/** The value that stands for a bucket: its middle; its whole number where values are whole. */
function bucketValue(bucket: number, whole: boolean): number {
  const low = bucketLow(bucket);
  const width = bucket === 0 ? 1 : 2 ** ((bucket - 1) >> 5) / 32;
  return whole && width <= 1 ? low : low + width / 2;
}

function ticksPer(unit: HistogramUnit): number {
  return unit === "ms" ? 1000 : 1;
}

/** Makes the cell of a new histogram empty. */
export function resetHistogram(f64: Float64Array, at: number): void {
  f64[at + minAt] = Infinity;
  f64[at + maxAt] = -Infinity;
}

/** The writer's side of one histogram. */
export class Histogram {
  readonly #f64: Float64Array;
  readonly #at: number;
  readonly #scale: number;

  /** @param at index of the cell in `f64`. */
  constructor(f64: Float64Array, at: number, unit: HistogramUnit) {
    this.#f64 = f64;
    this.#at = at;
    this.#scale = ticksPer(unit);
  }

  /** Records one value in the unit of the series. Negative values and NaN count as 0. */
  record(value: number): void {
    const f64 = this.#f64;
    const at = this.#at;
    let ticks = value * this.#scale;
    if (!(ticks >= 0)) ticks = 0;
    else if (ticks > Number.MAX_SAFE_INTEGER) ticks = Number.MAX_SAFE_INTEGER;
    if (ticks < f64[at + minAt]!) f64[at + minAt] = ticks;
    if (ticks > f64[at + maxAt]!) f64[at + maxAt] = ticks;
    f64[at + sumAt] = f64[at + sumAt]! + ticks;
    const bucket = at + bucketsAt + bucketOf(ticks);
    f64[bucket] = f64[bucket]! + 1;
  }
}

/** What was recorded, read from one or many histograms: times in ms, sizes in bytes, others as they are. */
export class Distribution {
  /** The unit of sum, min, max and quantiles. */
  readonly unit: "ms" | "bytes" | "one";
  readonly #perUnit: number;
  readonly #counts = new Float64Array(bucketCount);
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(unit: HistogramUnit) {
    this.unit = unit === "us" ? "ms" : unit;
    this.#perUnit = ticksPer(this.unit);
  }

  /** Adds the histogram whose cell starts at `at`. */
  addCell(f64: Float64Array, at: number): this {
    const min = f64[at + minAt]!;
    const max = f64[at + maxAt]!;
    if (!(min <= max)) return this;
    const last = bucketOf(max);
    let count = 0;
    for (let bucket = bucketOf(min); bucket <= last; bucket++) {
      const n = f64[at + bucketsAt + bucket]!;
      this.#counts[bucket] = this.#counts[bucket]! + n;
      count += n;
    }
    this.#count += count;
    this.#sum += f64[at + sumAt]!;
    if (min < this.#min) this.#min = min;
    if (max > this.#max) this.#max = max;
    return this;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum / this.#perUnit;
  }

  /** The smallest value; 0 when there is none. */
  get min(): number {
    return this.#count === 0 ? 0 : this.#min / this.#perUnit;
  }

  /** The largest value; 0 when there is none. */
  get max(): number {
    return this.#count === 0 ? 0 : this.#max / this.#perUnit;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.sum / this.#count;
  }

  /** The value below which the share `q` (0..1) of the records lies, to 1.6 %; 0 when there is none. */
  quantile(q: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let seen = 0;
    let bucket = 0;
    for (; bucket < lastBucket; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) break;
    }
    const ticks = bucket === lastBucket ? this.#max : bucketValue(bucket, this.unit !== "ms");
    return Math.min(this.#max, Math.max(this.#min, ticks)) / this.#perUnit;
  }

  /**
   * Records at or below each bound (rising, in the unit of the distribution). A fine bucket that a bound cuts
   * counts by its middle, so a bound is met to 1.6 %.
   */
  cumulative(bounds: readonly number[]): number[] {
    const whole = this.unit !== "ms";
    const counts: number[] = [];
    let bucket = 0;
    let seen = 0;
    for (const bound of bounds) {
      const limit = bound * this.#perUnit;
      while (bucket < bucketCount && bucketValue(bucket, whole) <= limit) seen += this.#counts[bucket++]!;
      counts.push(seen);
    }
    return counts;
  }
}

/** Writes `base + now` of two histogram cells (each may be empty) to a third. */
export function addHistograms(
  target: Float64Array,
  targetAt: number,
  base: Float64Array | undefined,
  now: Float64Array,
  nowAt: number,
): void {
  for (let i = bucketsAt; i < histogramCells; i++) target[targetAt + i] = (base?.[i] ?? 0) + now[nowAt + i]!;
  target[targetAt + sumAt] = (base?.[sumAt] ?? 0) + now[nowAt + sumAt]!;
  target[targetAt + minAt] = Math.min(base?.[minAt] ?? Infinity, now[nowAt + minAt]!);
  target[targetAt + maxAt] = Math.max(base?.[maxAt] ?? -Infinity, now[nowAt + maxAt]!);
}
