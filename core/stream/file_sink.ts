/**
 * Appends records to a file, a line each; they are acknowledged when the disk has them. The file is opened again when its
 * name points to another one, as after `mv`. A line that a full disk cut off is taken back; one that the end of the process
 * cut off gets its line end. Refuses to rotate.
 */
import { dirname } from "node:path";
import type { MakeSink, OutgoingRecord, Sink, SinkInit } from "./contract.ts";
import { SinkError } from "./contract.ts";
import { outgoingLines } from "./outgoing_line.ts";

const lineEnd = new Uint8Array([10]);

/** Makes the sink of a stream with `file:`. */
export const fileSink: MakeSink = (init) => new FileSink(init);

class FileSink implements Sink {
  readonly #path: string;
  readonly #codec: SinkInit["plan"]["codec"];
  #file: Deno.FsFile | undefined;
  #identity = "";
  /** Ends in the middle of a line. */
  #torn = false;
  #regular = true;

  constructor({ plan }: SinkInit) {
    if (plan.file === undefined) throw new TypeError("Cannot make a file sink: the stream has no `file`");
    this.#path = plan.file;
    this.#codec = plan.codec;
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    try {
      const file = this.#current();
      if (this.#torn) await this.#append(file, lineEnd);
      this.#torn = false;
      await this.#append(file, outgoingLines(records, this.#codec));
      if (this.#regular) await file.syncData();
    } catch (error) {
      this.#release();
      throw new SinkError("unavailable", `${this.#path}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  describe(): string[] {
    return [this.#path];
  }

  close(): Promise<void> {
    this.#release();
    return Promise.resolve();
  }

  /** Writes all of `bytes`, or takes back what it wrote and throws. */
  async #append(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
    const before = this.#regular ? file.statSync().size : 0;
    let done = 0;
    try {
      while (done < bytes.length) done += await file.write(bytes.subarray(done));
    } catch (error) {
      if (done > 0) this.#takeBack(file, before, done);
      throw error;
    }
  }

  #takeBack(file: Deno.FsFile, before: number, written: number): void {
    try {
      if (this.#regular && file.statSync().size === before + written) file.truncateSync(before);
    } catch {
      // whoever opens it again finds half a line and ends it
    }
  }

  /** The file that the name points to. */
  #current(): Deno.FsFile {
    if (this.#file !== undefined) {
      if (identityAt(this.#path) === this.#identity) return this.#file;
      this.#release();
    }
    const file = openAppending(this.#path);
    this.#file = file;
    const info = file.statSync();
    this.#identity = identityOf(info);
    this.#regular = info.isFile;
    this.#torn = info.isFile && info.size > 0 && lastByte(file, info.size) !== lineEnd[0];
    return file;
  }

  #release(): void {
    try {
      this.#file?.close();
    } catch {
      // a write is under way: its end finds the file given up
    }
    this.#file = undefined;
  }
}

function openAppending(path: string): Deno.FsFile {
  const options = { read: true, append: true, create: true, mode: 0o600 };
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return Deno.openSync(path, options);
  }
}

function lastByte(file: Deno.FsFile, size: number): number {
  const byte = new Uint8Array(1);
  file.seekSync(size - 1, Deno.SeekMode.Start);
  file.readSync(byte);
  return byte[0]!;
}

function identityAt(path: string): string {
  try {
    return identityOf(Deno.statSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function identityOf({ dev, ino }: Deno.FileInfo): string {
  return `${dev}:${ino}`;
}
