/**
 * Kafka's record batches, magic 2 (KIP-98; "Record Batch" and "Record" of the protocol guide), written but not read.
 *
 * ```
 * batch  = i64 base offset (0) · i32 length of what follows · i32 leader epoch (-1) · i8 magic (2) · u32 crc · summed
 * summed = i16 attributes (0–2: compression) · i32 last offset delta · i64 first timestamp · i64 greatest timestamp
 *          · i64 producer id · i16 producer epoch · i32 base sequence · i32 count · record*       records: compressed
 * record = v length of what follows · i8 attributes (0) · v timestamp delta · v offset delta
 *          · v key length (-1: none) · key · v value length · value · v count of headers · header*
 * header = v name length · name · v value length · value
 * ```
 *
 * Numbers are big-endian, timestamps epoch ms, the crc is CRC-32C; v is a zigzag varint of up to 64 bits. Producer id, epoch
 * and sequence are written last, by {@link numberBatch}, and can be written again: the same records under other numbers.
 *
 * Every record gets the header `weir-id`, `<lane>/<sequence>`, so that repeats can be told.
 */
import { Buffer } from "node:buffer";
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import type { Compression } from "./compressions.ts";
import { crc32c } from "./crc32c.ts";

const headBytes = 61;
const at = {
  ...{
    length: 8,
    leaderEpoch: 12,
    magic: 16,
    crc: 17,
    attributes: 21,
    lastDelta: 23,
    first: 27,
    greatest: 35,
  },
  ...{ producerId: 43, producerEpoch: 51, sequence: 53, count: 57 },
} as const;
/** Before the length's own count begins. */
const uncountedBytes = 12;
const encoder = new TextEncoder();
const identityName = encoder.encode("\x0eweir-id"); // a length of 7, zigzag
/** Longest varint of 64 bits. */
const varintBytes = 10;
const firstCapacity = 1 << 16;
/** From here on the memory of a batch is given back after use. */
const keptCapacity = 8 << 20;
/** Shorter copies are faster byte by byte. */
const shortBytes = 24;
/** Larger ones are not told apart by numbers of JavaScript; the year is 287396. */
const maxTimestamp = 2 ** 53;

/** By which a broker tells a batch that comes again; all -1 without idempotence. */
export interface BatchNumbers {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of the first record. */
  readonly sequence: number;
}

/** Writes batches one behind the other into memory that grows, and is used again after {@link begin}. */
export class BatchEncoder {
  #bytes = new Uint8Array(firstCapacity);
  #end = 0;
  /** Headers of the record that is written now. */
  #scratch = new Uint8Array(256);
  #scratchEnd = 0;
  #lane = "";
  /** `<lane>/` */
  #laneBytes = encoder.encode("/");

