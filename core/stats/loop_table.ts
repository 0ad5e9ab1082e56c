/**
 * The loops of one process, a row each in its slot, beside its upstreams (upstream_table.ts): what each does now, how its
 * runs went, what its last failure was. 128 rows, found by name, written when a run begins or ends.
 */
import { writeText } from "./fixed_text.ts";
import { clearRows } from "./inflight_table.ts";
import * as layout from "./layout.ts";

const row32 = layout.loopBytes / 4;
const row64 = layout.loopBytes / 8;
const base32 = layout.loopsAt / 4;
const base64 = layout.loopsAt / 8;
const r = layout.loopRow;

/**
 * What a loop does in a process: it runs elsewhere, waits for its next beat, runs, runs past its timeout, waits longer
 * because its last run failed, or has ended with its worker. The number in the row is the place in this list.
 */
export const loopStates = ["standby", "waiting", "running", "late", "backingOff", "stopped"] as const;
export type LoopStateName = typeof loopStates[number];

/** What a worker says of a loop. */
export interface LoopFigures {
  state: LoopStateName;
  /** Failed runs since the last good one. */
  failures: number;
  /** Runs and failed runs of this process. */
  runs: number;
  errors: number;
  /** Epoch ms when the last run began; 0 before the first. */
  startedAt: number;
  /** How long the last run took that has ended, ms; -1 before the first. */
  durationMs: number;
  /** Epoch ms of the next run; 0 where none is planned. */
  nextAt: number;
  /** The last failure, empty without one; cut at 256 bytes. */
  error: string;
  /** Epoch ms; 0 without one. */
  errorAt: number;
}

/** The writer's side. */
export class LoopTable {
  readonly #slot: layout.SlotViews;
  readonly #intern: (text: string) => number;
  readonly #rows = new Map<string, { row: number; error: string }>();

  constructor(slot: layout.SlotViews, intern: (text: string) => number) {
    this.#slot = slot;
    this.#intern = intern;
    this.clear();
  }

  /** Empties the table: what a former process of the slot left, or what this one leaves. */
  clear(): void {
    this.#rows.clear();
    clearRows(this.#slot, layout.slotI32.loopHigh, layout.maxLoops, base32, row32, (row) => {
      this.#slot.i32[base32 + row * row32 + r.live] = 0;
    });
  }

  /** Writes what is true now of loop `name`; past 128 loops nothing. `figures` may be used again. */
  set(name: string, figures: LoopFigures): void {
    const { i32, f64, bytes } = this.#slot;
    const known = this.#rows.get(name) ?? this.#take(name);
    if (!known) return;
    const i = base32 + known.row * row32;
    const f = base64 + known.row * row64;
    const sequence = Atomics.add(i32, i, 1);
    i32[i + r.state] = loopStates.indexOf(figures.state);
    i32[i + r.failures] = figures.failures;
    f64[f + r.runs] = figures.runs;
    f64[f + r.errors] = figures.errors;
    f64[f + r.startedAt] = figures.startedAt;
    f64[f + r.durationMs] = figures.durationMs;
    f64[f + r.nextAt] = figures.nextAt;
    f64[f + r.errorAt] = figures.errorAt;
    if (figures.error !== known.error) {
      known.error = figures.error;
      i32[i + r.errorLen] = writeText(bytes, i * 4 + r.error, r.errorBytes, figures.error);
    }
    Atomics.store(i32, i, sequence + 2);
  }

  #take(name: string): { row: number; error: string } | undefined {
    const row = this.#rows.size;
    if (row >= layout.maxLoops) return undefined;
    const { i32 } = this.#slot;
    const i = base32 + row * row32;
    i32[i + r.errorLen] = 0;
    i32[i + r.loop] = this.#intern(name);
    i32[i + r.live] = 1;
    i32[layout.slotI32.loopHigh] = row + 1;
    const known = { row, error: "" };
    this.#rows.set(name, known);
    return known;
  }
}
