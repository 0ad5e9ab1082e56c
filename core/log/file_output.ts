/**
 * A file as an output: appended to by any number of processes at once (each batch is one append, so lines stay whole),
 * created 0600 in a 0700 folder, opened again on {@link FileOutput.reopen} and whenever its name points to another
 * file than the one held. Refuses to rotate: one process does that for all (`rotate.ts`).
 */
import { dirname } from "node:path";
import type { Output, WriteResult } from "./sink.ts";
import { writeWholeLines } from "./whole_lines.ts";

const lookEveryMs = 1000;

/** Appends lines to the file at a path. */
export class FileOutput implements Output {
  readonly #path: string;
  readonly #now: () => number;
  #file: Deno.FsFile | undefined;
  #identity = "";
  #reopen = false;
  #lookedAt = -Infinity;
  #torn = false;
  #closed = false;

  /** `now` is a monotonic clock in ms. */
  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
  }

  async write(lines: readonly string[]): Promise<WriteResult> {
    let file: Deno.FsFile;
    try {
      // no await where it is open: a warning must be on its way before a handler can hang
      file = this.#file && !this.#reopen ? this.#file : await this.#open();
    } catch (error) {
      return { written: 0, error };
    }
    // what a full disk cut off gets its line end, so that it spoils no other line
    if (this.#torn) lines = ["\n" + lines[0]!, ...lines.slice(1)];
    const result = await writeWholeLines(lines, Infinity, (bytes) => file.write(bytes));
    this.#torn = result.torn || (this.#torn && result.written === 0);
    if (result.error !== undefined) this.#reopen = true;
    else if (!this.#closed && this.#now() - this.#lookedAt >= lookEveryMs) await this.#look();
    if (this.#closed) this.#release();
    return result;
  }

  reopen(): void {
    this.#reopen = true;
  }

  close(): void {
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    try {
      this.#file?.close();
    } catch {
      // a write is under way: it releases the file when it ends
      return;
    }
    this.#file = undefined;
  }

  /** Finds out whether the name points to another file by now; the next write goes there. */
  async #look(): Promise<void> {
    this.#lookedAt = this.#now();
    if (identityOf(await statOrNull(this.#path)) !== this.#identity) this.#reopen = true;
  }

  async #open(): Promise<Deno.FsFile> {
    this.#file?.close();
    this.#file = undefined;
    const file = await openAppending(this.#path);
    const identity = identityOf(await file.stat());
    // a new file has no torn line to end
    if (identity !== this.#identity) this.#torn = false;
    this.#file = file;
    this.#identity = identity;
    this.#reopen = false;
    this.#lookedAt = this.#now();
    return file;
  }
}

async function openAppending(path: string): Promise<Deno.FsFile> {
  const options = { append: true, create: true, mode: 0o600 };
  try {
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await Deno.open(path, options);
  }
}

function identityOf(info: Deno.FileInfo | null): string {
  return info ? `${info.dev}:${info.ino}` : "";
}

async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch {
    return null;
  }
}
