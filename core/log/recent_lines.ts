/**
 * The last lines of a service, for the log page. Each process keeps its own in memory, and everything but routine
 * access lines also in two small files that take turns, in the runtime folder: so they can be read by another process
 * while this one spins, and after it died. Old lines make room; nobody waits for it.
 */
import { join } from "node:path";
import { byteBound } from "./escape_text.ts";
import { levelNames, levelNumber } from "./log_level.ts";
import { compileLoggerGlob } from "./logger_glob.ts";
import type { Output, WriteResult } from "./sink.ts";
import { writeWholeLines } from "./whole_lines.ts";

const folderName = "recent";
const fileBytes = 256 * 1024;
// processes of one id whose files are kept: the one that runs and the one before it
const keptProcesses = 2;

/** A bounded list of the last lines of this process. */
export class RecentLines {
  readonly #lines: string[] = [];
  readonly #max: number;
  #next = 0;

  constructor(maxLines = 1000) {
    this.#max = maxLines;
  }

  add(line: string): void {
    this.#lines[this.#next] = line;
    if (++this.#next === this.#max) this.#next = 0;
  }

  /** The last `count` lines, oldest first, without their newlines. */
  last(count: number): string[] {
    const ordered = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return ordered.slice(Math.max(0, ordered.length - count)).map((line) => line.trimEnd());
  }
}

/** The two files of one process; the output of an ordinary sink. */
export class RecentFiles implements Output {
  readonly #folder: string;
  readonly #owner: string;
  readonly #maxBytes: number;
  #file: Deno.FsFile | undefined;
  #turn = 0;
  #bytes = 0;

  /** `owner` is the process's stable name such as `worker-1`. */
  constructor(runtimeFolder: string, owner: string, pid: number, maxBytes = fileBytes) {
    this.#folder = join(runtimeFolder, folderName);
    this.#owner = `${owner}.${pid}`;
    this.#maxBytes = maxBytes;
  }

  async write(lines: readonly string[]): Promise<WriteResult> {
    try {
      const needed = lines.reduce((sum, line) => sum + byteBound(line), 0);
      const fits = this.#bytes === 0 || this.#bytes + needed <= this.#maxBytes;
      const file = this.#file !== undefined && fits ? this.#file : await this.#openNext();
      return await writeWholeLines(lines, Infinity, async (bytes) => {
        const written = await file.write(bytes);
        this.#bytes += written;
        return written;
      });
    } catch (error) {
      return { written: 0, error };
    }
  }

  close(): void {
    try {
      this.#file?.close();
    } catch {
      // a write is under way; the process is about to end
    }
    this.#file = undefined;
  }

  async #openNext(): Promise<Deno.FsFile> {
    if (this.#file === undefined) {
      await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await forgetOlder(this.#folder, this.#owner);
    }
    this.close();
    this.#turn = 1 - this.#turn;
    const path = join(this.#folder, `${this.#owner}.${this.#turn}`);
    const file = await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
    this.#bytes = 0;
    return this.#file = file;
  }
}

/** Removes the files of earlier processes of the same id, all but the newest. */
async function forgetOlder(folder: string, owner: string): Promise<void> {
  const stable = owner.slice(0, owner.lastIndexOf("."));
  const newest = new Map<string, number>();
  const files: Array<{ path: string; process: string }> = [];
  for await (const { name } of Deno.readDir(folder)) {
    const process = name.slice(0, name.lastIndexOf("."));
    if (!process.startsWith(`${stable}.`) || process === owner) continue;
    const path = join(folder, name);
    const modified = (await statOrNull(path))?.mtime?.getTime() ?? 0;
    newest.set(process, Math.max(modified, newest.get(process) ?? 0));
    files.push({ path, process });
  }
  const kept = [...newest].sort((a, b) => b[1] - a[1]).slice(0, keptProcesses - 1).map(([process]) =>
    process
  );
  for (const { path, process } of files) {
    // another process of this id may have removed it
    if (!kept.includes(process)) await Deno.remove(path).catch(() => {});
  }
}

async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch {
    return null;
  }
}

/** What to take of {@link readRecent}. */
export interface RecentQuery {
  /** Logger name or glob. */
  logger?: string;
  /** Least level. */
  level?: string;
  /** Most lines, the newest. */
  limit: number;
}

/** One line as it was written. */
export interface RecentLine {
  ts: string;
  level: string;
  logger: string;
  [field: string]: unknown;
}

/**
 * The last lines of all processes of the service at `runtimeFolder`, oldest first; needs none of them alive. An empty
 * list where nothing was logged yet. Throws RangeError for an unknown level.
 */
export async function readRecent(runtimeFolder: string, query: RecentQuery): Promise<RecentLine[]> {
  const least = levelNumber(query.level ?? "trace");
  const wanted = compileLoggerGlob(query.logger ?? "**");
  const folder = join(runtimeFolder, folderName);
  const lines: RecentLine[] = [];
  for (const path of await filesIn(folder)) {
    for (const text of (await textOf(path)).split("\n")) {
      const line = parseLine(text);
      if (line && levelNumber(line.level) >= least && wanted(line.logger)) lines.push(line);
    }
  }
  lines.sort((a, b) => a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0);
  return lines.slice(Math.max(0, lines.length - query.limit));
}

async function filesIn(folder: string): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) paths.push(join(folder, name));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return paths.sort();
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    // taken away between listing and reading
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** A line that is being written right now is no line yet. */
function parseLine(text: string): RecentLine | undefined {
  try {
    const line = JSON.parse(text);
    const known = typeof line.ts === "string" && typeof line.logger === "string";
    return known && levelNames.includes(line.level) ? line : undefined;
  } catch {
    return undefined;
  }
}