  /** Forgets what was written: batches of before lose their bytes. */
  begin(): void {
    if (this.#bytes.length > keptCapacity) this.#bytes = new Uint8Array(firstCapacity);
    this.#end = 0;
  }

  /**
   * Writes one batch of those of `records` whose indexes are `members`, and gives its place for {@link bytesOf}: memory may
   * move until all batches are written.
   */
  add(
    records: readonly OutgoingRecord[],
    members: Int32Array,
  ): { readonly from: number; readonly end: number } {
    const from = this.#end;
    const first = timestampOf(records[members[0]!]!);
    let greatest = first;
    this.#end = from + headBytes;
    this.#room(0);
    for (let i = 0; i < members.length; i++) {
      const record = records[members[i]!]!;
      const timestamp = timestampOf(record);
      if (timestamp > greatest) greatest = timestamp;
      this.#record(record, timestamp - first, i, first);
    }
    const view = new DataView(this.#bytes.buffer, from, headBytes);
    view.setBigInt64(0, 0n);
    view.setInt32(at.length, this.#end - from - uncountedBytes);
    view.setInt32(at.leaderEpoch, -1);
    view.setInt8(at.magic, 2);
    view.setInt16(at.attributes, 0);
    view.setInt32(at.lastDelta, members.length - 1);
    view.setBigInt64(at.first, BigInt(first));
    view.setBigInt64(at.greatest, BigInt(greatest));
    view.setInt32(at.count, members.length);
    return { from, end: this.#end };
  }

  /** A view, good until {@link begin}. */
  bytesOf({ from, end }: { readonly from: number; readonly end: number }): Buffer {
    return Buffer.from(this.#bytes.buffer, from, end - from);
  }

  #record(record: OutgoingRecord, delta: number, offset: number, first: number): void {
    const { key, value, headers, lane, sequence } = record;
    if (lane !== this.#lane) {
      this.#lane = lane;
      this.#laneBytes = encoder.encode(`${lane}/`);
    }
    const laneBytes = this.#laneBytes;
    const digits = digitsOf(sequence);
    const identity = laneBytes.length + digits;
    const headerCount = 1 + this.#scratchHeaders(headers);
    const scratchEnd = this.#scratchEnd;
    const isNear = delta >= -0x40000000 && delta < 0x40000000;
    const near = isNear ? delta << 1 ^ delta >> 31 : 0;
    const far = isNear ? 0n : farDelta(record, first);
    const size = 1 + (isNear ? sizeOf(near) : sizeOfFar(far)) + sizeOf(offset << 1) +
      (key === null ? 1 : sizeOf(key.length << 1) + key.length) + sizeOf(value.length << 1) + value.length +
      sizeOf(headerCount << 1) + scratchEnd + identityName.length + sizeOf(identity << 1) + identity;

    this.#room(size + varintBytes);
    const bytes = this.#bytes;
    let end = put(bytes, this.#end, size << 1);
    bytes[end++] = 0;
    end = isNear ? put(bytes, end, near) : putFar(bytes, end, far);
    end = put(bytes, end, offset << 1);
    if (key === null) bytes[end++] = 1; // -1
    else end = copy(key, bytes, put(bytes, end, key.length << 1));
    end = copy(value, bytes, put(bytes, end, value.length << 1));
    end = put(bytes, end, headerCount << 1);
    if (scratchEnd > 0) end = copy(this.#scratch.subarray(0, scratchEnd), bytes, end);
    end = put(bytes, copy(identityName, bytes, end), identity << 1);
    end = copy(laneBytes, bytes, end) + digits;
    this.#end = end;
    for (let rest = sequence; end > this.#end - digits;) {
      const tens = rest < 0x80000000 ? rest / 10 | 0 : Math.floor(rest / 10);
      bytes[--end] = 48 + (rest - tens * 10);
      rest = tens;
    }
  }

  /** Writes the headers beside; how many there are. */
  #scratchHeaders(headers: OutgoingRecord["headers"]): number {
    let count = 0;
    this.#scratchEnd = 0;
    for (const name in headers) {
      this.#scratchText(name);
      this.#scratchText(headers[name]!);
      count++;
    }
    return count;
  }

  #scratchText(text: string): void {
    const needed = this.#scratchEnd + varintBytes + 3 * text.length;
    if (needed > this.#scratch.length) this.#scratch = grown(this.#scratch, needed, this.#scratchEnd);
    const begin = this.#scratchEnd + varintBytes;
    const { written } = encoder.encodeInto(text, this.#scratch.subarray(begin));
    const end = put(this.#scratch, this.#scratchEnd, written << 1);
    this.#scratch.copyWithin(end, begin, begin + written);
    this.#scratchEnd = end + written;
  }

  #room(size: number): void {
    const needed = this.#end + size;
    if (needed > this.#bytes.length) this.#bytes = grown(this.#bytes, needed, this.#end);
  }
}

/** The same batch with its records compressed. */
export async function compressBatch(batch: Buffer, { code, compress }: Compression): Promise<Buffer> {
  const records = await compress(batch.subarray(headBytes));
  const whole = Buffer.allocUnsafe(headBytes + records.length);
  whole.set(batch.subarray(0, headBytes));
  whole.set(records, headBytes);
  whole.writeInt32BE(whole.length - uncountedBytes, at.length);
  whole.writeInt16BE(code, at.attributes);
  return whole;
}

/** Completes a batch, or changes its numbers. */
export function numberBatch(batch: Buffer, { producerId, producerEpoch, sequence }: BatchNumbers): void {
  batch.writeBigInt64BE(producerId, at.producerId);
  batch.writeInt16BE(producerEpoch, at.producerEpoch);
  batch.writeInt32BE(sequence, at.sequence);
  batch.writeUInt32BE(crc32c(batch, at.attributes), at.crc);
}

function timestampOf({ timestamp }: OutgoingRecord): number {
  return Math.max(-maxTimestamp, Math.min(maxTimestamp, Math.trunc(timestamp)));
}

/** Zigzag of a difference of more than 30 bits. */
function farDelta(record: OutgoingRecord, first: number): bigint {
  const delta = BigInt(timestampOf(record)) - BigInt(first);
  return BigInt.asUintN(64, delta << 1n ^ delta >> 63n);
}

function sizeOfFar(value: bigint): number {
  let size = 1;
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

function putFar(bytes: Uint8Array, from: number, value: bigint): number {
  let end = from;
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes[end++] = Number(rest & 127n) | 128;
  bytes[end++] = Number(rest);
  return end;
}

/** Bytes of a varint of 32 bits. */
function sizeOf(value: number): number {
  const bits = value >>> 0;
  if (bits < 0x80) return 1;
  if (bits < 0x4000) return 2;
  if (bits < 0x200000) return 3;
  return bits < 0x10000000 ? 4 : 5;
}

/** Where it ends. */
function put(bytes: Uint8Array, from: number, value: number): number {
  let end = from;
  let rest = value >>> 0;
  for (; rest > 127; rest >>>= 7) bytes[end++] = rest & 127 | 128;
  bytes[end++] = rest;
  return end;
}

/** Where it ends. */
function copy(source: Uint8Array, bytes: Uint8Array, to: number): number {
  const { length } = source;
  if (length > shortBytes) bytes.set(source, to);
  else for (let i = 0; i < length; i++) bytes[to + i] = source[i]!;
  return to + length;
}

/** Of a whole number that is not negative. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

function grown(bytes: Uint8Array<ArrayBuffer>, needed: number, used: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(needed, bytes.length * 2));
  larger.set(bytes.subarray(0, used));
  return larger;
}
