/**
 * When a loop runs: beats are measured start to start, runs never overlap, a failed run makes the next one wait longer.
 * Pure: it is told the time and says what is due. Refuses to run anything.
 *
 * Beats stand on a grid: a timer that came a little late does not move it. After a run that took longer than `every` the
 * next one comes at the next beat of the grid, and those between are counted as skipped. After `n` failed runs in a row the
 * next beat is `every · 2ⁿ` after the last start, at most a minute (or `every`, where that is longer).
 */

/** What a loop's plan says of time. */
export interface LoopTimes {
  everyMs: number;
  /** Longest time of one run; 0 = no limit. */
  timeoutMs: number;
}

/** Longest wait after failures, ms; not less than `every`. */
const longestBackoffMs = 60_000;
/** A start that is later than this share of `every` begins a new grid, so that two starts are never much closer. */
const gridShare = 0.1;

/** See the module's header. */
export class LoopSchedule {
  readonly #everyMs: number;
  readonly #timeoutMs: number;
  #dueAt: number;
  /** Where the beats after the current run are counted from. */
  #base = 0;
  #startedAt = 0;
  #running = false;
  #late = false;
  #failures = 0;

  /** The first run is due at `firstAt` (monotonic ms, as all times here). */
  constructor({ everyMs, timeoutMs }: LoopTimes, firstAt: number) {
    this.#everyMs = everyMs;
    this.#timeoutMs = timeoutMs > 0 ? timeoutMs : Infinity;
    this.#dueAt = firstAt;
  }

  /** When the next run is due; meaningless while one runs. */
  get dueAt(): number {
    return this.#dueAt;
  }

  get running(): boolean {
    return this.#running;
  }

  /** The current run is past its timeout. */
  get late(): boolean {
    return this.#late;
  }

  /** Failed runs since the last good one. */
  get failures(): number {
    return this.#failures;
  }

  /** Start of the current run, or of the last one. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** When something is to be looked at again: the next start, or the timeout of the current run. Infinity: nothing. */
  get wakeAt(): number {
    if (!this.#running) return this.#dueAt;
    return this.#late ? Infinity : this.#startedAt + this.#timeoutMs;
  }

  /** Moves the next run, of a loop that comes to this worker from another. */
  moveTo(dueAt: number): void {
    this.#dueAt = dueAt;
  }

  /** Whether a run is to start now. */
  isDue(now: number): boolean {
    return !this.#running && now >= this.#dueAt;
  }

  /** A run starts; returns how many beats had passed before it without one. */
  begin(now: number): number {
    if (this.#running) throw new TypeError("Cannot begin a run: the last one has not ended");
    const lateMs = Math.max(0, now - this.#dueAt);
    this.#base = lateMs <= this.#everyMs * gridShare ? this.#dueAt : now;
    this.#startedAt = now;
    this.#running = true;
    this.#late = false;
    return Math.floor(lateMs / this.#everyMs);
  }

  /** True once per run: it is past its timeout now. That is a failure, however it ends later. */
  expire(now: number): boolean {
    if (!this.#running || this.#late || now - this.#startedAt < this.#timeoutMs) return false;
    this.#late = true;
    this.#failures++;
    return true;
  }

  /** The run ended, as well as it did; returns how many beats passed while it ran. */
  end(now: number, ok: boolean): number {
    if (!this.#running) throw new TypeError("Cannot end a run: none has begun");
    this.#running = false;
    if (!ok && !this.#late) this.#failures++;
    else if (ok && !this.#late) this.#failures = 0;
    this.#late = false;
    const every = this.#everyMs;
    const waitMs = Math.max(every, Math.min(longestBackoffMs, every * 2 ** this.#failures));
    // The first beat of the grid that is not over. One that comes right now is due.
    const beats = Math.max(1, Math.ceil((now - this.#base) / every));
    const earliest = this.#base + beats * every;
    this.#dueAt = this.#failures === 0 ? earliest : Math.max(earliest, this.#base + waitMs);
    return beats - 1;
  }
}
