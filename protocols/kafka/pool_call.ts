/** Records on their way to a pool thread: numbers and names as a JSON head, keys, headers and values as the body. */
import type { CodecName } from "../codec/codec.ts";
import type { FetchedRecord } from "./consumer_client.ts";
import type { Job } from "./job.ts";

/** As the pools carry it. */
export interface PoolPayload {
  readonly head: string;
  readonly body: string | Uint8Array | undefined;
}

interface Head {
  readonly codec: CodecName;
  readonly list: boolean;
  readonly topic: string;
  readonly partition: number;
  /** Offset, epoch ms, and the lengths of the parts; -1 for null. */
  readonly records: ReadonlyArray<readonly [offset: string, timestamp: number, lengths: number[]]>;
}

/** Records that are not decoded yet. */
export function toPool(job: Job, topic: string, codec: CodecName, list: boolean): PoolPayload {
  const parts: Array<Uint8Array | null> = [];
  const records = job.handed.map((record): Head["records"][number] => {
    const own = [record.key, record.value, ...record.headers.flat()];
    parts.push(...own);
    return [String(record.offset), record.timestamp, own.map((part) => part?.length ?? -1)];
  });
  const head: Head = { codec, list, topic, partition: job.partition.index, records };
  const body = new Uint8Array(parts.reduce((sum, part) => sum + (part?.length ?? 0), 0));
  let at = 0;
  for (const part of parts) {
    if (part === null) continue;
    body.set(part, at);
    at += part.length;
  }
  return { head: JSON.stringify(head), body };
}

/** The other way round, on the thread. */
export function fromPool({ head, body }: PoolPayload): Omit<Head, "records"> & { records: FetchedRecord[] } {
  const { records, ...rest } = JSON.parse(head) as Head;
  const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
  let at = 0;
  const take = (length: number) => length < 0 ? null : bytes.subarray(at, at += length);
  return {
    ...rest,
    records: records.map(([offset, timestamp, lengths]) => {
      const [key, value, ...texts] = lengths.map(take);
      const headers: Array<[Uint8Array | null, Uint8Array | null]> = [];
      for (let i = 0; i < texts.length; i += 2) headers.push([texts[i]!, texts[i + 1]!]);
      return { offset: BigInt(offset), timestamp, key: key!, value: value!, headers };
    }),
  };
}
