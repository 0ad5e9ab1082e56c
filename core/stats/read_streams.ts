/**
 * Reads the streams of all slots. Every row is of one moment, so `sent = acked + failed + dropped + queued` holds in it;
 * rows of a process that is gone are there too, and say so.
 */
import type { StreamFigures } from "../stream/contract.ts";
import * as layout from "./layout.ts";
import type { Rows } from "./read_tables.ts";
import type { Slot } from "./slot.ts";
import type { StatsMemory } from "./stats_memory.ts";
import { copyOf, readStreamRow, streamRows } from "./stream_table.ts";

/** One stream as one process ships it, or shipped it. */
export interface WorkerStream extends StreamFigures {
  slot: number;
  /** What readers call the process. */
  worker: string;
  stream: string;
  /** Whether the process that wrote these figures runs, and still has the slot. */
  alive: boolean;
}

/** The streams of all processes, or of those `only` accepts, by name and slot. */
export function readStreams(
  memory: StatsMemory,
  { limit = 1000, only }: { limit?: number; only?: (slot: Slot) => boolean } = {},
): Rows<WorkerStream> {
  const rows: WorkerStream[] = [];
  const copy = copyOf();
  for (const slot of memory.usedSlots()) {
    if (only && !only(slot)) continue;
    const high = streamRows(slot.views);
    if (high === 0) continue;
    const { pid, alive, worker } = slot;
    const startedAt = slot.views.f64[layout.slotF64.startedAt]!;
    for (let row = 0; row < high; row++) {
      const told = readStreamRow(slot.views, row, copy);
      if (!told) continue;
      const { writer, stream, figures } = told;
      const same = writer.pid === pid && writer.startedAt === startedAt;
      rows.push({ slot: slot.number, worker, stream, alive: alive && same, ...figures });
    }
  }
  rows.sort((a, b) => a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : a.slot - b.slot);
  return { total: rows.length, rows: rows.slice(0, limit) };
}
