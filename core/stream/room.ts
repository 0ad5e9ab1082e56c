/**
 * The bound of a stream: what all its lanes may hold together. Whoever opens a segment holds the stream's `room` lock for
 * the moment in which it counts and makes the file; an open segment counts with all that it may become. So the bound holds
 * without a word between the writers. Never waits for the lock longer than {@link lockTriesMs} in all.
 */
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { samePlace } from "./lane_folder.ts";
import { readSegmentHeader, segmentHeaderBytes } from "./record_codec.ts";
import { isLaneName, parseSegmentName } from "./spool_names.ts";
import { writerLock } from "./writer_lock.ts";

const lockTriesMs = [1, 1, 2, 2, 4, 4, 8, 8, 16, 16] as const;

export interface RoomInit {
  /** The stream's. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly segmentBytes: number;
  /** Name of the lane that asks. */
  readonly lane: string;
  readonly clock: Clock;
}

/** What a segment takes. */
interface Taken {
  readonly lane: string;
  readonly path: string;
  readonly first: number;
  readonly closed: boolean;
  bytes: number;
}

/** What is done while nobody else counts. */
export interface Taking<T> {
  /** Before the count: completes the segment before it, whose name must not change while somebody looks. */
  before(): Promise<void>;
  /** Where there is room. */
  make(): Promise<T>;
}

/** Room for a segment; `release` lets others look for theirs. */
export interface TakenRoom<T> {
  readonly made: T;
  readonly dropped: number;
  release(): void;
}

/** See the module's header. */
export class Room {
  readonly #init: RoomInit;
  readonly #path: string;
  #file: Deno.FsFile | undefined;
  /** Sizes of complete segments by path: they do not change. */
  #sizes = new Map<string, number>();

  constructor(init: RoomInit) {
    this.#init = init;
    this.#path = join(init.folder, "room");
  }

  /**
   * Where `bytes` more fit, calls `make` while nobody else can take them. "full" where they do not fit, "busy" where others
   * hold the lock all the time. `drop`: gives up the oldest segments for it.
   */
  async take<T>(bytes: number, drop: boolean, taking: Taking<T>): Promise<TakenRoom<T> | "full" | "busy"> {
    const file = await this.#lock();
    if (!file) return "busy";
    const release = () => this.#unlock(file);
    try {
      await taking.before();
      const dropped = await this.#fits(bytes, drop);
      if (dropped === undefined) {
        release();
        return "full";
      }
      return { made: await taking.make(), dropped, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Runs `change` while nobody counts; in the end also where others hold the lock all the time. */
  async quietly(change: () => Promise<void>): Promise<void> {
    const file = await this.#lock();
    try {
      await change();
    } finally {
      if (file) this.#unlock(file);
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  async #lock(): Promise<Deno.FsFile | undefined> {
    for (let n = 0;; n++) {
      const file = this.#file ??= await Deno.open(this.#path, { write: true, create: true, mode: 0o600 });
      if (file.tryLockSync(true)) {
        if (await samePlace(file, this.#path)) return file;
        this.close();
        continue;
      }
      if (n >= lockTriesMs.length) return undefined;
      await new Promise<void>((resolve) => void this.#init.clock.after(lockTriesMs[n]!, resolve));
    }
  }

  #unlock(file: Deno.FsFile): void {
    if (file === this.#file) file.unlockSync();
  }

  /** Segments that were given up for it; undefined where it does not fit. */
  async #fits(bytes: number, drop: boolean): Promise<number | undefined> {
    const { maxBytes } = this.#init;
    const all = await this.#scan();
    let total = all.reduce((sum, one) => sum + one.bytes, 0);
    if (total + bytes <= maxBytes) return 0;
    for (const one of all) {
      if (one.closed || this.#isWritten(one)) continue;
      // Its writer is gone: it will not grow.
      const size = await sizeOf(one.path);
      total += size - one.bytes;
      one.bytes = size;
    }
    if (total + bytes <= maxBytes) return 0;
    if (!drop) return undefined;
    const closed = await inOrder(all.filter((one) => one.closed));
    const left = all.filter((one) => !one.closed && !this.#isWritten(one));
    let dropped = 0;
    for (const one of [...closed, ...left]) {
      await Deno.remove(one.path).catch(ignoreMissing);
      total -= one.bytes;
      dropped++;
      if (total + bytes <= maxBytes) return dropped;
    }
    return undefined;
  }

  async #scan(): Promise<Taken[]> {
    const { folder, segmentBytes } = this.#init;
    const all: Taken[] = [];
    const sizes = new Map<string, number>();
    for await (const lane of Deno.readDir(folder)) {
      if (!lane.isDirectory || !isLaneName(lane.name)) continue;
      for (const file of await filesIn(join(folder, lane.name))) {
        const name = parseSegmentName(file);
        if (!name) continue;
        const path = join(folder, lane.name, file);
        const closed = name.last > 0;
        const size = this.#sizes.get(path) ?? await sizeOf(path);
        if (closed) sizes.set(path, size);
        const bytes = closed ? size : Math.max(size, segmentBytes);
        all.push({ lane: lane.name, path, first: name.first, closed, bytes });
      }
    }
    this.#sizes = sizes;
    return all;
  }

  #isWritten({ lane }: Taken): boolean {
    if (lane === this.#init.lane) return true;
    try {
      return writerLock(join(this.#init.folder, lane)) === "held";
    } catch {
      return false;
    }
  }
}

/** The oldest first by when they were opened; those of one lane by their numbers, whatever the clock did. */
async function inOrder(segments: readonly Taken[]): Promise<Taken[]> {
  const lanes = Map.groupBy(segments, (one) => one.lane);
  const aged: Array<{ one: Taken; epochMs: number }> = [];
  for (const lane of lanes.values()) {
    let latest = -Infinity;
    for (const one of lane.toSorted((a, b) => a.first - b.first)) {
      latest = Math.max(latest, await openedAt(one.path));
      aged.push({ one, epochMs: latest });
    }
  }
  return aged.sort((a, b) => a.epochMs - b.epochMs || a.one.first - b.one.first).map(({ one }) => one);
}

/** Epoch ms; -Infinity for one that cannot be read. */
async function openedAt(path: string): Promise<number> {
  try {
    using file = await Deno.open(path);
    const bytes = new Uint8Array(segmentHeaderBytes);
    await file.read(bytes);
    return readSegmentHeader(bytes)?.epochMs ?? -Infinity;
  } catch {
    return -Infinity;
  }
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    ignoreMissing(error);
    return [];
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    ignoreMissing(error);
    return 0;
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
