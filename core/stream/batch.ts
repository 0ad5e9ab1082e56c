/** Records that go to a sink at once, and what else is settled together with them. */
import type { OutgoingRecord } from "./contract.ts";
import type { Lane } from "./lane.ts";

/** The part of one lane in a batch: all sequences up to `through` that are in no batch before. */
export interface Slice {
  readonly lane: Lane;
  through: number;
  records: number;
  /** Lost to damage. */
  failed: number;
  /** Given up by their writer. */
  dropped: number;
  damagedBytes: number;
  /** Epoch ms of its first record; 0 where it has none. */
  oldestAt: number;
}

/** Filled by lanes, delivered as a whole. */
export class Batch {
  readonly records: OutgoingRecord[] = [];
  readonly slices: Map<Lane, Slice> = new Map<Lane, Slice>();
  bytes = 0;
  /** Sequences in it: records and lost ones. */
  count = 0;
  /** No record has room any more. */
  full = false;
  /** Monotonic ms when the first record came. */
  startedAt = 0;
  readonly #maxRecords: number;
  readonly #maxBytes: number;

  constructor(limits: { records: number; bytes: number }) {
    this.#maxRecords = limits.records;
    this.#maxBytes = limits.bytes;
  }

  get empty(): boolean {
    return this.slices.size === 0;
  }

  /** Whether a record of `bytes` has room; a longer one than the limit goes alone. Notes that the batch is full. */
  fits(bytes: number): boolean {
    if (this.records.length > 0 && this.bytes + bytes > this.#maxBytes) this.full = true;
    return !this.full;
  }

  slice(lane: Lane): Slice {
    let slice = this.slices.get(lane);
    if (slice === undefined) {
      slice = { lane, through: 0, records: 0, failed: 0, dropped: 0, damagedBytes: 0, oldestAt: 0 };
      this.slices.set(lane, slice);
    }
    return slice;
  }

  /** Adds the next record of a lane. */
  add(slice: Slice, record: OutgoingRecord, bytes: number): void {
    this.records.push(record);
    this.bytes += bytes;
    this.count++;
    slice.records++;
    slice.through = record.sequence;
    if (slice.records === 1) slice.oldestAt = record.timestamp;
    if (this.records.length >= this.#maxRecords || this.bytes >= this.#maxBytes) this.full = true;
  }

  /** Adds sequences that are lost, up to `through`. */
  lose(slice: Slice, kind: "failed" | "dropped", count: number, through: number): void {
    slice[kind] += count;
    slice.through = through;
    this.count += count;
  }
}
