/** The lanes of one stream: finds them, reads them in turn, and counts those that end into the totals. */
import { join } from "node:path";
import type { Log } from "../context.ts";
import type { Batch } from "./batch.ts";
import { DamagedBytes } from "./damaged_bytes.ts";
import { cut } from "./delivery.ts";
import { Lane } from "./lane.ts";
import { writerLock } from "./writer_lock.ts";
import type { PassedDamage, Taken } from "./lane_reader.ts";
import type { OpenSegment } from "./segment_file.ts";
import { isLaneName, parseSegmentName } from "./spool_names.ts";
import type { TotalsFile } from "./totals_file.ts";

/** What lanes are made with. */
export interface LanesInit {
  readonly streamFolder: string;
  readonly maxRecordBytes: number;
  readonly totals: TotalsFile;
  readonly open: OpenSegment;
  now(): number;
  readonly log: Log;
  /** Hears of every failure of the disk. */
  failed(error: unknown): void;
}

const restMs = 1000;
const listEveryMs = 100;
const leastShare = 16;
const turnMs = 20;
const chunkTotalBytes = 4 * 1024 * 1024;
const minChunkBytes = 32 * 1024;
const maxChunkBytes = 512 * 1024;

export class Lanes {
  readonly #init: LanesInit;
  readonly #damagedBytes: DamagedBytes;
  readonly #lanes = new Map<string, Lane>();
  #order: Lane[] = [];
  #next = 0;
  #lookedAt = -Infinity;

  constructor(init: LanesInit) {
    this.#init = init;
    this.#damagedBytes = new DamagedBytes(init.streamFolder);
  }

  get all(): readonly Lane[] {
    return this.#order;
  }

  /** Finds lanes that are new. */
  look(force: boolean): void {
    const { streamFolder, totals, now } = this.#init;
    if (!force && now() - this.#lookedAt < listEveryMs) return;
    this.#lookedAt = now();
    const found: string[] = [];
    for (const entry of Deno.readDirSync(streamFolder)) {
      if (entry.isDirectory && isLaneName(entry.name) && !this.#lanes.has(entry.name)) found.push(entry.name);
    }
    for (const name of found.sort()) {
      try {
        const through = totals.through(name);
        // counted already, but the shipper ended before its folder did
        if (through !== undefined && !hasRecordsAfter(join(streamFolder, name), through)) {
          if (writerLock(join(streamFolder, name)) !== "held") {
            Deno.removeSync(join(streamFolder, name), { recursive: true });
          }
        } else this.#add(name, through ?? 0);
      } catch (error) {
        this.#init.failed(error);
      }
    }
  }

  #add(name: string, countedThrough: number): void {
    const { log } = this.#init;
    const lane = new Lane({
      ...this.#init,
      name,
      countedThrough,
      damaged: (lane, damage) => this.#tellDamage(lane, damage),
    });
    if (lane.cursorDamaged) {
      log.error("the cursor of a lane is damaged: its records are shipped once more", { lane: name });
    }
    this.#lanes.set(name, lane);
    this.#ordered();
  }

  #ordered(): void {
    this.#order = [...this.#lanes.values()];
    const share = Math.floor(chunkTotalBytes / Math.max(1, this.#order.length));
    const chunkBytes = Math.max(minChunkBytes, Math.min(maxChunkBytes, share));
    for (const lane of this.#order) lane.reader.chunkBytes = chunkBytes;
  }

  #tellDamage(lane: Lane, { file, segment, from, to, sequence, lost, cause }: PassedDamage): void {
    const copy = to > from ? this.#damagedBytes.keep(lane.name, sequence, segment, from, to) : "";
    const fields = { lane: lane.name, segment: file, offset: from, bytes: to - from, lost, cause, copy };
    if (lost > 0) this.#init.log.error("records are lost: a segment of the spool is damaged", fields);
    else this.#init.log.warn("a segment of the spool has bytes that are no record", fields);
  }

  /** Fills `batch` from all lanes in turn. `hurry`: no process writes any more. */
  fill(batch: Batch, maxRecords: number, hurry: boolean): Taken {
    const { now } = this.#init;
    const startedAt = now();
    const share = Math.max(leastShare, Math.ceil(maxRecords / Math.max(1, this.#order.length)));
    let rest = [...this.#order];
    rest = [...rest.slice(this.#next), ...rest.slice(0, this.#next)];
    this.#next = this.#order.length === 0 ? 0 : (this.#next + 1) % this.#order.length;
    let wait = false;
    while (rest.length > 0) {
      const more: Lane[] = [];
      for (const lane of rest) {
        if (batch.full || now() - startedAt > turnMs) return "more";
        const taken = this.#take(lane, batch, share, hurry);
        if (taken === "more") more.push(lane);
        if (taken === "wait") wait = true;
      }
      rest = more;
    }
    return wait ? "wait" : "end";
  }

  #take(lane: Lane, batch: Batch, share: number, hurry: boolean): Taken {
    const { now, failed } = this.#init;
    if (lane.restsUntil > now() && !hurry) return "wait";
    try {
      let taken = lane.reader.take(batch, share);
      lane.noteRead();
      if (taken === "end" && !lane.dead) {
        lane.probe(hurry);
        // what it wrote last is read when it is known to be dead
        if (lane.dead) taken = "more";
      }
      return taken;
    } catch (error) {
      lane.restsUntil = now() + restMs;
      failed(error);
      return "wait";
    }
  }

  /** Brings the tails up to date; false where one is not known to its end yet. */
  lookAtTails(): boolean {
    let known = true;
    for (const lane of this.#order) {
      try {
        lane.lookAtTail(listEveryMs);
        if (!lane.tailKnown) known = false;
      } catch (error) {
        this.#init.failed(error);
      }
    }
    return known;
  }

  /** Deletes what is done. */
  tidy(): void {
    for (const lane of this.#order) {
      try {
        lane.removeDone();
        if (lane.finished) this.#end(lane);
      } catch (error) {
        this.#init.failed(error);
      }
    }
  }

  #end(lane: Lane): void {
    const { totals } = this.#init;
    const { acked, failed, dropped, damagedBytes, ackedAt } = lane.counts;
    totals.add(lane.name, lane.tail, { sent: lane.sent, acked, failed, dropped, damagedBytes, ackedAt });
    this.#lanes.delete(lane.name);
    this.#ordered();
    lane.remove();
  }

  /** Writes the cursors that are behind; a failure is told, and the next batch tries again. */
  writeCursors(lanes: Iterable<Lane>, options: { sync: boolean }): void {
    for (const lane of lanes) {
      try {
        lane.writeCursor(options);
      } catch (error) {
        this.#init.log.error("the cursor of a lane cannot be written", {
          lane: lane.name,
          error: cut(String(error)),
        });
        this.#init.failed(error);
      }
    }
  }

  close(): void {
    for (const lane of this.#order) lane.close();
  }
}

function hasRecordsAfter(folder: string, through: number): boolean {
  for (const { name } of Deno.readDirSync(folder)) {
    const segment = parseSegmentName(name);
    if (segment !== undefined && Math.max(segment.first, segment.last) > through) return true;
  }
  return false;
}
