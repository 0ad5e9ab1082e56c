/**
 * Records that a sink will not have: `<stream>/dead.jsonl`, a line of JSON each, safe on disk before the record counts as
 * failed. Two files at most; the older one is given up when the newer one is full, so that a poisoned stream does not fill
 * the disk.
 */
import { join } from "node:path";
import type { OutgoingRecord } from "./contract.ts";

/** A record and why it was refused. */
export interface DeadLetter {
  readonly record: OutgoingRecord;
  readonly cause: string;
}

const maxFileBytes = 64 * 1024 * 1024;
const encoder = new TextEncoder();

/** Appends to the dead letters of one stream. */
export class DeadLetters {
  readonly #path: string;
  readonly #olderPath: string;
  readonly #maxBytes: number;
  readonly #gaveUp: (bytes: number) => void;

  /** `gaveUp` hears when an older file is given up. */
  constructor(streamFolder: string, options: { gaveUp(bytes: number): void; maxFileBytes?: number }) {
    this.#path = join(streamFolder, "dead.jsonl");
    this.#olderPath = join(streamFolder, "dead.1.jsonl");
    this.#maxBytes = options.maxFileBytes ?? maxFileBytes;
    this.#gaveUp = options.gaveUp;
  }

  /** Appends all of them, or throws; then none of them is in the file. */
  append(letters: readonly DeadLetter[], epochMs: number): void {
    const at = new Date(epochMs).toISOString();
    const bytes = encoder.encode(letters.map((letter) => lineOf(letter, at)).join(""));
    const size = sizeOf(this.#path);
    if (size > 0 && size + bytes.length > this.#maxBytes) this.#rotate();
    using file = Deno.openSync(this.#path, { append: true, create: true, mode: 0o600 });
    const before = file.statSync().size;
    try {
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      file.syncDataSync();
    } catch (error) {
      try {
        Deno.truncateSync(this.#path, before);
      } catch {
        // the next line is spoiled by half a one before it
      }
      throw error;
    }
  }

  #rotate(): void {
    const older = sizeOf(this.#olderPath);
    Deno.renameSync(this.#path, this.#olderPath);
    if (older > 0) this.#gaveUp(older);
  }
}

function lineOf({ record, cause }: DeadLetter, at: string): string {
  const { lane, sequence, timestamp, key, headers, value } = record;
  const line = {
    lane,
    sequence,
    timestamp,
    key: key === null ? null : key.toBase64(),
    headers,
    value: value.toBase64(),
    cause,
    at,
  };
  return `${JSON.stringify(line)}\n`;
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
