/**
 * The endpoints of one process's upstreams, in its slot: who gets traffic and who not, why, and until when. 512 rows,
 * each written by the process once a second with plain stores. Numbers may be read in the middle of that; texts have
 * the sequence number of the other tables, and are written only when they change.
 */
import { writeText } from "./fixed_text.ts";
import { clearRows } from "./inflight_table.ts";
import type { Counter } from "./instruments.ts";
import * as layout from "./layout.ts";

const row32 = layout.endpointBytes / 4;
const row64 = layout.endpointBytes / 8;
const base32 = layout.endpointsAt / 4;
const base64 = layout.endpointsAt / 8;
const r = layout.endpointRow;

/** Whether an endpoint gets traffic; the number in the row is the place in this list. */
export const endpointStates = ["usable", "ejected", "unhealthy", "operator", "breaker", "removed"] as const;
export type EndpointStateName = typeof endpointStates[number];

/** What a worker says of an endpoint. */
export interface EndpointFigures {
  state: EndpointStateName;
  /** Epoch ms until which it is out of use; 0 where it is not, or where nobody knows. */
  until: number;
  /** Why it is out of use, for people; cut at 128 bytes. */
  cause: string;
  weight: number;
  priority: number;
  /** 0 while unknown. */
  ewmaMs: number;
  inflight: number;
  /** Connections. */
  idle: number;
  busy: number;
  /** Calls that wait for a connection. */
  waiters: number;
  /** Totals of this process. */
  attempts: number;
  failures: number;
  /** How long its oldest attempt waits for a reply; 0 where none does. */
  oldestMs: number;
}

/** The writer's side. */
export class EndpointTable {
  readonly #slot: layout.SlotViews;
  readonly #free = new Int16Array(layout.maxEndpoints);
  #top = layout.maxEndpoints;
  #high = 0;
  #epoch = 0;
  readonly #dropped: Counter;
  readonly #intern: (text: string) => number;

  constructor(slot: layout.SlotViews, dropped: Counter, intern: (text: string) => number) {
    this.#slot = slot;
    this.#dropped = dropped;
    this.#intern = intern;
    this.clear();
  }

  /** Empties the table: what a former process of the slot left, or what this one leaves. Rows given out are void. */
  clear(): void {
    this.#epoch++;
    for (let i = 0; i < layout.maxEndpoints; i++) this.#free[i] = layout.maxEndpoints - 1 - i;
    this.#top = layout.maxEndpoints;
    this.#high = 0;
    clearRows(this.#slot, layout.slotI32.endpointHigh, layout.maxEndpoints, base32, row32, (row) => {
      this.#slot.i32[base32 + row * row32 + r.live] = 0;
    });
  }

  /** Endpoints with a row now. */
  get size(): number {
    return layout.maxEndpoints - this.#top;
  }

  /** The row of an endpoint; where none is free it is counted, and gets one when others end. */
  row(upstream: string, address: string, role: string | null = null): EndpointRow {
    if (this.#top === 0) this.#dropped.add();
    const epoch = this.#epoch;
    const take = () => epoch === this.#epoch ? this.#take(upstream, address, role ?? "") : -1;
    const give = (row: number) => {
      if (epoch === this.#epoch) this.#give(row);
    };
    return new EndpointRow(this.#slot, take, give);
  }

  #take(upstream: string, address: string, role: string): number {
    if (this.#top === 0) return -1;
    const row = this.#free[--this.#top]!;
    const { bytes, i32, f64 } = this.#slot;
    const i = base32 + row * row32;
    const sequence = Atomics.add(i32, i, 1);
    i32.fill(0, i + 1, i + r.addressLen);
    f64.fill(0, base64 + row * row64 + r.until, base64 + row * row64 + r.oldestMs + 1);
    i32[i + r.upstream] = this.#intern(upstream);
    i32[i + r.addressLen] = writeText(bytes, i * 4 + r.address, r.addressBytes, address);
    i32[i + r.roleLen] = writeText(bytes, i * 4 + r.role, r.roleBytes, role);
    i32[i + r.causeLen] = 0;
    i32[i + r.live] = 1;
    Atomics.store(i32, i, sequence + 2);
    if (row >= this.#high) i32[layout.slotI32.endpointHigh] = this.#high = row + 1;
    return row;
  }

  #give(row: number): void {
    this.#slot.i32[base32 + row * row32 + r.live] = 0;
    this.#free[this.#top++] = row;
  }
}

/** One endpoint of the table. */
export class EndpointRow {
  readonly #slot: layout.SlotViews;
  readonly #take: () => number;
  readonly #give: (row: number) => void;
  #row: number;
  #cause = "";
  #ended = false;

  /** @internal */
  constructor(slot: layout.SlotViews, take: () => number, give: (row: number) => void) {
    this.#slot = slot;
    this.#take = take;
    this.#give = give;
    this.#row = take();
  }

  /** Writes what is true now; allocates nothing, so `figures` may be one object that is used again. */
  set(figures: EndpointFigures): void {
    if (this.#ended) return;
    if (this.#row < 0 && (this.#row = this.#take()) < 0) return;
    const { i32, f64 } = this.#slot;
    const i = base32 + this.#row * row32;
    const f = base64 + this.#row * row64;
    i32[i + r.state] = endpointStates.indexOf(figures.state);
    i32[i + r.priority] = figures.priority;
    i32[i + r.inflight] = figures.inflight;
    i32[i + r.idle] = figures.idle;
    i32[i + r.busy] = figures.busy;
    i32[i + r.waiters] = figures.waiters;
    f64[f + r.until] = figures.until;
    f64[f + r.weight] = figures.weight;
    f64[f + r.ewmaMs] = figures.ewmaMs;
    f64[f + r.attempts] = figures.attempts;
    f64[f + r.failures] = figures.failures;
    f64[f + r.oldestMs] = figures.oldestMs;
    if (figures.cause !== this.#cause) this.#writeCause(i, figures.cause);
  }

  /** The endpoint is gone and idle: its row goes back. Ending twice does nothing the second time. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#row >= 0) this.#give(this.#row);
  }

  #writeCause(i: number, cause: string): void {
    const { bytes, i32 } = this.#slot;
    const sequence = Atomics.add(i32, i, 1);
    i32[i + r.causeLen] = writeText(bytes, i * 4 + r.cause, r.causeBytes, cause);
    Atomics.store(i32, i, sequence + 2);
    this.#cause = cause;
  }
}
