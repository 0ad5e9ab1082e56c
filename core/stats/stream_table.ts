/**
 * The streams that one process ships, a row each in its slot, beside its loops (loop_table.ts). Two things are different
 * from the other tables. A row is written into the one of its two copies that nobody reads, and then turned over: who
 * reads has all figures of one moment, also when the writer died in the middle of a row. And rows outlive their writer:
 * what waits in a spool is no less true when nobody ships it, so a row stays until the next writer of the slot sets it.
 */
import { type StreamFigures, streamStates } from "../stream/contract.ts";
import { readText, writeText } from "./fixed_text.ts";
import * as layout from "./layout.ts";

const { slotF64, slotI32, streamCopy: c } = layout;

/** The process that wrote a row. */
export interface StreamWriter {
  pid: number;
  /** Epoch ms. */
  startedAt: number;
}

/** One row, with who wrote it. */
export interface StreamRow {
  stream: string;
  writer: StreamWriter;
  figures: StreamFigures;
}

/** The writer's side. */
export class StreamTable {
  readonly #slot: layout.SlotViews;
  /** Rows by name; those that this writer has not set yet stand in `#former` as well. */
  readonly #rows = new Map<string, number>();
  readonly #former = new Set<string>();
  #next: number;

  constructor(slot: layout.SlotViews) {
    this.#slot = slot;
    this.#next = streamRows(slot);
    for (let row = 0; row < this.#next; row++) {
      const name = readStreamRow(slot, row, copyOf())?.stream;
      if (name === undefined) continue;
      this.#rows.set(name, row);
      this.#former.add(name);
    }
  }

  /** Writes what is true now of stream `name`; past 128 streams nothing. `figures` may be used again. */
  set(name: string, figures: StreamFigures): void {
    const { i32, f64 } = this.#slot;
    this.#write(name, figures, i32[slotI32.pid]!, f64[slotF64.startedAt]!);
  }

  /** Takes the rows of the same slot from the memory of another process; rows that it has not are left as they are. */
  take(from: layout.SlotViews): void {
    const high = streamRows(from);
    const copy = copyOf();
    for (let row = 0; row < high; row++) {
      const told = readStreamRow(from, row, copy);
      if (told) this.#write(told.stream, told.figures, told.writer.pid, told.writer.startedAt);
    }
  }

  #write(name: string, figures: StreamFigures, pid: number, startedAt: number): void {
    const row = this.#row(name);
    if (row === undefined) return;
    const { i32, f64, bytes } = this.#slot;
    const at = layout.streamsAt + row * layout.streamBytes;
    // 0 means that nothing was ever written: passed over when the number has gone round.
    const next = (Atomics.load(i32, at / 4) + 1 | 0) || 2;
    const to = copyAt(at, next);
    const i = to / 4;
    const f = to / 8;
    i32[i + c.state] = streamStates.indexOf(figures.state);
    i32[i + c.pid] = pid;
    f64[f + c.startedAt] = startedAt;
    f64[f + c.sent] = figures.sent;
    f64[f + c.acked] = figures.acked;
    f64[f + c.failed] = figures.failed;
    f64[f + c.dropped] = figures.dropped;
    f64[f + c.queued] = figures.queued;
    f64[f + c.queuedBytes] = figures.queuedBytes;
    f64[f + c.oldestAt] = figures.oldestAt;
    f64[f + c.inflight] = figures.inflight;
    f64[f + c.retries] = figures.retries;
    f64[f + c.lanes] = figures.lanes;
    f64[f + c.damagedBytes] = figures.damagedBytes;
    f64[f + c.ackedAt] = figures.ackedAt;
    f64[f + c.at] = figures.at;
    f64[f + c.errorAt] = figures.errorAt;
    i32[i + c.nameLen] = writeText(bytes, to + c.name, c.nameBytes, name);
    i32[i + c.errorLen] = writeText(bytes, to + c.error, c.errorBytes, figures.error);
    Atomics.exchange(i32, at / 4, next);
    if (row >= i32[slotI32.streamHigh]!) i32[slotI32.streamHigh] = row + 1;
  }

  /** The row of `name`: its own, the next free one, or one of a stream that this writer has said nothing of. */
  #row(name: string): number | undefined {
    let row = this.#rows.get(name);
    if (row !== undefined) {
      this.#former.delete(name);
      return row;
    }
    if (this.#next < layout.maxStreams) row = this.#next++;
    else {
      const [former] = this.#former;
      if (former === undefined) return undefined;
      row = this.#rows.get(former)!;
      this.#rows.delete(former);
      this.#former.delete(former);
    }
    this.#rows.set(name, row);
    return row;
  }
}

/** How many rows of a slot were ever written; nothing there is trusted. */
export function streamRows({ i32 }: layout.SlotViews): number {
  return Math.min(Math.max(i32[slotI32.streamHigh]!, 0), layout.maxStreams);
}

/** Room for one copy of a row. */
export function copyOf(): layout.SlotViews {
  return layout.viewsOf(new ArrayBuffer(layout.streamCopyBytes), 0, layout.streamCopyBytes);
}

/**
 * Reads row `row` in one piece through `copy`, while it may be written: again for as long as it was turned over in
 * between. Undefined where it was never written, and for a writer that turns it over a thousand times in a row faster
 * than 456 bytes are copied.
 */
export function readStreamRow(
  slot: layout.SlotViews,
  row: number,
  copy: layout.SlotViews,
): StreamRow | undefined {
  const at = layout.streamsAt + row * layout.streamBytes;
  for (let attempt = 0; attempt < 1000; attempt++) {
    const sequence = Atomics.load(slot.i32, at / 4);
    if (sequence === 0) return undefined;
    const from = copyAt(at, sequence);
    copy.bytes.set(slot.bytes.subarray(from, from + layout.streamCopyBytes));
    if (Atomics.load(slot.i32, at / 4) === sequence) return decode(copy);
  }
  return undefined;
}

function copyAt(rowAt: number, sequence: number): number {
  return rowAt + layout.streamCopiesAt + (sequence & 1) * layout.streamCopyBytes;
}

function decode({ bytes, i32, f64 }: layout.SlotViews): StreamRow {
  return {
    stream: readText(bytes, c.name, c.nameBytes, i32[c.nameLen]!),
    writer: { pid: i32[c.pid]!, startedAt: f64[c.startedAt]! },
    figures: {
      state: streamStates[i32[c.state]!] ?? "stopped",
      sent: f64[c.sent]!,
      acked: f64[c.acked]!,
      failed: f64[c.failed]!,
      dropped: f64[c.dropped]!,
      queued: f64[c.queued]!,
      queuedBytes: f64[c.queuedBytes]!,
      oldestAt: f64[c.oldestAt]!,
      inflight: f64[c.inflight]!,
      retries: f64[c.retries]!,
      lanes: f64[c.lanes]!,
      damagedBytes: f64[c.damagedBytes]!,
      ackedAt: f64[c.ackedAt]!,
      at: f64[c.at]!,
      error: readText(bytes, c.error, c.errorBytes, i32[c.errorLen]!),
      errorAt: f64[c.errorAt]!,
    },
  };
}
