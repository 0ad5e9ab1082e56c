/** Records as handlers get them. */
import type { Codec } from "../codec/codec.ts";
import type { FetchedRecord } from "./consumer_client.ts";
import { KafkaRecord } from "./record.ts";

/** A record whose value is not of the codec. */
export interface Undecodable {
  readonly record: FetchedRecord;
  readonly cause: string;
}

const none: readonly Undecodable[] = [];

/** What could be decoded, in its order, and what could not. */
export function decoded(
  records: readonly FetchedRecord[],
  topic: string,
  partition: number,
  codec: Codec,
): { values: KafkaRecord[]; bad: readonly Undecodable[] } {
  const values: KafkaRecord[] = [];
  let bad: Undecodable[] | undefined;
  for (const record of records) {
    try {
      values.push(new KafkaRecord(topic, partition, record, valueOf(record.value, codec)));
    } catch (error) {
      (bad ??= []).push({
        record,
        cause: `undecodable (${codec.name}): ${error instanceof Error ? error.message : error}`,
      });
    }
  }
  return { values, bad: bad ?? none };
}

/** A value with codec raw is a copy: what was read holds the records of a whole fetch. */
function valueOf(bytes: Uint8Array | null, codec: Codec): unknown {
  if (bytes === null) return null;
  return codec.decode(codec.keepsBytes ? new Uint8Array(bytes) : bytes as Uint8Array<ArrayBuffer>);
}
