/**
 * The upstreams of one process, a row each in its slot, beside the endpoints (endpoint_table.ts): where their endpoints
 * come from and how that goes, panic, breakers, retry budget, throttle. 128 rows, found by name, written once a second.
 */
import { writeText } from "./fixed_text.ts";
import { clearRows } from "./inflight_table.ts";
import * as layout from "./layout.ts";

const row32 = layout.upstreamBytes / 4;
const row64 = layout.upstreamBytes / 8;
const base32 = layout.upstreamsAt / 4;
const base64 = layout.upstreamsAt / 8;
const r = layout.upstreamRow;

/** What a worker says of an upstream. */
export interface UpstreamFigures {
  /** Where its endpoints come from: `dns users.internal`; cut at 64 bytes. */
  source: string;
  /** Epoch ms of the last answer that was taken; 0 before the first. */
  updatedAt: number;
  /** Why the last answer was not taken, empty where all is well; cut at 96 bytes. */
  error: string;
  /** Whether its endpoints are those that were kept on disk. */
  cached: boolean;
  /** Whether health is ignored, because too few endpoints are healthy. */
  panic: boolean;
  /** Its breakers that are not closed, for people: `GET open, POST halfOpen`; empty where none is; cut at 128 bytes. */
  breakers: string;
  /** Retries that the budget allows now; -1 where there is no budget. */
  retryLeft: number;
  /** Calls that run and wait in the throttle; 0 without one. */
  throttleInflight: number;
  throttleWaiting: number;
}

/** The writer's side. */
export class UpstreamTable {
  readonly #slot: layout.SlotViews;
  readonly #intern: (text: string) => number;
  readonly #rows = new Map<string, { row: number; source: string; error: string; breakers: string }>();

  constructor(slot: layout.SlotViews, intern: (text: string) => number) {
    this.#slot = slot;
    this.#intern = intern;
    this.clear();
  }

  /** Empties the table: what a former process of the slot left, or what this one leaves. */
  clear(): void {
    this.#rows.clear();
    clearRows(this.#slot, layout.slotI32.upstreamHigh, layout.maxUpstreams, base32, row32, (row) => {
      this.#slot.i32[base32 + row * row32 + r.live] = 0;
    });
  }

  /** Writes what is true now of upstream `name`; past 128 upstreams nothing. `figures` may be used again. */
  set(name: string, figures: UpstreamFigures): void {
    const { i32, f64 } = this.#slot;
    const known = this.#rows.get(name) ?? this.#take(name);
    if (!known) return;
    const i = base32 + known.row * row32;
    const f = base64 + known.row * row64;
    i32[i + r.cached] = figures.cached ? 1 : 0;
    i32[i + r.panic] = figures.panic ? 1 : 0;
    i32[i + r.throttleInflight] = figures.throttleInflight;
    i32[i + r.throttleWaiting] = figures.throttleWaiting;
    f64[f + r.updatedAt] = figures.updatedAt;
    f64[f + r.retryLeft] = figures.retryLeft;
    const { source, error, breakers } = figures;
    if (source === known.source && error === known.error && breakers === known.breakers) return;
    Object.assign(known, { source, error, breakers });
    const { bytes } = this.#slot;
    const sequence = Atomics.add(i32, i, 1);
    i32[i + r.sourceLen] = writeText(bytes, i * 4 + r.source, r.sourceBytes, source);
    i32[i + r.errorLen] = writeText(bytes, i * 4 + r.error, r.errorBytes, error);
    i32[i + r.breakersLen] = writeText(bytes, i * 4 + r.breakers, r.breakersBytes, breakers);
    Atomics.store(i32, i, sequence + 2);
  }

  #take(name: string): { row: number; source: string; error: string; breakers: string } | undefined {
    const row = this.#rows.size;
    if (row >= layout.maxUpstreams) return undefined;
    const { i32 } = this.#slot;
    const i = base32 + row * row32;
    i32.fill(0, i + r.cached, i + r.breakersLen + 1);
    i32[i + r.upstream] = this.#intern(name);
    i32[i + r.live] = 1;
    i32[layout.slotI32.upstreamHigh] = row + 1;
    const known = { row, source: "", error: "", breakers: "" };
    this.#rows.set(name, known);
    return known;
  }
}
