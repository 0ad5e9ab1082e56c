/**
 * One lane of a spool as its shipper keeps it: what there is to read, what was done, and what may be deleted. A lane
 * belongs to one process that writes it; when that is dead and all is done, the lane ends.
 */
import { join } from "node:path";
import { isProcessAlive } from "../stats/process_alive.ts";
import type { Slice } from "./batch.ts";
import { CursorFile, type LaneCounts } from "./cursor_file.ts";
import { LaneReader, type PassedDamage } from "./lane_reader.ts";
import { LaneTail } from "./lane_tail.ts";
import type { OpenSegment } from "./segment_file.ts";
import { SegmentList } from "./segment_list.ts";
import { writerLock } from "./writer_lock.ts";

/** What a lane is made with. */
export interface LaneInit {
  readonly streamFolder: string;
  readonly name: string;
  /** Its records up to here are counted elsewhere: it was taken for dead, and its writer came back. */
  readonly countedThrough: number;
  readonly maxRecordBytes: number;
  readonly open: OpenSegment;
  now(): number;
  damaged(lane: Lane, damage: PassedDamage): void;
}

const probeEveryMs = 500;
const certainAfterMs = 1000;
const nothingYetMs = 5000;

export class Lane {
  readonly name: string;
  readonly folder: string;
  readonly list: SegmentList;
  readonly reader: LaneReader;
  readonly counts: LaneCounts;
  /** Its cursor could not be read, though there was one. */
  readonly cursorDamaged: boolean;
  /** Nobody writes it any more. */
  dead = false;
  /** Monotonic ms until which it is left alone after a failure. */
  restsUntil = -Infinity;
  readonly #now: () => number;
  readonly #cursor: CursorFile;
  readonly #end: LaneTail;
  readonly #pid: number;
  readonly #countedBefore: number;
  #probedAt = -Infinity;
  /** Monotonic ms since when nobody held the lock; undefined while somebody does. */
  #freeSince: number | undefined;
  /** The cursor on disk is behind {@link counts}. */
  #unwritten = false;

  /** Reads its cursor. Throws where the disk does not say. */
  constructor(init: LaneInit) {
    const { name, now, open, maxRecordBytes } = init;
    this.name = name;
    this.folder = join(init.streamFolder, name);
    this.#now = now;
    this.#pid = Number(name.split("-")[1]);
    this.#cursor = new CursorFile(join(this.folder, "cursor"));
    this.counts = this.#cursor.read() ??
      { done: init.countedThrough, acked: 0, failed: 0, dropped: 0, damagedBytes: 0, ackedAt: 0 };
    const { done, acked, failed, dropped } = this.counts;
    this.#countedBefore = done - acked - failed - dropped;
    this.cursorDamaged = this.#cursor.damaged;
    this.list = new SegmentList(this.folder);
    this.#end = new LaneTail(this.list, { open, maxRecordBytes });
    this.reader = new LaneReader({
      lane: this,
      list: this.list,
      done: this.counts.done,
      maxRecordBytes,
      open,
      now,
      damaged: (damage) => init.damaged(this, damage),
    });
    this.noteRead();
  }

  /** Last sequence that was seen in the spool. */
  get tail(): number {
    return this.#end.known;
  }

  /** Records that were seen of it and are not counted elsewhere. */
  get sent(): number {
    return this.tail - this.#countedBefore;
  }

  /** The tail is known to its end. */
  get tailKnown(): boolean {
    return this.#end.caughtUp;
  }

  /** Sequences that are in no batch yet. */
  get unread(): number {
    return this.tail - this.reader.read;
  }

  /** All that was ever written to it is done, and nobody writes. */
  get finished(): boolean {
    return this.reader.ended && this.counts.done === this.tail && !this.#unwritten;
  }

  /** Brings the tail up to date. Throws where the disk does not say. */
  lookAtTail(listOlderThanMs: number): void {
    if (this.#now() - this.list.listedAt >= listOlderThanMs) this.list.refresh(this.#now());
    this.#end.look(this.reader.read, this.reader.place);
  }

  /** Sequences were read that the tail has not seen yet. */
  noteRead(): void {
    this.#end.known = Math.max(this.#end.known, this.reader.read);
  }

  /** Finds out whether somebody writes it still. `now`: workers have ended, a free lock is enough. */
  probe(now: boolean): void {
    const time = this.#now();
    if (this.dead || (!now && time - this.#probedAt < probeEveryMs)) return;
    this.#probedAt = time;
    const lock = writerLock(this.folder);
    if (lock === "held") {
      this.#freeSince = undefined;
      return;
    }
    this.#freeSince ??= time;
    const free = time - this.#freeSince;
    // a writer that has just made the folder holds nothing yet
    if (now || (lock === "free" && (free >= certainAfterMs || !isProcessAlive(this.#pid, 0)))) {
      this.dead = true;
    } else if (lock === "missing" && free >= nothingYetMs) this.dead = true;
  }

  /** The next record that is in no batch: epoch ms; 0 where there is none, or its bytes were not read yet. */
  get oldestUnreadAt(): number {
    return this.unread > 0 ? this.reader.nextTimestamp : 0;
  }

  /** Takes note of what a batch did; `refused` of its records became dead letters. */
  settle(slice: Slice, refused: number, epochMs: number): void {
    const { counts } = this;
    const acked = slice.records - refused;
    counts.done = slice.through;
    counts.acked += acked;
    counts.failed += slice.failed + refused;
    counts.dropped += slice.dropped;
    counts.damagedBytes += slice.damagedBytes;
    if (acked > 0) counts.ackedAt = epochMs;
    this.#unwritten = true;
  }

  /** Throws where the disk does not take it. */
  writeCursor(options: { sync: boolean }): void {
    if (!this.#unwritten && !options.sync) return;
    if (this.#cursor.number === 0 && this.counts.done === 0 && !this.#unwritten) return;
    try {
      this.#cursor.write(this.counts, options);
    } catch (error) {
      // the whole folder was removed: there is nothing to remember about it
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    this.#unwritten = false;
  }

  /**
   * Deletes segments all of whose records are done; the cursor is on disk before. On a disk that is full a segment has to
   * go before there is room for the cursor. Throws where the disk does not take it.
   */
  removeDone(): void {
    const done = this.list.segments.filter((segment) => {
      const last = segment.last > 0 ? segment.last : this.list.firstAfter(segment) - 1;
      return last <= this.counts.done || this.finished;
    });
    if (done.length === 0) return;
    try {
      this.writeCursor({ sync: true });
    } catch {
      this.list.remove(done.shift()!);
      this.writeCursor({ sync: true });
    }
    for (const segment of done) this.list.remove(segment);
  }

  /** Removes the folder and what is left in it. */
  remove(): void {
    this.close();
    try {
      Deno.removeSync(this.folder, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  close(): void {
    this.reader.close();
  }
}
