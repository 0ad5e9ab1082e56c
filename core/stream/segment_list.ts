/**
 * The segments of one lane as its folder shows them. A folder that is read while a file in it is renamed may show both
 * names or none: a gap is only believed when two listings show it ({@link SegmentList.listings}).
 */
import { join } from "node:path";
import { parseSegmentName, type SegmentName } from "./spool_names.ts";

/** A segment with the size that it had when the folder was read. */
export interface ListedSegment extends SegmentName {
  readonly bytes: number;
}

/** Reads the folder of a lane when it is told to. */
export class SegmentList {
  readonly folder: string;
  /** In order of their first sequence. */
  segments: readonly ListedSegment[] = [];
  /** Sum of the sizes. */
  bytes = 0;
  /** How often the folder was read. */
  listings = 0;
  /** Monotonic ms of the last reading. */
  listedAt = -Infinity;
  /** The folder is gone. */
  gone = false;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Reads the folder. Throws where the disk does not say. */
  refresh(now: number): void {
    const known = new Map(this.segments.map((segment) => [segment.file, segment]));
    const found = new Map<number, ListedSegment>();
    this.gone = false;
    try {
      for (const { name } of Deno.readDirSync(this.folder)) {
        const parsed = parseSegmentName(name);
        if (parsed === undefined) continue;
        // a closed segment does not grow
        const bytes = (parsed.last > 0 ? known.get(name)?.bytes : undefined) ?? this.#sizeOf(name);
        if (bytes === undefined) continue;
        const other = found.get(parsed.first);
        if (other === undefined || other.last === 0) found.set(parsed.first, { ...parsed, bytes });
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.gone = true;
    }
    this.segments = [...found.values()].sort((a, b) => a.first - b.first);
    this.bytes = this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    this.listings++;
    this.listedAt = now;
  }

  /** Whether there is a segment behind the one that begins with `first`: then that is complete, whatever its name says. */
  hasAfter(first: number): boolean {
    return (this.segments.at(-1)?.first ?? 0) > first;
  }

  /** First sequence of the segment behind `segment`; Infinity where there is none. */
  firstAfter(segment: ListedSegment): number {
    return this.segments[this.segments.indexOf(segment) + 1]?.first ?? Infinity;
  }

  /** Deletes a segment whose records are done. */
  remove(segment: ListedSegment): void {
    try {
      Deno.removeSync(join(this.folder, segment.file));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    this.segments = this.segments.filter((other) => other !== segment);
    this.bytes -= segment.bytes;
  }

  #sizeOf(file: string): number | undefined {
    try {
      return Deno.statSync(join(this.folder, file)).size;
    } catch (error) {
      // renamed or given up meanwhile
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
}
