/** Spools as a service leaves them, for tests of those who read them from outside. */
import { join } from "node:path";
import { encodeHeaders, recordOverheadBytes, sealRecord, segmentHeader } from "../record_codec.ts";
import { closedSegmentName, openSegmentName } from "../spool_names.ts";

/** What a record of a test has; `value` is its text. */
export interface MadeRecord {
  readonly value: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

/** Time of the first record; each one is a second later. */
export const firstAt: number = Date.UTC(2026, 0, 2, 3, 4, 5);

const encoder = new TextEncoder();

/** The bytes of a segment whose records begin with the number `first`, and where each of them begins. */
export function segmentBytes(
  first: number,
  records: readonly MadeRecord[],
): { bytes: Uint8Array; at: number[] } {
  const parts: Uint8Array[] = [segmentHeader(first, firstAt)];
  const at: number[] = [];
  let length = parts[0]!.length;
  records.forEach((record, index) => {
    at.push(length);
    const one = recordBytes(first + index, record);
    parts.push(one);
    length += one.length;
  });
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return { bytes, at };
}

function recordBytes(sequence: number, { value, key, headers }: MadeRecord): Uint8Array {
  const keyBytes = key === undefined ? null : bytesOf(key);
  const headerBytes = headers === undefined ? null : encodeHeaders(headers);
  const body = bytesOf(value);
  const valueAt = recordOverheadBytes + (keyBytes?.length ?? 0) + (headerBytes?.length ?? 0);
  const bytes = new Uint8Array(valueAt + body.length);
  bytes.set(body, valueAt);
  sealRecord(bytes, new DataView(bytes.buffer), 0, {
    sequence,
    timestamp: firstAt + (sequence - 1) * 1000,
    key: keyBytes,
    headers: headerBytes,
    valueLength: body.length,
  });
  return bytes;
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? encoder.encode(value) : value;
}

/** A spool in a folder of its own, removed at the end of the test. */
export class MadeSpool {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "weir-spool-" });

  /** A lane nobody writes; `lists` are its segments, the last one open where `open` says so. */
  lane(stream: string, lane: string, lists: readonly (readonly MadeRecord[])[], open = false): string {
    const folder = join(this.folder, stream, lane);
    Deno.mkdirSync(folder, { recursive: true });
    Deno.writeTextFileSync(join(folder, "writer"), "");
    // Long ago: of a new file it is not known yet whether somebody will lock it.
    Deno.utimeSync(join(folder, "writer"), 1, 1);
    let first = 1;
    lists.forEach((records, index) => {
      const last = first + records.length - 1;
      const name = open && index === lists.length - 1
        ? openSegmentName(first)
        : closedSegmentName(first, last);
      Deno.writeFileSync(join(folder, name), segmentBytes(first, records).bytes);
      first = last + 1;
    });
    return folder;
  }

  /** All files with their bytes, to see that nothing has changed. */
  content(): Record<string, string> {
    const content: Record<string, string> = {};
    const walk = (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        const path = join(folder, name);
        if (isDirectory) walk(path);
        else content[path] = Deno.readFileSync(path).toBase64();
      }
    };
    walk(this.folder);
    return content;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}
