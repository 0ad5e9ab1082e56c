/**
 * The requests in flight of one process, in its slot: who hangs, in what, since when, readable by others while and after
 * it hangs. 4096 rows; the free list is the writer's own, so taking and giving back a row is a few stores.
 *
 * A row's sequence number is odd while the row is written (a seqlock): a reader that saw it change reads again. It is
 * changed with Atomics, so that no processor moves the stores of the row outside of it.
 */
import { writeText } from "./fixed_text.ts";
import type { Counter } from "./instruments.ts";
import * as layout from "./layout.ts";

const row32 = layout.inflightBytes / 4;
const row64 = layout.inflightBytes / 8;
const base32 = layout.inflightAt / 4;
const base64 = layout.inflightAt / 8;
const r = layout.inflightRow;

/** The writer's side. Rows are numbers; -1 ("no row was free") is accepted everywhere and does nothing. */
export class InflightTable {
  readonly #slot: layout.SlotViews;
  readonly #bytes: Uint8Array;
  readonly #i32: Int32Array;
  readonly #f64: Float64Array;
  readonly #free = new Int32Array(layout.maxInflight);
  #top = layout.maxInflight;
  #high = 0;
  #lastId: number;
  readonly #dropped: Counter;

  constructor(slot: layout.SlotViews, dropped: Counter) {
    this.#bytes = slot.bytes;
    this.#i32 = slot.i32;
    this.#f64 = slot.f64;
    this.#dropped = dropped;
    this.#lastId = slot.f64[layout.slotF64.lastRequestId]!;
    this.#slot = slot;
    this.clear();
  }

  /** Empties the table: what a former process of the slot left, or what this one leaves. Rows given out are void. */
  clear(): void {
    for (let i = 0; i < layout.maxInflight; i++) this.#free[i] = layout.maxInflight - 1 - i;
    this.#top = layout.maxInflight;
    this.#high = 0;
    clearRows(this.#slot, layout.slotI32.inflightHigh, layout.maxInflight, base32, row32, (row) => {
      this.#f64[base64 + row * row64 + r.id] = 0;
    });
    this.#i32[layout.slotI32.inflightCount] = 0;
  }

  /** Requests in flight now, without those that found no row. */
  get size(): number {
    return layout.maxInflight - this.#top;
  }

  /**
   * A request begins: returns its row, or -1 when all rows are taken (counted).
   * @param listener index from `SlotWriter.intern`. @param connection row of the connection table or -1.
   */
  begin(listener: number, connection: number, startedAt: number, text?: string): number {
    if (this.#top === 0) {
      this.#dropped.add();
      return -1;
    }
    const row = this.#free[--this.#top]!;
    const i32 = this.#i32;
    const f64 = this.#f64;
    const i = base32 + row * row32;
    const f = base64 + row * row64;
    const sequence = Atomics.add(i32, i, 1);
    i32[i + r.listener] = listener;
    i32[i + r.phase] = 0;
    i32[i + r.connection] = connection;
    i32[i + r.markLen] = 0;
    i32[i + r.textLen] = text === undefined ? 0 : writeText(this.#bytes, i * 4 + r.text, r.textBytes, text);
    f64[f + r.id] = ++this.#lastId;
    f64[f + r.startedAt] = startedAt;
    Atomics.store(i32, i, sequence + 2);
    f64[layout.slotF64.lastRequestId] = this.#lastId;
    i32[layout.slotI32.inflightCount] = layout.maxInflight - this.#top;
    if (row >= this.#high) i32[layout.slotI32.inflightHigh] = this.#high = row + 1;
    return row;
  }

  /** Sets the text of a row whose request became known after begin(). */
  text(row: number, text: string): void {
    if (row < 0) return;
    const i = base32 + row * row32;
    const sequence = Atomics.add(this.#i32, i, 1);
    this.#i32[i + r.textLen] = writeText(this.#bytes, i * 4 + r.text, r.textBytes, text);
    Atomics.store(this.#i32, i, sequence + 2);
  }

  phase(row: number, phase: number): void {
    if (row < 0) return;
    this.#i32[base32 + row * row32 + r.phase] = phase;
  }

  /** Leaves a short text (64 bytes): what the request is doing now. */
  mark(row: number, text: string, at: number = Date.now()): void {
    if (row < 0) return;
    const i = base32 + row * row32;
    const sequence = Atomics.add(this.#i32, i, 1);
    this.#i32[i + r.markLen] = writeText(this.#bytes, i * 4 + r.mark, r.textBytes, text);
    this.#f64[base64 + row * row64 + r.markedAt] = at;
    Atomics.store(this.#i32, i, sequence + 2);
  }

  /** The request ended; the row goes back. Ending a row twice does nothing the second time. */
  end(row: number): void {
    if (row < 0) return;
    const f = base64 + row * row64 + r.id;
    if (this.#f64[f] === 0) return;
    this.#f64[f] = 0;
    this.#free[this.#top++] = row;
    this.#i32[layout.slotI32.inflightCount] = layout.maxInflight - this.#top;
  }
}

/** Empties the rows a former process of the slot left behind, also one that died while writing a row. */
export function clearRows(
  slot: layout.SlotViews,
  highAt: number,
  max: number,
  base: number,
  rowSize: number,
  free: (row: number) => void,
): void {
  const high = Math.min(Math.max(slot.i32[highAt]!, 0), max);
  for (let row = 0; row < high; row++) {
    const at = base + row * rowSize;
    free(row);
    slot.i32[at] = (slot.i32[at]! + 1) & ~1;
  }
  slot.i32[highAt] = 0;
}
