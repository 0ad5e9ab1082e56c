/** Writes lanes as record_codec.ts documents them, in the process of the test. */
import { join } from "node:path";
import { encodeHeaders, recordOverheadBytes, sealRecord, segmentHeader } from "../record_codec.ts";
import { closedSegmentName, laneName, openSegmentName } from "../spool_names.ts";

const encoder = new TextEncoder();
let made = 0;

/** A lane with a writer that lives until {@link MadeLane.end}. */
export class MadeLane {
  readonly name: string;
  readonly folder: string;
  next = 1;
  first = 0;
  readonly #lock: Deno.FsFile;
  #file: Deno.FsFile | undefined;

  /** `pid`: one that does not run makes a dead lane of it as soon as it ends. */
  constructor(streamFolder: string, pid = 0x7ffffff0) {
    this.name = laneName("worker", ++made, pid, 1_800_000_000_000 + made);
    this.folder = join(streamFolder, this.name);
    Deno.mkdirSync(this.folder, { recursive: true });
    this.#lock = Deno.openSync(join(this.folder, "writer"), { create: true, write: true });
    this.#lock.lockSync(true);
  }

  get openPath(): string {
    return join(this.folder, openSegmentName(this.first));
  }

  closedPath(first: number, last: number): string {
    return join(this.folder, closedSegmentName(first, last));
  }

  /** Appends records `<lane> <sequence>` (or `value`), in one write; their sequences. */
  write(
    count: number,
    options: { value?: Uint8Array; key?: string; headers?: Record<string, string> } = {},
  ): number[] {
    if (this.#file === undefined) this.open();
    const parts: Uint8Array[] = [];
    const sequences: number[] = [];
    for (let n = 0; n < count; n++) {
      const sequence = this.next++;
      sequences.push(sequence);
      parts.push(
        recordBytes(sequence, {
          ...options,
          value: options.value ?? encoder.encode(`{"id":"${this.name} ${sequence}"}`),
        }),
      );
    }
    this.append(concat(parts));
    return sequences;
  }

  /** Appends bytes as they are. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.#file!.writeSync(bytes.subarray(at));
  }

  open(): void {
    this.first = this.next;
    this.#file = Deno.openSync(this.openPath, { append: true, create: true, mode: 0o600 });
    this.append(segmentHeader(this.first, Date.now()));
  }

  /** Completes the open segment; its path. */
  close(): string {
    this.#file!.close();
    this.#file = undefined;
    const path = this.closedPath(this.first, this.next - 1);
    Deno.renameSync(this.openPath, path);
    return path;
  }

  /** Leaves the open segment as it is; the next record begins another one. */
  leave(): void {
    this.#file!.close();
    this.#file = undefined;
  }

  /** The writer dies: what it wrote stays. */
  end(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#lock.close();
  }
}

export function recordBytes(
  sequence: number,
  record: { value: Uint8Array; key?: string; headers?: Record<string, string>; timestamp?: number },
): Uint8Array<ArrayBuffer> {
  const key = record.key === undefined ? null : encoder.encode(record.key);
  const headers = record.headers === undefined ? null : encodeHeaders(record.headers);
  const valueAt = recordOverheadBytes + (key?.length ?? 0) + (headers?.length ?? 0);
  const bytes = new Uint8Array(valueAt + record.value.length);
  bytes.set(record.value, valueAt);
  const { timestamp = 1_700_000_000_000 + sequence } = record;
  sealRecord(bytes, new DataView(bytes.buffer), 0, {
    sequence,
    timestamp,
    key,
    headers,
    valueLength: record.value.length,
  });
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
