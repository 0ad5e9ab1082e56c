/**
 * Reads the records of one lane in their order, once each, and moves them to batches. It follows the segment that is being
 * written, goes from segment to segment by number, and says of every sequence it cannot give whether it was lost to damage
 * (`failed`) or given up by its writer (`dropped`). Refuses to decide when a record is done: that is the lane's matter.
 */
import { join } from "node:path";
import type { Batch, Slice } from "./batch.ts";
import { type DamageSearch, searchRecord } from "./damage_search.ts";
import type { Lane } from "./lane.ts";
import {
  type Found,
  readRecord,
  readSegmentHeader,
  recordPrefixBytes,
  segmentHeaderBytes,
} from "./record_codec.ts";
import type { OpenSegment, SegmentFile } from "./segment_file.ts";
import type { ListedSegment, SegmentList } from "./segment_list.ts";

/** more: come again at once. end: all that is there was taken. wait: come again soon, something must show twice. */
export type Taken = "more" | "end" | "wait";

/** What a reader is made with. */
export interface LaneReaderInit {
  readonly lane: Lane;
  readonly list: SegmentList;
  /** Sequence up to which the records are done already. */
  readonly done: number;
  /** Longest record with its prefix. */
  readonly maxRecordBytes: number;
  readonly open: OpenSegment;
  now(): number;
  /** Tells of damage that was passed; `sequence`: the first one that is missing. */
  damaged(damage: PassedDamage): void;
}

/** A part of a segment that could not be read. */
export interface PassedDamage {
  readonly file: string;
  readonly segment: SegmentFile;
  readonly from: number;
  readonly to: number;
  readonly sequence: number;
  readonly lost: number;
  readonly cause: string;
}

const listEveryMs = 20;
const listIdleEveryMs = 500;
const believeAfterMs = 50;
const readTries = 3;
const noBytes = new Uint8Array(0);

export class LaneReader {
  /** Last sequence that was taken or given up. */
  read: number;
  /** The writer is dead and all it left was read. */
  ended = false;
  /** Bytes to read at once. */
  chunkBytes = 512 * 1024;
  readonly #init: LaneReaderInit;
  #file: SegmentFile | undefined;
  #segment: ListedSegment | undefined;
  /** Sequence of the last record that was met in this segment, taken or not. */
  #previous = 0;
  #offset = 0;
  #headerPassed = false;
  #chunk: Uint8Array<ArrayBuffer> = noBytes;
  #view = new DataView(noBytes.buffer);
  #chunkAt = 0;
  #search: DamageSearch | undefined;
  /** What must show twice before it is believed. */
  #suspect = { what: "", since: 0, listings: 0 };
  #readFailures = 0;
  /** When the open segment had changed last when the folder was read. */
  #listedChange = -1;
  /** The segment that was left last, read to its end. */
  #finishedFirst = -1;

  constructor(init: LaneReaderInit) {
    this.#init = init;
    this.read = init.done;
  }

