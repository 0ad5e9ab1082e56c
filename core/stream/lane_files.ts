/**
 * The files of one lane: gives records their numbers and puts them into segments, opens and completes these within the
 * bound of the stream, and finds out when somebody takes files away. One call at a time; lane_writer.ts decides when.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { StreamPlan } from "../manifest/plan.ts";
import type { LaneFolder } from "./lane_folder.ts";
import type { LaneSeries } from "./lane_series.ts";
import { type Piece, type RecordBuffer, type RecordGroup, wholeUpTo } from "./record_buffer.ts";
import { segmentHeaderBytes } from "./record_codec.ts";
import type { Room } from "./room.ts";
import { SegmentWriter, ShortWrite } from "./segment_writer.ts";

export interface LaneFilesInit {
  readonly lane: LaneFolder;
  readonly room: Room;
  readonly segmentBytes: number;
  readonly sync: StreamPlan["spool"]["sync"];
  readonly drop: boolean;
  readonly series: LaneSeries;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often a lane that is written looks whether its files are still there, ms. */
const lookMs = 1000;

/** See the module's header. */
export class LaneFiles {
  readonly #init: LaneFilesInit;
  #segment: SegmentWriter | undefined;
  /** No more is appended to it. */
  #finished = false;
  /** Number of the next record. */
  #next = 1;
  /** Monotonic ms. */
  #lookAt: number;
  /** Held while a record longer than a segment is written. */
  #release: (() => void) | undefined;
  /** The disk has the names of the folders above the lane. */
  #aboveNamed = false;
  /** Files are gone and could not be made again yet. */
  #gone = false;
  /** It has the names of the lane's files. */
  #named = true;

  constructor(init: LaneFilesInit) {
    this.#init = init;
    this.#lookAt = init.clock.now() + lookMs;
  }

  /** Whether a segment is open, so that the next record may fit without looking for room. */
  get isOpen(): boolean {
    return this.#segment !== undefined && !this.#finished;
  }

