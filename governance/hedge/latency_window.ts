/**
 * A percentile of the latencies of the last half minute, of this worker. A log-linear histogram (16 steps per power of
 * two, as HdrHistogram has them: values are right within 1/16) for each of six spans of time, and their sum; recording
 * is two additions, and the percentile is worked out now and then, not per call.
 */

const steps = 16;
const unitsPerMs = 16;
const most = 2 ** 30 - 1;
const cells = indexOf(most) + 1;
const spans = 6;
const spanMs = 5000;
/** The percentile is worked out again after this many observations. */
const everySo = 64;

/** Cell of a value: one per unit up to 2 × steps, from there `steps` per power of two. */
function indexOf(units: number): number {
  if (units < 2 * steps) return units;
  const exponent = 31 - Math.clz32(units);
  return 2 * steps + (exponent - 5) * steps + ((units >>> (exponent - 4)) & (steps - 1));
}

/** First value behind the cell. */
function endOf(index: number): number {
  if (index < 2 * steps) return index + 1;
  const exponent = Math.floor((index - 2 * steps) / steps) + 5;
  return (steps + (index % steps) + 1) * 2 ** (exponent - 4);
}

/** See the module's header. */
export class LatencyWindow {
  readonly #counts = Array.from({ length: spans }, () => new Uint32Array(cells));
  readonly #totals = new Uint32Array(cells);
  readonly #percentile: number;
  #span = 0;
  #spanEndsAt = -Infinity;
  #count = 0;
  #fresh = 0;
  #value = NaN;

  /** `percentile` 0..1. */
  constructor(percentile: number) {
    this.#percentile = percentile;
  }

  /** Observations in the window. */
  get count(): number {
    return this.#count;
  }

  /** ms that this share of the observations stayed below; NaN where there is none. */
  get valueMs(): number {
    if (this.#count === 0) return NaN;
    if (Number.isNaN(this.#value)) this.#value = this.#find();
    return this.#value;
  }

  record(latencyMs: number): void {
    const units = latencyMs * unitsPerMs;
    const index = indexOf(units >= most ? most : units > 0 ? Math.floor(units) : 0);
    this.#counts[this.#span]![index]!++;
    this.#totals[index]!++;
    this.#count++;
    if (++this.#fresh >= everySo) this.#forget();
  }

  /** Lets go of what is too old. */
  move(now: number): void {
    if (now >= this.#spanEndsAt) this.#turn(now);
  }

  #turn(now: number): void {
    const passed = Math.min(spans, 1 + Math.floor((now - this.#spanEndsAt) / spanMs));
    for (let n = 0; n < passed; n++) {
      this.#span = (this.#span + 1) % spans;
      const counts = this.#counts[this.#span]!;
      for (let i = 0; i < cells; i++) {
        this.#totals[i]! -= counts[i]!;
        this.#count -= counts[i]!;
      }
      counts.fill(0);
    }
    this.#spanEndsAt = passed < spans ? this.#spanEndsAt + passed * spanMs : now + spanMs;
    this.#forget();
  }

  #forget(): void {
    this.#fresh = 0;
    this.#value = NaN;
  }

  #find(): number {
    let above = this.#count - Math.ceil(this.#percentile * this.#count);
    for (let i = cells - 1; i > 0; i--) {
      above -= this.#totals[i]!;
      if (above < 0) return endOf(i) / unitsPerMs;
    }
    return 1 / unitsPerMs;
  }
}
