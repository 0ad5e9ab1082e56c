/**
 * The statistics memory of a service: one file, mapped by all of its processes and threads, or (where files cannot be
 * mapped) memory of this process that snapshots of the others are applied to. Same interface, same layout.
 */
import { statfsSync } from "node:fs";
import * as layout from "./layout.ts";
import { mapFile, mappingFault } from "./map_file.ts";
import { isProcessAlive } from "./process_alive.ts";
import { SharedNumbers } from "./shared_numbers.ts";
import { Slot } from "./slot.ts";
import { SnapshotReceiver } from "./snapshot.ts";

const slotsI32 = 2;
const creatorI32 = 4;
/** Room that a memory file system must have: writing to a mapped page that cannot be had kills the process. */
const minRoomBytes = 32 * 1024 * 1024;

/** What a thread needs to open the memory of its process: structured-cloneable. */
export type StatsThreadView = { path: string } | { buffer: SharedArrayBuffer };

/** All slots of a service. Get it from openStatsFile(), localStatsMemory() or openThreadView(). */
export class StatsMemory {
  /** Path of the mapped file; undefined for memory of this process alone. */
  readonly path: string | undefined;
  /** Number of slots. */
  readonly slots: number;
  /** Integers that all processes of the service change exactly. */
  readonly shared: SharedNumbers;
  readonly #buffer: ArrayBufferLike;
  readonly #used: Int32Array;
  readonly #slots: Slot[] = [];
  readonly #receivers = new Map<number, SnapshotReceiver>();

  /** @internal */
  constructor(buffer: ArrayBufferLike, path: string | undefined) {
    const head = new Int32Array(buffer, 0, layout.fileHeaderBytes / 4);
    this.path = path;
    this.slots = head[slotsI32]!;
    this.#buffer = buffer;
    this.#used = head.subarray(layout.usedFlagsAt / 4);
    const shared = layout.viewsOf(buffer, layout.fileHeaderBytes, layout.sharedBytes);
    this.shared = new SharedNumbers(shared, path !== undefined);
  }

  /** Slot `number`, for reading or writing. Throws a RangeError outside 0..slots-1. */
  slot(number: number): Slot {
    if (!Number.isInteger(number) || number < 0 || number >= this.slots) {
      throw new RangeError(`Cannot use slot ${number}: there are ${this.slots}`);
    }
    return this.#slots[number] ??= new Slot(
      number,
      layout.viewsOf(this.#buffer, layout.fileBytes(number), layout.slotBytes),
      () => this.#markUsed(number),
    );
  }

