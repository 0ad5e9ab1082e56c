/** What stands in a spool: figures per lane. Reads only, and works while the service runs. */
import { join } from "node:path";
import { type FoundLane, type FoundStream, isWritten, readDone, readSegments, sizeOf } from "./find_lanes.ts";
import { deadLetterFiles } from "./read_dead_letters.ts";

/** A lane from outside. */
export interface LaneReport {
  readonly name: string;
  /** Whether a living process writes it. */
  readonly written: boolean;
  readonly segments: number;
  readonly records: number;
  /** Of the segments' files. */
  readonly bytes: number;
  /** Bytes that could not be read; of a record that is just being written, too. */
  readonly unreadBytes: number;
  /** Sequences; 0 without records. */
  readonly first: number;
  readonly last: number;
  /** Epoch ms; 0 without records. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Up to this sequence records are done, by the cursor; null where there is none that can be read. */
  readonly done: number | null;
  /** Records after it. */
  readonly waiting: number;
}

/** A stream from outside. */
export interface StreamReport {
  readonly name: string;
  readonly folder: string;
  readonly lanes: readonly LaneReport[];
  /** Lines of its dead-letter files. */
  readonly deadLetters: number;
}

/** Reads every segment of `stream` once. */
export function inspectStream(stream: FoundStream): StreamReport {
  const { name, folder, lanes } = stream;
  return {
    name,
    folder,
    lanes: lanes.map(inspectLane),
    deadLetters: deadLetterFiles.reduce((sum, file) => sum + countLines(join(folder, file)), 0),
  };
}

function inspectLane(lane: FoundLane): LaneReport {
  const written = isWritten(lane);
  const done = readDone(lane);
  let [segments, records, bytes, unreadBytes, waiting] = [0, 0, 0, 0, 0];
  let [first, firstAt, last, lastAt] = [0, 0, 0, 0];
  for (const { reader } of readSegments(lane)) {
    segments++;
    for (const { record } of reader) {
      if (records++ === 0) [first, firstAt] = [record.sequence, record.timestamp];
      [last, lastAt] = [record.sequence, record.timestamp];
      if (last > (done ?? 0)) waiting++;
    }
    bytes += reader.size;
    for (const unread of reader.unread) unreadBytes += unread.bytes;
  }
  return {
    name: lane.name,
    written,
    segments,
    records,
    bytes,
    unreadBytes,
    first,
    last,
    firstAt,
    lastAt,
    done,
    waiting,
  };
}

/** Line breaks of a file; 0 where there is none. */
function countLines(path: string): number {
  if (sizeOf(path) === undefined) return 0;
  using file = Deno.openSync(path);
  const chunk = new Uint8Array(64 * 1024);
  let lines = 0;
  for (let read = file.readSync(chunk); read !== null; read = file.readSync(chunk)) {
    for (let at = chunk.indexOf(10); at >= 0 && at < read; at = chunk.indexOf(10, at + 1)) lines++;
  }
  return lines;
}