  /** Where reading stands: the segment's first sequence, the place in it and the sequence before that place. */
  get place(): { first: number; offset: number; previous: number } | undefined {
    return this.#segment && !this.#search
      ? { first: this.#segment.first, offset: this.#offset, previous: this.#previous }
      : undefined;
  }

  /** Epoch ms of the next record where its bytes were read already; 0 otherwise. */
  get nextTimestamp(): number {
    const at = this.#offset - this.#chunkAt + recordPrefixBytes + 8;
    return at >= 0 && at + 8 <= this.#chunk.length ? this.#view.getFloat64(at, true) : 0;
  }

  /** Moves up to `maxRecords` records to `batch`, as far as it has room. Throws where the disk does not say. */
  take(batch: Batch, maxRecords: number): Taken {
    if (this.ended) return "end";
    const before = batch.records.length;
    for (;;) {
      if (batch.full || batch.records.length - before >= maxRecords) return "more";
      if (this.#segment === undefined) {
        const opened = this.#openNext(batch);
        if (opened !== "more") return opened;
        continue;
      }
      if (this.#search !== undefined) {
        const searched = this.#continueSearch(batch, this.#search);
        if (searched !== undefined) return searched;
        continue;
      }
      const stopped = this.#takeRecords(batch, before + maxRecords);
      if (stopped === "limit") continue;
      const next = this.#passEnd(stopped);
      if (next !== undefined) return next;
    }
  }

  /** Gives up the open segment; what was read stays valid. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#segment = undefined;
    this.#search = undefined;
    this.#setChunk(noBytes, 0);
  }

  /** Takes what the chunk has, loading more as long as there is more; says why it stopped. */
  #takeRecords(batch: Batch, maxCount: number): "limit" | Exclude<Found, { kind: "record" }> {
    const { lane, maxRecordBytes } = this.#init;
    let slice: Slice | undefined;
    for (;;) {
      const found = this.#headerPassed
        ? readRecord(this.#chunk, this.#view, this.#offset - this.#chunkAt, maxRecordBytes)
        : this.#checkHeader();
      if (found === undefined) continue;
      if (found.kind !== "record") {
        if (found.kind === "partial" && this.#load(this.#offset, found.needs)) continue;
        return found;
      }
      const { record } = found;
      const { sequence } = record;
      if (sequence !== this.#previous + 1) {
        return { kind: "damaged", cause: `record ${sequence} stands behind record ${this.#previous}` };
      }
      const end = found.end + this.#chunkAt;
      if (sequence > this.read) {
        const bytes = end - this.#offset;
        if (!batch.fits(bytes) || batch.records.length >= maxCount) return "limit";
        slice ??= batch.slice(lane);
        batch.add(slice, {
          lane: lane.name,
          sequence,
          timestamp: record.timestamp,
          key: record.key,
          headers: record.headers,
          value: record.value,
        }, bytes);
        this.read = sequence;
      }
      this.#previous = sequence;
      this.#offset = end;
      if (batch.full) return "limit";
    }
  }

  /** Checks the head of the segment; undefined where it is right. */
  #checkHeader(): Exclude<Found, { kind: "record" }> | undefined {
    if (this.#chunk.length < segmentHeaderBytes) {
      return { kind: "partial", needs: segmentHeaderBytes };
    }
    const header = readSegmentHeader(this.#chunk);
    if (header?.firstSequence !== this.#segment!.first) {
      return { kind: "damaged", cause: "the header of the segment" };
    }
    this.#offset = segmentHeaderBytes;
    this.#headerPassed = true;
    return undefined;
  }

  /** Reads from `offset`; true when there is more than before. */
  #load(offset: number, needs: number): boolean {
    const have = this.#chunkAt <= offset ? this.#chunk.length - (offset - this.#chunkAt) : 0;
    const { size } = this.#file!.look();
    const available = size - offset;
    if (available <= have) return false;
    const bytes = this.#file!.read(offset, Math.min(available, Math.max(this.chunkBytes, needs)));
    if (bytes.length <= have) return false;
    this.#readFailures = 0;
    this.#setChunk(bytes, offset);
    return true;
  }

  #setChunk(bytes: Uint8Array<ArrayBuffer>, at: number): void {
    this.#chunk = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#chunkAt = at;
  }

