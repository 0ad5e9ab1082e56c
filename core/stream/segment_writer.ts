/** One segment that is being written: made, appended to, cut back after a failure, completed. See record_codec.ts for its bytes. */
import { join } from "node:path";
import { segmentHeader, segmentHeaderBytes } from "./record_codec.ts";
import { closedSegmentName, openSegmentName } from "./spool_names.ts";
import { samePlace } from "./lane_folder.ts";

/** The open segment of a lane. */
export class SegmentWriter {
  readonly first: number;
  readonly path: string;
  readonly #folder: string;
  readonly #file: Deno.FsFile;
  /** A second one of the same file: a sync through `#file` would hold up writes. */
  #forSync: Deno.FsFile | undefined;
  /** Bytes that stand in it for good. */
  size = segmentHeaderBytes;
  /** Bytes were written that no sync has covered. */
  dirty = true;

  private constructor(folder: string, first: number, file: Deno.FsFile) {
    this.#folder = folder;
    this.first = first;
    this.path = join(folder, openSegmentName(first));
    this.#file = file;
  }

  /** Makes a segment that begins with the record number `first`. Leaves nothing behind where it rejects. */
  static async create(folder: string, first: number, epochMs: number): Promise<SegmentWriter> {
    const path = join(folder, openSegmentName(first));
    const file = await createFile(path);
    try {
      await writeAll(file, segmentHeader(first, epochMs));
    } catch (error) {
      file.close();
      await Deno.remove(path).catch(() => {});
      throw error;
    }
    return new SegmentWriter(folder, first, file);
  }

  /** Resolves when the kernel has all of `bytes`. Rejects with {@link ShortWrite}. */
  async append(bytes: Uint8Array): Promise<void> {
    this.dirty = true;
    await writeAll(this.#file, bytes);
    this.size += bytes.length;
  }

  /** After a short write: keeps `bytes` of what was begun. False where that could not be done. */
  async cut(bytes: number): Promise<boolean> {
    this.size += bytes;
    try {
      await this.#file.truncate(this.size);
      return true;
    } catch {
      return false;
    }
  }

  /** Resolves when the disk has what was written before the call. */
  async sync(): Promise<void> {
    this.dirty = false;
    try {
      await this.#file.syncData();
    } catch (error) {
      this.dirty = true;
      throw error;
    }
  }

  /** As {@link sync}, and does not hold up writes. */
  async syncBeside(): Promise<void> {
    this.dirty = false;
    try {
      this.#forSync ??= await Deno.open(this.path);
      await this.#forSync.syncData();
    } catch (error) {
      this.dirty = true;
      // It was completed meanwhile, with a sync of its own.
      if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.BadResource)) {
        throw error;
      }
    }
  }

  /** Whether its file is still in its place. */
  isThere(): Promise<boolean> {
    return samePlace(this.#file, this.path);
  }

  /** Completes it: `last` is the number of its last record; below `first` there is none, and it goes away. */
  async complete(last: number): Promise<void> {
    this.release();
    if (last < this.first) await Deno.remove(this.path);
    else await Deno.rename(this.path, join(this.#folder, closedSegmentName(this.first, last)));
  }

  /** Gives up its files and leaves them as they are. */
  release(): void {
    for (const file of [this.#file, this.#forSync]) {
      try {
        file?.close();
      } catch {
        // Closed before.
      }
    }
  }
}

/** Not all bytes could be written. */
export class ShortWrite extends Error {
  override readonly name = "ShortWrite";
  /** Bytes that were. */
  readonly written: number;

  constructor(written: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.written = written;
  }
}

/** One of that name has no records, or its last number would have been taken: it was left by a failure. */
async function createFile(path: string): Promise<Deno.FsFile> {
  const options = { append: true, createNew: true, mode: 0o600 } as const;
  try {
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    await Deno.remove(path);
    return await Deno.open(path, options);
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  try {
    while (written < bytes.length) {
      const count = await file.write(written === 0 ? bytes : bytes.subarray(written));
      if (count === 0) throw new Error("the file took no bytes");
      written += count;
    }
  } catch (error) {
    throw new ShortWrite(written, error);
  }
}
