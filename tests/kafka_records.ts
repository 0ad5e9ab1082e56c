/** Reads a whole topic without a group, partition by partition, for tests that compare what arrived with what was sent. */
import { Admin, Consumer, ListOffsetTimestamps } from "@platformatic/kafka";

/** A record as a broker has it. */
export interface KafkaRecord {
  partition: number;
  offset: number;
  key: string | null;
  value: Uint8Array;
  headers: Record<string, string>;
  /** Epoch ms. */
  timestamp: number;
}

type Part = Awaited<ReturnType<Consumer["fetch"]>>["responses"][number]["partitions"][number];

const compressions = ["none", "gzip", "snappy", "lz4", "zstd"];

/** All records up to the end that the topic has now, and the compressions of its batches. */
export async function readTopic(
  brokers: readonly string[],
  topic: string,
): Promise<{ records: KafkaRecord[]; compressions: string[] }> {
  const consumer = new Consumer({ groupId: "tests", clientId: "tests", bootstrapBrokers: [...brokers] });
  try {
    const metadata = await consumer.metadata({ topics: [topic], forceUpdate: true });
    const { id, partitions } = metadata.topics.get(topic)!;
    const ends = await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST });
    const starts = await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.EARLIEST });
    const read = { records: [] as KafkaRecord[], seen: new Set<string>() };
    for (let partition = 0; partition < partitions.length; partition++) {
      const { leader, leaderEpoch } = partitions[partition]!;
      const end = ends.get(topic)![partition]!;
      let next = starts.get(topic)![partition]!;
      while (next < end) {
        const response = await consumer.fetch({
          ...{ node: leader, minBytes: 1, maxBytes: 8 << 20, maxWaitTime: 500 },
          topics: [{
            topicId: id,
            partitions: [{
              ...{ partition, currentLeaderEpoch: leaderEpoch, lastFetchedEpoch: -1 },
              ...{ fetchOffset: next, partitionMaxBytes: 8 << 20 },
            }],
          }],
        });
        const [part] = response.responses[0]?.partitions ?? [];
        if (part) next = take(part, next, end, read);
      }
    }
    return { records: read.records, compressions: [...read.seen] };
  } finally {
    await consumer.close(true);
  }
}

/** The offset to go on with. */
function take(
  part: Part,
  from: bigint,
  end: bigint,
  read: { records: KafkaRecord[]; seen: Set<string> },
): bigint {
  let next = from;
  for (const batch of part.records ?? []) {
    read.seen.add(compressions[batch.attributes & 7]!);
    next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
    if ((batch.attributes & 32) !== 0) continue; // marks of transactions
    for (const record of batch.records) {
      const offset = batch.firstOffset + BigInt(record.offsetDelta);
      if (offset < from || offset >= end) continue;
      read.records.push({
        partition: part.partitionIndex,
        offset: Number(offset),
        key: record.key === null ? null : record.key.toString(),
        value: record.value ?? new Uint8Array(0),
        headers: Object.fromEntries(record.headers.map(([name, value]) => [`${name}`, `${value}`])),
        timestamp: Number(batch.firstTimestamp + record.timestampDelta),
      });
    }
  }
  return next;
}

/** Makes a topic and waits until all its partitions have a leader. */
export async function makeTopic(
  brokers: readonly string[],
  topic: string,
  options: { partitions: number; replicas: number; configs: Record<string, string | number> },
): Promise<void> {
  const admin = new Admin({ clientId: "tests", bootstrapBrokers: [...brokers] });
  try {
    const { partitions, replicas } = options;
    const configs = Object.entries(options.configs).map(([name, value]) => ({ name, value: `${value}` }));
    await admin.createTopics({ topics: [topic], partitions, replicas, configs });
    const limit = performance.now() + 30_000;
    while (performance.now() < limit) {
      try {
        const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
        const leaders = topics.get(topic)?.partitions ?? [];
        if (leaders.filter(({ leader }) => leader >= 0).length === partitions) return;
      } catch {
        // not known to this broker yet
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`Topic ${topic} has no leaders`);
  } finally {
    await admin.close();
  }
}

/** Addresses of the brokers that take part now; none where nobody answers. */
export async function livingBrokers(brokers: readonly string[]): Promise<string[]> {
  const admin = new Admin({
    ...{ clientId: "tests", bootstrapBrokers: [...brokers] },
    ...{ retries: 0, connectTimeout: 2000, timeout: 5000, requestTimeout: 5000 },
  });
  try {
    const { brokers: known } = await admin.metadata({ topics: [], forceUpdate: true });
    return [...known.values()].map(({ host, port }) => `${host}:${port}`);
  } catch {
    return [];
  } finally {
    await admin.close();
  }
}