  /**
   * Writes all of `buffer`. "full" where there is no room for the rest, "busy" where others look for room all the time.
   * Where it rejects, what is not written stays in `buffer` as well.
   */
  async write(buffer: RecordBuffer): Promise<"written" | "full" | "busy"> {
    if (this.#init.clock.now() >= this.#lookAt) await this.#look();
    while (buffer.records > 0) {
      if (!this.isOpen) {
        const opened = await this.#open(buffer.groups[0]!.bytes);
        if (opened !== "opened") return opened;
      }
      const piece = this.#cutPiece(buffer);
      if (piece === undefined) {
        this.#finished = true;
        continue;
      }
      try {
        await this.#append(buffer, piece);
      } finally {
        this.#release?.();
        this.#release = undefined;
      }
    }
    return "written";
  }

  /** Makes safe what was written since the last time. */
  async sync(): Promise<void> {
    if (this.#segment?.dirty) await this.#segment.syncBeside();
    if (!this.#named) await this.#syncNames();
  }

  /** Completes the open segment. */
  async close(): Promise<void> {
    await this.#settle();
    await this.#init.room.quietly(() => this.#complete());
    if (this.#init.sync !== "never") await this.#init.lane.sync();
  }

  /** Gives everything up as it is. */
  abandon(): void {
    this.#segment?.release();
  }

  #cutPiece(buffer: RecordBuffer): Piece | undefined {
    const { size } = this.#segment!;
    const left = this.#init.segmentBytes - size;
    // The first one of a segment always fits: #open() has looked for as much room.
    return buffer.seal(
      size === segmentHeaderBytes ? Math.max(left, buffer.groups[0]!.bytes) : left,
      this.#next,
    );
  }

  async #append(buffer: RecordBuffer, piece: Piece): Promise<void> {
    const segment = this.#segment!;
    try {
      await segment.append(piece.bytes);
    } catch (error) {
      if (error instanceof ShortWrite) await this.#keepWhole(buffer, piece, error.written);
      throw error;
    }
    this.#next += piece.records;
    this.#count(piece.bytes.length, piece.records);
    if (this.#init.sync === "always") {
      try {
        await segment.sync();
      } catch (error) {
        // Nobody knows what the disk has of this file: the next record goes to another.
        this.#finished = true;
        throw error;
      }
    }
    buffer.shift(piece);
    resolveAll(piece.groups);
  }

  /**
   * The disk took a part. Whoever tails the segment may have read the records that are whole, so they stay and keep their
   * numbers; the rest is cut off.
   */
  async #keepWhole(buffer: RecordBuffer, piece: Piece, written: number): Promise<void> {
    if (written === 0) return;
    const whole = wholeUpTo(piece, written);
    if (!await this.#segment!.cut(whole.bytes)) this.#finished = true;
    this.#next += whole.records;
    this.#count(whole.bytes, whole.records);
    // Those of the group that stays in `buffer` learn that they failed, though some of its records stand in the segment.
    if (this.#init.sync === "always") await this.#segment!.sync();
    const done: RecordGroup[] = [];
    let bytes = 0;
    let records = 0;
    for (const group of piece.groups) {
      if (bytes + group.bytes > whole.bytes) break;
      bytes += group.bytes;
      records += group.records;
      done.push(group);
    }
    buffer.shift({ groups: done, bytes: piece.bytes.subarray(0, bytes), records });
    resolveAll(done);
  }

  #count(bytes: number, records: number): void {
    this.#init.series.written.add(records);
    this.#init.series.writtenBytes.add(bytes);
  }

  /** Opens a segment in which a group of `bytes` fits. */
  async #open(bytes: number): Promise<"opened" | "full" | "busy"> {
    await this.#settle();
    try {
      return await this.#take(bytes);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await this.#restore();
      return await this.#take(bytes);
    }
  }

  async #take(bytes: number): Promise<"opened" | "full" | "busy"> {
    const { room, lane, clock, sync, drop, series, segmentBytes } = this.#init;
    const needs = Math.max(segmentBytes, segmentHeaderBytes + bytes);
    const taken = await room.take(needs, drop, {
      before: () => this.#complete(),
      make: () => SegmentWriter.create(lane.folder, this.#next, clock.epoch()),
    });
    if (typeof taken === "string") return taken;
    series.dropped.add(taken.dropped);
    this.#segment = taken.made;
    this.#finished = false;
    if (needs > segmentBytes) this.#release = taken.release;
    else taken.release();
    this.#named = false;
    if (sync !== "always") return "opened";
    try {
      await this.#syncNames();
    } catch (error) {
      this.#finished = true;
      this.#release?.();
      this.#release = undefined;
      throw error;
    }
    return "opened";
  }

  async #syncNames(): Promise<void> {
    this.#named = true;
    try {
      await this.#init.lane.sync();
      if (!this.#aboveNamed) await this.#init.lane.syncAbove();
      this.#aboveNamed = true;
    } catch (error) {
      this.#named = false;
      throw error;
    }
  }

  /** Before a segment is completed: the timer will not find it any more. */
  async #settle(): Promise<void> {
    if (this.#segment?.dirty && this.#init.sync !== "never") await this.#segment.sync();
  }

  async #complete(): Promise<void> {
    const segment = this.#segment;
    if (!segment) return;
    this.#segment = undefined;
    await segment.complete(this.#next - 1);
  }

  /** Whoever took the files away did not say so: writes to a file without a name succeed. */
  async #look(): Promise<void> {
    const { clock, lane } = this.#init;
    this.#lookAt = clock.now() + lookMs;
    if (await lane.isThere() && (this.#segment === undefined || await this.#segment.isThere())) return;
    await this.#restore();
  }

  async #restore(): Promise<void> {
    const { lane, log, series } = this.#init;
    if (!this.#gone) {
      log.error("files of the lane are gone; what was not shipped is lost", { lane: lane.name });
    }
    this.#gone = true;
    // What is left of it may still be read.
    await this.#complete().catch(() => {});
    this.#aboveNamed = false;
    await lane.restore();
    this.#gone = false;
    series.restored.add();
  }
}

function resolveAll(groups: readonly RecordGroup[]): void {
  for (const { sent } of groups) sent?.resolve();
}
