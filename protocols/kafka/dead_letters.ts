/**
 * Records that could not be done, one JSON object per line in a file that all workers append to. Written under a lock,
 * forced to the disk, and cut back where the disk took a part only: a line is there as a whole or not at all.
 */
import { dirname } from "node:path";
import type { FetchedRecord } from "./consumer_client.ts";
import { headersOf } from "./record.ts";

/** A record with what became of it. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly record: FetchedRecord;
  readonly cause: string;
  readonly attempts: number;
  /** Epoch ms. */
  readonly at: number;
}

/** Longest cause that is kept, in characters. */
const longestCause = 4096;
const encoder = new TextEncoder();

/** See the module's header. */
export class DeadLetters {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }

  /** All of them or none. Rejects with what the file system says. */
  async write(letters: readonly DeadLetter[]): Promise<void> {
    const bytes = encoder.encode(letters.map(lineOf).join(""));
    await Deno.mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    using file = await Deno.open(this.#path, { create: true, append: true, mode: 0o600 });
    await file.lock(true);
    try {
      const { size } = await file.stat();
      const written = await file.write(bytes).catch((error) => {
        file.truncateSync(size);
        throw error;
      });
      if (written < bytes.length) {
        await file.truncate(size);
        throw new Error(`The disk took ${written} of ${bytes.length} bytes`);
      }
      await file.syncData();
    } finally {
      await file.unlock();
    }
  }
}

function lineOf({ topic, partition, record, cause, attempts, at }: DeadLetter): string {
  const line = {
    topic,
    partition,
    // 64 bits do not fit into a number of JSON
    offset: String(record.offset),
    key: base64(record.key),
    headers: headersOf(record),
    value: base64(record.value),
    timestamp: record.timestamp,
    cause: cause.slice(0, longestCause),
    attempts,
    at: new Date(at).toISOString(),
  };
  return JSON.stringify(line) + "\n";
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new Uint8Array(bytes).toBase64();
}
