/** The statistics memory as the supervisor owns it: made at start, a slot for every child, read to watch them. */
import {
  chooseStatsMode,
  createStatsFile,
  localStatsMemory,
  openStatsFile,
  statsFilePath,
  type StatsMemory,
} from "../stats/mod.ts";
import { Slots } from "./slots.ts";
import { Vitals } from "./vitals.ts";

const leastSlots = 32;
const mostSlots = 256;

/** Slots that `workers` need: two generations at once, governor and shipper twice. */
export function slotsFor(workers: number, formerWorkers = workers): number {
  return Math.max(leastSlots, workers + formerWorkers + 6);
}

/** The memory of one service. */
export class ServiceMemory {
  /** Path of the mapped file; null where statistics come as snapshots. */
  readonly path: string | null;
  /** Why nothing is mapped; empty where the file is. */
  readonly reason: string;
  readonly slotCount: number;
  readonly #memory: StatsMemory;
  readonly #slots: Slots;
  /** Its lock tells other starts that this file is in use; see cleanStaleFolders(). */
  readonly #held: Deno.FsFile | undefined;

  /** Makes the file (0600) for a service with this runtime folder, or memory that snapshots are applied to. */
  constructor(runtimeFolder: string, workers: number, wanted: "auto" | "snapshot") {
    const mode = chooseStatsMode(wanted);
    this.slotCount = Math.min(mostSlots, slotsFor(workers));
    this.#slots = new Slots(this.slotCount);
    if (mode.mode === "snapshot") {
      this.path = null;
      this.reason = mode.reason;
      this.#memory = localStatsMemory(this.slotCount);
      return;
    }
    this.path = statsFilePath(runtimeFolder);
    this.reason = "";
    createStatsFile(this.path, { slots: this.slotCount });
    this.#held = Deno.openSync(this.path, { read: true, write: true });
    this.#held.tryLockSync(true);
    this.#memory = openStatsFile(this.path);
  }

  /** The file may be removed. */
  close(): void {
    this.#held?.close();
  }

  /** A slot for the stable id `key`; -1 when all are taken. */
  take(key: string): number {
    return this.#slots.take(key);
  }

  release(slot: number): void {
    this.#slots.release(slot);
  }

  /** The vital signs of process `pid` in `slot`. */
  vitals(slot: number, pid: number): Vitals {
    return new Vitals(this.#memory, slot, pid);
  }

  /** A child's snapshot, as base64; nothing happens where the file is mapped. */
  apply(slot: number, base64: string): void {
    if (this.path !== null) return;
    this.#memory.applySnapshot(slot, Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
  }
}
