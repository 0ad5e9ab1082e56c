/** What handlers get: a record of a topic, its value decoded. */
import type { FetchedRecord } from "./consumer_client.ts";

const decoder = new TextDecoder();

/** One record. Key and headers are made when they are first asked for. */
export class KafkaRecord<Value = unknown> {
  readonly topic: string;
  readonly partition: number;
  /** Place in the partition; 64 bits, so a bigint: `${record.offset}` as text. */
  readonly offset: bigint;
  /** Decoded as `codec` says; null where the record has none (a tombstone). Bytes with codec raw. */
  readonly value: Value;
  /** Epoch ms. */
  readonly timestamp: number;
  readonly #raw: FetchedRecord;
  #key: Uint8Array | null | undefined;
  #headers: Readonly<Record<string, string>> | undefined;

  constructor(topic: string, partition: number, raw: FetchedRecord, value: Value) {
    this.topic = topic;
    this.partition = partition;
    this.offset = raw.offset;
    this.value = value;
    this.timestamp = raw.timestamp;
    this.#raw = raw;
  }

  /** null where the record has none. */
  get key(): Uint8Array | null {
    if (this.#key !== undefined) return this.#key;
    return this.#key = this.#raw.key === null ? null : new Uint8Array(this.#raw.key);
  }

  /** Values as UTF-8; of names that come several times the last one. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers ??= headersOf(this.#raw);
  }
}

/** See {@link KafkaRecord.headers}. */
export function headersOf({ headers }: FetchedRecord): Record<string, string> {
  const result: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) {
    if (name !== null) result[decoder.decode(name)] = value === null ? "" : decoder.decode(value);
  }
  return result;
}
