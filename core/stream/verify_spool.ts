/**
 * Reads every byte of a spool and says what is wrong with it: headers, checksums, sequences without gaps, names against
 * contents. What a living writer is just writing is no problem; what a dead one left half written is noted: that record
 * was never taken. Reads only.
 */
import { join } from "node:path";
import { CursorFile } from "./cursor_file.ts";
import { type FoundLane, type FoundStream, isWritten, readSegments } from "./find_lanes.ts";
import type { SegmentReader } from "./segment_reader.ts";
import type { SegmentName } from "./spool_names.ts";

/** What is wrong at one place. */
export interface SpoolProblem {
  readonly file: string;
  readonly offset: number;
  readonly cause: string;
  /** Not wrong, but worth knowing. */
  readonly note: boolean;
}

/** What was read, and what was found. */
export interface Verified {
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
  readonly problems: readonly SpoolProblem[];
}

/** Most problems that are listed of one lane; a lane full of them says the same. */
const mostProblems = 100;

/** Verifies all lanes of `stream`. */
export function verifyStream(stream: FoundStream): Verified {
  const found = stream.lanes.map((lane) => new LaneCheck(lane).run());
  return {
    segments: found.reduce((sum, { segments }) => sum + segments, 0),
    records: found.reduce((sum, { records }) => sum + records, 0),
    bytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
    problems: found.flatMap(({ problems }) => problems),
  };
}

class LaneCheck {
  segments = 0;
  records = 0;
  bytes = 0;
  readonly problems: SpoolProblem[] = [];
  readonly #lane: FoundLane;
  readonly #written: boolean;
  /** Where the segment before ended; 0 before the first one. */
  #last = 0;

  constructor(lane: FoundLane) {
    this.#lane = lane;
    this.#written = isWritten(lane);
  }

  run(): this {
    for (const { segment, reader } of readSegments(this.#lane)) {
      this.#segment(segment, reader);
      if (this.problems.length >= mostProblems) break;
    }
    this.#cursor();
    return this;
  }

  #segment(segment: SegmentName, reader: SegmentReader): void {
    const { file, first, last } = segment;
    this.segments++;
    this.bytes += reader.size;
    // Segments that are done go away from the first one on, and may do so while this reads.
    if (this.#last !== 0 && first !== this.#last + 1) {
      this.#report(file, 0, `begins with ${first}, but the segment before it ends with ${this.#last}`);
    }
    let previous = first - 1;
    let passed = 0;
    for (const { record, offset } of reader) {
      this.records++;
      const { sequence } = record;
      const lost = sequence - 1 - previous;
      // What damage took is told with the damage.
      const isKnown = lost > 0 && reader.unread.length > passed;
      if (lost !== 0 && !isKnown) this.#report(file, offset, `record ${sequence} behind record ${previous}`);
      this.#unread(segment, reader, passed, Math.max(0, lost));
      passed = reader.unread.length;
      previous = sequence;
      if (this.problems.length >= mostProblems) return;
    }
    this.#unread(segment, reader, passed, last === 0 ? 0 : last - previous);
    const isWhole = reader.unread.length === passed;
    if (last !== 0 && previous !== last && isWhole) {
      this.#report(file, reader.size, `ends with ${previous}, but its name says ${last}`);
    }
    if (reader.header !== undefined && reader.header.firstSequence !== first) {
      this.#report(file, 0, `its header says that it begins with ${reader.header.firstSequence}`);
    }
    this.#last = last === 0 ? previous : last;
  }

  /** Reports what was passed since `from`; `lost` records are missing for it. */
  #unread({ file, last }: SegmentName, { unread }: SegmentReader, from: number, lost: number): void {
    for (const { offset, bytes, cause, isTail } of unread.slice(from)) {
      const said = `${cause}; ${bytes} bytes cannot be read`;
      if (isTail && last === 0) {
        if (!this.#written) this.#report(file, offset, `its writer ended in the middle: ${said}`, true);
      } else this.#report(file, offset, lost > 0 ? `${said}, ${lost} records are lost` : said);
    }
  }

  /** A cursor of which neither half holds, or one that is ahead of its records: they ended with the power. */
  #cursor(): void {
    const cursor = new CursorFile(join(this.#lane.folder, "cursor"));
    const counts = cursor.read();
    if (cursor.damaged) this.#report("cursor", 0, "damaged: the records of this lane will be sent once more");
    if (counts === undefined || this.#written || this.#last === 0 || counts.done <= this.#last) return;
    this.#report(
      "cursor",
      0,
      `says that ${counts.done} are done, but the last record is ${this.#last}`,
      true,
    );
  }

  #report(file: string, offset: number, cause: string, note = false): void {
    this.problems.push({ file: join(this.#lane.folder, file), offset, cause, note });
  }
}