  /** Decides what it means that no record could be read; undefined: go on. */
  #passEnd(found: Exclude<Found, { kind: "record" }>): Taken | undefined {
    const look = this.#file!.look();
    const { size } = look;
    const have = this.#chunkAt + this.#chunk.length;
    if (found.kind === "partial" && size > Math.max(have, this.#offset)) {
      // it grew meanwhile, or cannot be read
      if (this.#load(this.#offset, found.needs)) return undefined;
      if (have < Math.min(size, this.#offset + found.needs)) return this.#passUnreadable();
    }
    const final = this.#isFinal(look);
    if (final && this.#file!.look().size > size) return undefined;
    if (found.kind === "damaged") {
      if (!final && !this.#believe(`damage ${this.#offset}`)) {
        this.#setChunk(noBytes, this.#offset);
        return "wait";
      }
      return this.#beginSearch(found.cause);
    }
    if (!final) {
      // half a record that its writer takes back is not kept
      if (this.#offset < size) this.#setChunk(noBytes, this.#offset);
      return "end";
    }
    if (this.#offset < size) {
      return this.#beginSearch(
        size - this.#offset < found.needs ? "the segment ends within a record" : "torn",
      );
    }
    if (this.#segment!.last > this.#previous) return this.#beginSearch("the segment ends early");
    this.#leaveSegment();
    return undefined;
  }

  #passUnreadable(): Taken | undefined {
    this.#readFailures++;
    if (this.#readFailures < readTries) return "wait";
    this.#readFailures = 0;
    return this.#beginSearch("the disk cannot read it");
  }

  #beginSearch(cause: string): undefined {
    this.#suspect.what = "";
    this.#search = { cause, from: this.#offset, at: this.#offset };
    this.#headerPassed = true;
    return undefined;
  }

  /** Whether nothing will be appended to this segment any more. */
  #isFinal({ links, changedAt }: { links: number; changedAt: number }): boolean {
    if (this.#segment!.last > 0 || links === 0) return true;
    const { lane, list, now } = this.#init;
    const sinceMs = now() - list.listedAt;
    // a file that has not changed has no new name; where that does not show, it is found out a little later
    const due = changedAt !== this.#listedChange ? sinceMs >= listEveryMs : sinceMs >= listIdleEveryMs;
    if (lane.dead || due) {
      list.refresh(now());
      this.#listedChange = changedAt;
    }
    const listed = list.segments.find(({ first }) => first === this.#segment!.first);
    if (listed !== undefined && listed.last > 0) {
      this.#segment = listed;
      return true;
    }
    // a writer that could not complete a segment went on in another one
    return lane.dead || list.hasAfter(this.#segment!.first);
  }

  /** True when the same thing was seen some time ago already. */
  #believe(what: string): boolean {
    const suspect = this.#suspect;
    const { list, now } = this.#init;
    if (suspect.what === what) {
      return now() - suspect.since >= believeAfterMs && list.listings > suspect.listings;
    }
    this.#suspect = { what, since: now(), listings: list.listings };
    return false;
  }

  /** Goes on in the search for the next record; undefined when it is over. */
  #continueSearch(batch: Batch, search: DamageSearch): Taken | undefined {
    const file = this.#file!;
    const final = this.#isFinal(file.look());
    const { size } = file.look();
    const found = searchRecord(search, {
      file,
      size,
      final,
      previous: this.#previous,
      last: this.#segment!.last,
      maxRecordBytes: this.#init.maxRecordBytes,
      chunkBytes: this.chunkBytes,
    });
    if (found.kind === "more") return "more";
    if (found.kind === "wait") return "end";
    if (found.kind === "record") this.#endSearch(batch, search, found.at, found.sequence);
    else this.#endSearch(batch, search, size, undefined);
    return undefined;
  }

  /** Passes damage: `sequence` is the record that stands behind it at `to`, undefined where none does. */
  #endSearch(batch: Batch, search: DamageSearch, to: number, sequence: number | undefined): void {
    const { lane, list, damaged } = this.#init;
    const segment = this.#segment!;
    // what is missing at the end of a segment that was never closed is known as far as it was seen before
    const isLast = this.#file!.look().links > 0 && !list.hasAfter(segment.first);
    const known = segment.last > 0 ? segment.last : isLast ? lane.tail : 0;
    const last = sequence === undefined ? Math.max(this.#previous, known) : sequence - 1;
    const lost = Math.max(0, last - this.read);
    // damage before what is done was counted by the one who passed it first
    if (lost > 0 || this.#previous >= this.read) {
      const slice = batch.slice(lane);
      batch.lose(slice, "failed", lost, this.read + lost);
      slice.damagedBytes += to - search.from;
      damaged({
        file: segment.file,
        segment: this.#file!,
        from: search.from,
        to,
        sequence: this.read + 1,
        lost,
        cause: search.cause,
      });
      this.read += lost;
    }
    this.#previous = last;
    this.#search = undefined;
    if (sequence === undefined) this.#leaveSegment();
    else {
      this.#offset = to;
      this.#setChunk(noBytes, to);
    }
  }

  #leaveSegment(): void {
    this.#finishedFirst = this.#segment!.first;
    this.close();
  }

  /** Opens the segment with the next sequence. */
  #openNext(batch: Batch): Taken {
    const { lane, list, now, open } = this.#init;
    let next = this.#nextSegment();
    if (next === undefined && (lane.dead || now() - list.listedAt >= listEveryMs)) {
      list.refresh(now());
      next = this.#nextSegment();
    }
    if (next === undefined) return this.#noSegment(batch);
    if (next.first > this.read + 1) return this.#giveUp(batch, next.first - 1);
    this.#suspect.what = "";
    this.#file = open(join(list.folder, next.file));
    if (this.#file === undefined) {
      // renamed or unlinked since the folder was read
      list.refresh(now());
      return "wait";
    }
    this.#segment = next;
    this.#previous = next.first - 1;
    this.#offset = 0;
    this.#headerPassed = false;
    this.#listedChange = -1;
    this.#setChunk(noBytes, 0);
    return "more";
  }

  #nextSegment(): ListedSegment | undefined {
    const { list } = this.#init;
    return list.segments.find((segment) =>
      segment.last > 0
        ? segment.last > this.read
        : segment.first > this.#finishedFirst && list.firstAfter(segment) - 1 > this.read
    );
  }

  #noSegment(batch: Batch): Taken {
    const { lane } = this.#init;
    if (lane.tail > this.read) return this.#giveUp(batch, lane.tail);
    if (lane.dead) this.ended = true;
    return "end";
  }

  /** Counts what vanished before it was read, once two listings have shown that it did. */
  #giveUp(batch: Batch, through: number): Taken {
    const { lane, list, now } = this.#init;
    if (!this.#believe(`gap ${through}`)) {
      if (now() - list.listedAt >= listEveryMs) list.refresh(now());
      return "wait";
    }
    this.#suspect.what = "";
    batch.lose(batch.slice(lane), "dropped", through - this.read, through);
    this.read = through;
    return "more";
  }
}
