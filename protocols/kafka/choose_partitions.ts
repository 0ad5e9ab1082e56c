/** Which record goes to which partition: as Kafka's own clients have it for keys, a turn of each batch for those without. */
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import { murmur2 } from "./murmur2.ts";

/**
 * Indexes of the records of each partition that has any, in their order; of all records, or of those in `only`. Those without
 * a key go to the partition `turn` modulo `count`, the number of partitions.
 */
export function choosePartitions(
  records: readonly OutgoingRecord[],
  count: number,
  turn: number,
  only?: readonly number[],
): Map<number, Int32Array> {
  const total = only ? only.length : records.length;
  const chosen = new Int32Array(total);
  const sizes = new Int32Array(count);
  for (let i = 0; i < total; i++) {
    const { key } = records[only ? only[i]! : i]!;
    const partition = (key === null ? turn : murmur2(key)) % count;
    chosen[i] = partition;
    sizes[partition]!++;
  }
  // Sorted by counting: one array for all, cut into those of the partitions.
  const sorted = new Int32Array(total);
  const ends = new Int32Array(count);
  const members = new Map<number, Int32Array>();
  for (let partition = 0, end = 0; partition < count; partition++) {
    ends[partition] = end;
    const size = sizes[partition]!;
    if (size > 0) members.set(partition, sorted.subarray(end, end += size));
  }
  for (let i = 0; i < total; i++) sorted[ends[chosen[i]!]!++] = only ? only[i]! : i;
  return members;
}
