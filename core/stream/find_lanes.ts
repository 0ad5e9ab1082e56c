/** Finds the streams and lanes of a spool from outside: by a folder of all streams, of one, or of one lane. Reads only. */
import { basename, dirname, join, resolve } from "node:path";
import { CursorFile } from "./cursor_file.ts";
import { openSegment } from "./segment_file.ts";
import { SegmentReader } from "./segment_reader.ts";
import { isLaneName, parseSegmentName, type SegmentName } from "./spool_names.ts";
import { writerLock } from "./writer_lock.ts";

/** A stream's folder. */
export interface FoundStream {
  readonly name: string;
  readonly folder: string;
  /** The oldest first. */
  readonly lanes: readonly FoundLane[];
}

/** A lane's folder. */
export interface FoundLane {
  readonly name: string;
  readonly folder: string;
}

/** Writers make their file first and lock it then: for so long nobody tries whether they do. */
const freshMs = 2000;

/**
 * The streams below `folder`. Throws Error where that is no part of a spool. `lane`: that one alone.
 */
export function findStreams(folder: string, lane?: string): FoundStream[] {
  const root = resolve(folder);
  const streams = streamsOf(root);
  if (streams === undefined) {
    throw new Error(
      `Cannot read ${folder}: no part of a spool; name \`spool.directory\`, a stream's folder in it, or a lane`,
    );
  }
  if (lane === undefined) return streams;
  const chosen = streams
    .map((stream) => ({ ...stream, lanes: stream.lanes.filter(({ name }) => name === lane) }))
    .filter(({ lanes }) => lanes.length > 0);
  if (chosen.length === 0) throw new Error(`Cannot find the lane ${lane} in ${folder}`);
  return chosen;
}

function streamsOf(root: string): FoundStream[] | undefined {
  const names = foldersIn(root);
  if (names === undefined) return undefined;
  if (isLaneName(basename(root))) {
    const stream = dirname(root);
    return [{ name: basename(stream), folder: stream, lanes: [{ name: basename(root), folder: root }] }];
  }
  if (isStream(root, names)) return [streamAt(root, names)];
  const streams: FoundStream[] = [];
  for (const name of names) {
    const folder = join(root, name);
    const inner = foldersIn(folder);
    if (inner !== undefined && isStream(folder, inner)) streams.push(streamAt(folder, inner));
  }
  return streams.length === 0 ? undefined : streams;
}

function streamAt(folder: string, names: readonly string[]): FoundStream {
  const lanes = names.filter(isLaneName).sort(byAge).map((name) => ({ name, folder: join(folder, name) }));
  return { name: basename(folder), folder, lanes };
}

/** The last part of a lane's name is when it began. */
function byAge(a: string, b: string): number {
  const startOf = (name: string) => parseInt(name.slice(name.lastIndexOf("-") + 1), 36);
  return startOf(a) - startOf(b) || (a < b ? -1 : 1);
}

function isStream(folder: string, names: readonly string[]): boolean {
  return names.some(isLaneName) ||
    ["lock", "totals", "room", "dead.jsonl"].some((file) => sizeOf(join(folder, file)) !== undefined);
}

/** Names of the folders in a folder; undefined where it is none. */
function foldersIn(folder: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** The segments of a lane in order; none where the lane is gone by now. */
export function segmentsOf(lane: FoundLane): SegmentName[] {
  try {
    return [...Deno.readDirSync(lane.folder)]
      .map(({ name }) => parseSegmentName(name))
      .filter((segment) => segment !== undefined)
      .sort((a, b) => a.first - b.first);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Opens the segments of a lane in order, each when its turn has come. One that was completed since is found under its new
 * name; one that is done and gone is left out.
 */
export function* readSegments(lane: FoundLane): Generator<{ segment: SegmentName; reader: SegmentReader }> {
  for (const listed of segmentsOf(lane)) {
    const found = openListed(lane, listed);
    if (found !== undefined) yield found;
  }
}

function openListed(lane: FoundLane, listed: SegmentName) {
  const again = () => segmentsOf(lane).find(({ first }) => first === listed.first);
  for (
    let segment: SegmentName | undefined = listed, tries = 0;
    segment && tries < 3;
    segment = again(), tries++
  ) {
    const file = openSegment(join(lane.folder, segment.file));
    if (file !== undefined) return { segment, reader: new SegmentReader(file, segment) };
  }
  return undefined;
}

/** Bytes of a file; undefined where there is none. */
export function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The sequence up to which the records of a lane are done; null where no cursor says so. */
export function readDone(lane: FoundLane): number | null {
  return new CursorFile(join(lane.folder, "cursor")).read()?.done ?? null;
}

/**
 * Whether a lane has a writer. A shared lock that is given back at once: it fails where one writes, and where none does
 * nobody minds. Of a file so new that its writer may not have locked it yet the answer is yes.
 */
export function isWritten(lane: FoundLane): boolean {
  try {
    const { mtime } = Deno.statSync(join(lane.folder, "writer"));
    if (mtime !== null && Date.now() - mtime.getTime() < freshMs) return true;
    return writerLock(lane.folder) === "held";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
