/**
 * Who gets which partitions of a consumer group: bytes of Kafka's consumer protocol, and the assignment that the leader
 * of the group makes. Does no I/O.
 *
 * ```
 * subscription = version int16, topics [string], user data bytes, from version 1: owned [topic string, partitions [int32]]
 * assignment   = version int16, [topic string, partitions [int32]], user data bytes
 * string = length int16, UTF-8; bytes = length int32 (-1: none); [] = count int32, elements
 * ```
 * (`ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json` of Apache Kafka)
 */

/** Partitions by topic. */
export type Partitions = ReadonlyMap<string, readonly number[]>;

/** What a member says when it joins. */
export interface Subscription {
  readonly topics: readonly string[];
  /** What it had until now. */
  readonly owned: Partitions;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeSubscription({ topics, owned }: Subscription): Uint8Array {
  const writer = new Writer();
  writer.int16(1);
  writer.int32(topics.length);
  for (const topic of topics) writer.string(topic);
  writer.int32(-1);
  writer.partitions(owned);
  return writer.bytes();
}

/** Of any version; throws RangeError for bytes that are none. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new Reader(bytes);
  const version = reader.int16();
  const topics: string[] = [];
  for (let count = reader.count(2); count > 0; count--) topics.push(reader.string());
  reader.skipBytes();
  return { topics, owned: version >= 1 ? reader.partitions() : new Map() };
}

export function encodeAssignment(partitions: Partitions): Uint8Array {
  const writer = new Writer();
  writer.int16(0);
  writer.partitions(partitions);
  writer.int32(-1);
  return writer.bytes();
}

/** Of any version; no bytes are no partitions. Throws RangeError for bytes that are none. */
export function decodeAssignment(bytes: Uint8Array): Partitions {
  if (bytes.length === 0) return new Map();
  const reader = new Reader(bytes);
  reader.int16();
  return reader.partitions();
}

/**
 * Shares out the partitions of each topic among those that want it, as evenly as can be; whoever has some keeps as many
 * of them as that leaves him. `counts` are the partitions of each topic; a topic that is not in it has none.
 */
export function assign(
  members: ReadonlyMap<string, Subscription>,
  counts: ReadonlyMap<string, number>,
): Map<string, Map<string, number[]>> {
  const ids = [...members.keys()].sort();
  const result = new Map(ids.map((id) => [id, new Map<string, number[]>()]));
  for (const [topic, count] of counts) {
    const takers = ids.filter((id) => members.get(id)!.topics.includes(topic));
    if (takers.length === 0) continue;
    const least = Math.floor(count / takers.length);
    let above = count % takers.length;
    const free = new Set(Array.from({ length: count }, (_, partition) => partition));
    for (const id of takers) {
      const kept: number[] = [];
      for (const partition of members.get(id)!.owned.get(topic) ?? []) {
        if (!free.has(partition)) continue;
        if (kept.length === least) {
          if (above === 0) break;
          above--;
        } else if (kept.length > least) break;
        kept.push(partition);
        free.delete(partition);
      }
      result.get(id)!.set(topic, kept);
    }
    const left = [...free];
    for (const id of takers) {
      const own = result.get(id)!.get(topic)!;
      while (own.length < least && left.length > 0) own.push(left.shift()!);
    }
    for (const id of takers) {
      const own = result.get(id)!.get(topic)!;
      if (own.length === least && left.length > 0) own.push(left.shift()!);
      own.sort((a, b) => a - b);
    }
  }
  return result;
}

class Writer {
  readonly #bytes: number[] = [];

  int16(value: number): void {
    this.#bytes.push((value >> 8) & 255, value & 255);
  }

  int32(value: number): void {
    this.#bytes.push((value >> 24) & 255, (value >> 16) & 255, (value >> 8) & 255, value & 255);
  }

  string(text: string): void {
    const bytes = encoder.encode(text);
    this.int16(bytes.length);
    for (const byte of bytes) this.#bytes.push(byte);
  }

  partitions(partitions: Partitions): void {
    this.int32(partitions.size);
    for (const [topic, list] of partitions) {
      this.string(topic);
      this.int32(list.length);
      for (const partition of list) this.int32(partition);
    }
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }
}

class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  int16(): number {
    const value = this.#view.getInt16(this.#at);
    this.#at += 2;
    return value;
  }

  int32(): number {
    const value = this.#view.getInt32(this.#at);
    this.#at += 4;
    return value;
  }

  /** How many elements of at least `size` bytes follow. */
  count(size: number): number {
    const count = this.int32();
    if (count * size > this.#view.byteLength - this.#at) throw new RangeError("Cannot read: too short");
    return count;
  }

  string(): string {
    const length = this.int16();
    if (length < 0 || length > this.#view.byteLength - this.#at) {
      throw new RangeError("Cannot read: too short");
    }
    const { buffer, byteOffset } = this.#view;
    const text = decoder.decode(new Uint8Array(buffer as ArrayBuffer, byteOffset + this.#at, length));
    this.#at += length;
    return text;
  }

  skipBytes(): void {
    const length = this.int32();
    this.#at += Math.max(0, length);
  }

  partitions(): Map<string, number[]> {
    const result = new Map<string, number[]>();
    for (let topics = this.count(6); topics > 0; topics--) {
      const topic = this.string();
      const list: number[] = [];
      for (let count = this.count(4); count > 0; count--) list.push(this.int32());
      result.set(topic, list);
    }
    return result;
  }
}
