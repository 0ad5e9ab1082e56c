/** The hash by which Kafka's own clients choose a partition: MurmurHash2, 32 bits, seed 0x9747b28c. */

/** Not negative. The partition of a key is this modulo their number, as Kafka's Java client has it (`Utils.toPositive`). */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
    k = Math.imul(k, m);
    k = Math.imul(k ^ k >>> 24, m);
    h = Math.imul(h, m) ^ k;
  }
  const rest = length - i;
  if (rest >= 3) h ^= bytes[i + 2]! << 16;
  if (rest >= 2) h ^= bytes[i + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[i]!, m);
  h = Math.imul(h ^ h >>> 13, m);
  return (h ^ h >>> 15) & 0x7fffffff;
}