  /** The slots that were ever written, in their order. */
  usedSlots(): Slot[] {
    const used: Slot[] = [];
    for (let n = 0; n < this.slots; n++) if (Atomics.load(this.#used, n) === 1) used.push(this.slot(n));
    return used;
  }

  /**
   * Takes over a snapshot of another process's slot (`SlotWriter.snapshot()`); those of one process in their order.
   * Returns how many of its series found no place here. Throws a RangeError when the bytes are damaged.
   */
  applySnapshot(number: number, snapshot: Uint8Array): number {
    let receiver = this.#receivers.get(number);
    if (!receiver) this.#receivers.set(number, receiver = new SnapshotReceiver(this.slot(number).views));
    const leftOut = receiver.apply(snapshot);
    this.#markUsed(number);
    return leftOut;
  }

  /** What a thread of this process needs for openThreadView(). */
  threadView(): StatsThreadView {
    if (this.path !== undefined) return { path: this.path };
    return { buffer: this.#buffer as SharedArrayBuffer };
  }

  #markUsed(number: number): void {
    Atomics.store(this.#used, number, 1);
  }
}

/** How a service keeps its statistics: mapped, or by snapshots and why. */
export type StatsMode = { mode: "mapped" } | { mode: "snapshot"; reason: string };

/** Decides between mapping and snapshots; `wanted` "snapshot" forces them. */
export function chooseStatsMode(wanted: "auto" | "snapshot" = "auto"): StatsMode {
  if (wanted === "snapshot") return { mode: "snapshot", reason: "asked for" };
  const fault = mappingFault();
  return fault === undefined ? { mode: "mapped" } : { mode: "snapshot", reason: fault };
}

/**
 * Where the file of the service with this runtime folder belongs: on a memory file system where there is one with
 * room, else in the folder itself. The same folder gives the same path, so a restarted service replaces its file.
 */
export function statsFilePath(runtimeFolder: string, memoryFolder = "/dev/shm"): string {
  if (Deno.build.os === "linux") {
    try {
      const { bavail, bsize } = statfsSync(memoryFolder);
      if (bavail * bsize >= minRoomBytes) {
        return `${memoryFolder}/weir-${Deno.uid()}-${pathHash(Deno.realPathSync(runtimeFolder))}.stats`;
      }
    } catch {
      // No memory file system here: the runtime folder does as well, its pages are written back now and then.
    }
  }
  return `${runtimeFolder}/stats`;
}

function pathHash(path: string): string {
  let a = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(path)) {
    a = BigInt.asUintN(64, (a ^ BigInt(byte)) * 0x100000001b3n);
  }
  return a.toString(16).padStart(16, "0");
}

/**
 * Makes an empty file of 0600 (supervisor, at start). A file that is there is replaced, not emptied: who maps the
 * old one goes on with it. It is sparse: `slots` × 5 MiB on paper, what is used in fact.
 */
export function createStatsFile(path: string, options: { slots?: number } = {}): void {
  const slots = options.slots ?? 64;
  const temporary = `${path}.${Deno.pid}`;
  removeStatsFile(temporary);
  const file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
  try {
    file.truncateSync(layout.fileBytes(checkSlots(slots)));
    const head = new Int32Array([layout.magic, layout.layoutVersion, slots, layout.slotBytes, Deno.pid]);
    file.writeSync(new Uint8Array(head.buffer));
  } finally {
    file.close();
  }
  Deno.renameSync(temporary, path);
}

/**
 * Removes the file; those who map it keep their memory. Nothing happens when it is gone. With `orphaned`, only when the
 * process that made it is gone: for children that outlive a killed supervisor, whose successor may have its file there.
 */
export function removeStatsFile(path: string, options: { orphaned?: boolean } = {}): void {
  try {
    if (options.orphaned && isProcessAlive(readHead(path)[creatorI32]!, 0)) return;
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The numbers at the start of a file; zeroes where it is too short. */
function readHead(path: string): Int32Array {
  const head = new Int32Array(5);
  using file = Deno.openSync(path, { read: true });
  file.readSync(new Uint8Array(head.buffer));
  return head;
}

/** Maps the file; the mapping lives as long as the process. Throws MappingUnavailable, or an Error for a wrong file. */
export function openStatsFile(path: string): StatsMemory {
  const [magic, version, slots, slotBytes] = readHead(path);
  const same = magic === layout.magic && slotBytes === layout.slotBytes;
  if (!same || version !== layout.layoutVersion) {
    throw new Error(`Cannot open ${path}: it is not a statistics file of this version`);
  }
  return new StatsMemory(mapFile(path, layout.fileBytes(checkSlots(slots!))), path);
}

/** Memory of this process (its threads can open it too): for one process, tests, and as receiver of snapshots. */
export function localStatsMemory(slots = 8): StatsMemory {
  const buffer = new SharedArrayBuffer(layout.fileBytes(checkSlots(slots)));
  new Int32Array(buffer).set([layout.magic, layout.layoutVersion, slots, layout.slotBytes, Deno.pid]);
  return new StatsMemory(buffer, undefined);
}

/** Opens the memory of this process in one of its threads. */
export function openThreadView(view: StatsThreadView): StatsMemory {
  return "path" in view ? openStatsFile(view.path) : new StatsMemory(view.buffer, undefined);
}

function checkSlots(slots: number): number {
  if (Number.isInteger(slots) && slots >= 1 && slots <= layout.maxSlots) return slots;
  throw new RangeError(`Cannot keep statistics in ${slots} slots: 1 to ${layout.maxSlots}`);
}
