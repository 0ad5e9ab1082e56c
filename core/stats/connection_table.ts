/**
 * The open connections of one process, in its slot. 8192 rows, written like the requests in flight
 * (inflight_table.ts); numbers are stored singly, so only opening a row needs the sequence number.
 */
import { writeText } from "./fixed_text.ts";
import { clearRows } from "./inflight_table.ts";
import type { Counter } from "./instruments.ts";
import * as layout from "./layout.ts";

const row32 = layout.connectionBytes / 4;
const row64 = layout.connectionBytes / 8;
const base32 = layout.connectionsAt / 4;
const base64 = layout.connectionsAt / 8;
const r = layout.connectionRow;

/** The writer's side. Rows are numbers; -1 ("no row was free") is accepted everywhere and does nothing. */
export class ConnectionTable {
  readonly #slot: layout.SlotViews;
  readonly #free = new Int32Array(layout.maxConnections);
  #top = layout.maxConnections;
  #high = 0;
  readonly #dropped: Counter;

  constructor(slot: layout.SlotViews, dropped: Counter) {
    this.#slot = slot;
    this.#dropped = dropped;
    this.clear();
  }

  /** Empties the table: what a former process of the slot left, or what this one leaves. Rows given out are void. */
  clear(): void {
    const { i32 } = this.#slot;
    for (let i = 0; i < layout.maxConnections; i++) this.#free[i] = layout.maxConnections - 1 - i;
    this.#top = layout.maxConnections;
    this.#high = 0;
    clearRows(this.#slot, layout.slotI32.connectionHigh, layout.maxConnections, base32, row32, (row) => {
      i32[base32 + row * row32 + r.open] = 0;
    });
    i32[layout.slotI32.connectionCount] = 0;
  }

  /** Connections with a row now. */
  get size(): number {
    return layout.maxConnections - this.#top;
  }

  /**
   * A connection was accepted: returns its row, or -1 when all rows are taken (counted).
   * @param listener index from `SlotWriter.intern`. @param peer address, cut at 64 bytes. @param at epoch ms.
   */
  open(listener: number, peer: string, tls: boolean, at: number): number {
    if (this.#top === 0) {
      this.#dropped.add();
      return -1;
    }
    const row = this.#free[--this.#top]!;
    const { bytes, i32, f64 } = this.#slot;
    const i = base32 + row * row32;
    const f = base64 + row * row64;
    const sequence = Atomics.add(i32, i, 1);
    i32[i + r.listener] = listener;
    i32[i + r.phase] = 0;
    i32[i + r.tls] = tls ? 1 : 0;
    i32[i + r.peerLen] = writeText(bytes, i * 4 + r.peer, r.peerBytes, peer);
    f64[f + r.openedAt] = at;
    f64[f + r.activeAt] = at;
    f64[f + r.requests] = 0;
    f64[f + r.bytesIn] = 0;
    f64[f + r.bytesOut] = 0;
    i32[i + r.open] = 1;
    Atomics.store(i32, i, sequence + 2);
    i32[layout.slotI32.connectionCount] = layout.maxConnections - this.#top;
    if (row >= this.#high) i32[layout.slotI32.connectionHigh] = this.#high = row + 1;
    return row;
  }

  phase(row: number, phase: number): void {
    if (row < 0) return;
    this.#slot.i32[base32 + row * row32 + r.phase] = phase;
  }

  /** One more request on it, at epoch ms. */
  request(row: number, at: number): void {
    if (row < 0) return;
    const f64 = this.#slot.f64;
    const f = base64 + row * row64;
    f64[f + r.requests] = f64[f + r.requests]! + 1;
    f64[f + r.activeAt] = at;
  }

  /** Something happened on it, at epoch ms. */
  active(row: number, at: number): void {
    if (row < 0) return;
    this.#slot.f64[base64 + row * row64 + r.activeAt] = at;
  }

  /** Bytes moved, where the protocol knows them. */
  bytes(row: number, received: number, sent: number): void {
    if (row < 0) return;
    const f64 = this.#slot.f64;
    const f = base64 + row * row64;
    f64[f + r.bytesIn] = f64[f + r.bytesIn]! + received;
    f64[f + r.bytesOut] = f64[f + r.bytesOut]! + sent;
  }

  /** The connection is gone; closing a row twice does nothing the second time. */
  close(row: number): void {
    if (row < 0) return;
    const { i32 } = this.#slot;
    const at = base32 + row * row32 + r.open;
    if (i32[at] === 0) return;
    i32[at] = 0;
    this.#free[this.#top++] = row;
    i32[layout.slotI32.connectionCount] = layout.maxConnections - this.#top;
  }
}
