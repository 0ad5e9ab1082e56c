/**
 * The two plain instruments, one Float64 cell each, one writer process: a counter that only grows and a gauge that is
 * set. Looked up once, held by the caller; add() and set() are one store.
 */

/** A total that only grows. */
export class Counter {
  readonly #f64: Float64Array;
  readonly #at: number;

  constructor(f64: Float64Array, at: number) {
    this.#f64 = f64;
    this.#at = at;
  }

  /** Adds `n` (not negative; not checked, it is the hottest line of all). */
  add(n = 1): void {
    this.#f64[this.#at] = this.#f64[this.#at]! + n;
  }

  /** The total of this slot, with what earlier processes of the slot counted. */
  get value(): number {
    return this.#f64[this.#at]!;
  }
}

/** A value of now: reset when the slot gets a new process. */
export class Gauge {
  readonly #f64: Float64Array;
  readonly #at: number;

  constructor(f64: Float64Array, at: number) {
    this.#f64 = f64;
    this.#at = at;
  }

  set(value: number): void {
    this.#f64[this.#at] = value;
  }

  /** Adds `n`, which may be negative. */
  add(n = 1): void {
    this.#f64[this.#at] = this.#f64[this.#at]! + n;
  }

  get value(): number {
    return this.#f64[this.#at]!;
  }
}
