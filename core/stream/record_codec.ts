/**
 * The bytes of a spool.
 *
 * ```
 * <spool.directory>/<stream>/          0700
 *   lock                               held (flock) by the one shipper of the stream
 *   room                               held for a moment by a writer that opens or gives up a segment
 *   totals                             what was counted of lanes that are gone (totals_file.ts)
 *   dead.jsonl, dead.1.jsonl           records that the sink will not have, one per line, with their cause; the older ones
 *   damaged/<lane>-<sequence>.bin      bytes that were no records, from where <sequence> was to come
 *   <lane>/                            one per writer: <role><id>-<pid>-<start, base 36>
 *     writer                           held (flock) by the process that writes this lane
 *     cursor                           how far the records are done (cursor_file.ts)
 *     <first>.open                     the segment that is written; <first>: 16 decimal digits
 *     <first>-<last>.seg               segments that are complete, with the sequences of their first and last record
 *
 * segment = "WEIRSPL1" · u64 first sequence · f64 epoch ms when it was opened · u32 crc32 of the 24 bytes before · u32 0
 *           · record*
 * record  = u32 length of what follows the checksum · u32 crc32 of that
 *           · u64 sequence · f64 epoch ms · u16 key length, 0xffff: no key · u16 headers length · key · headers · value
 * headers = (u8 name length · name · u16 text length · text)*
 * ```
 *
 * Numbers are little-endian, texts UTF-8, checksums CRC-32 (ISO 3309, as in gzip). Sequences count within a lane from 1
 * without gaps, so that whoever reads knows how many records are missing.
 */
import { crc32 } from "node:zlib";
import type { SpoolRecord } from "./contract.ts";

export const segmentHeaderBytes = 32;
/** Before the part that the checksum covers. */
export const recordPrefixBytes = 8;
/** Sequence, time and the two lengths. */
export const recordHeadBytes = 20;
/** Prefix and head. */
export const recordOverheadBytes: number = recordPrefixBytes + recordHeadBytes;
export const maxKeyBytes = 0xfffe;
export const maxHeadersBytes = 0xffff;

const noKey = 0xffff;
const magic = new TextEncoder().encode("WEIRSPL1");
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: false });
const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

/** The first bytes of a segment. */
export function segmentHeader(firstSequence: number, epochMs: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(segmentHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setBigUint64(8, BigInt(firstSequence), true);
  view.setFloat64(16, epochMs, true);
  view.setUint32(24, crc32(bytes.subarray(0, 24)), true);
  return bytes;
}

/** What a segment says of itself; undefined where that is damaged. */
export function readSegmentHeader(bytes: Uint8Array): { firstSequence: number; epochMs: number } | undefined {
  if (bytes.length < segmentHeaderBytes || magic.some((byte, index) => bytes[index] !== byte)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(24, true) !== crc32(bytes.subarray(0, 24))) return undefined;
  return { firstSequence: Number(view.getBigUint64(8, true)), epochMs: view.getFloat64(16, true) };
}

/** Bytes of headers; throws RangeError for more than a record can have. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const [name, text] of Object.entries(headers)) {
    const nameBytes = encoder.encode(name);
    const textBytes = encoder.encode(text);
    if (nameBytes.length > 255) {
      throw new RangeError(`Cannot send a header whose name has ${nameBytes.length} bytes: 255 at most`);
    }
    length += 3 + nameBytes.length + textBytes.length;
    if (length > maxHeadersBytes) {
      throw new RangeError(`Cannot send headers of more than ${maxHeadersBytes} bytes`);
    }
    const sizes = new Uint8Array([nameBytes.length]);
    parts.push(sizes, nameBytes, new Uint8Array([textBytes.length & 255, textBytes.length >> 8]), textBytes);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What stands before the value of a record. */
export interface RecordHead {
  sequence: number;
  timestamp: number;
  key: Uint8Array | null;
  headers: Uint8Array | null;
  valueLength: number;
}

/** Writes the part before the value to `bytes` at `at` and sums up the whole record, whose value stands behind it already. */
export function sealRecord(bytes: Uint8Array, view: DataView, at: number, record: RecordHead): void {
  layRecord(bytes, view, at, record);
  renumberRecord(bytes, view, at, record.sequence);
}

/** As {@link sealRecord} without the checksum: {@link renumberRecord} completes it. */
export function layRecord(bytes: Uint8Array, view: DataView, at: number, record: RecordHead): void {
  const { sequence, timestamp, key, headers, valueLength } = record;
  const head = at + recordPrefixBytes;
  view.setUint32(head, sequence >>> 0, true);
  view.setUint32(head + 4, sequence / 2 ** 32, true);
  view.setFloat64(head + 8, timestamp, true);
  view.setUint16(head + 16, key === null ? noKey : key.length, true);
  view.setUint16(head + 18, headers === null ? 0 : headers.length, true);
  let end = head + recordHeadBytes;
  if (key !== null) {
    bytes.set(key, end);
    end += key.length;
  }
  if (headers !== null) {
    bytes.set(headers, end);
    end += headers.length;
  }
  end += valueLength;
  view.setUint32(at, end - head, true);
}

/** Gives the record at `at` its number and sums it up; returns its end. */
export function renumberRecord(bytes: Uint8Array, view: DataView, at: number, sequence: number): number {
  const head = at + recordPrefixBytes;
  const end = recordEnd(view, at);
  view.setUint32(head, sequence >>> 0, true);
  view.setUint32(head + 4, sequence / 2 ** 32, true);
  view.setUint32(at + 4, crc32(bytes.subarray(head, end)), true);
  return end;
}

/** Where the record at `at` ends, which must be whole. */
export function recordEnd(view: DataView, at: number): number {
  return at + recordPrefixBytes + view.getUint32(at, true);
}

/** What stands at a place of a segment. */
export type Found =
  /** A whole record; the next one is at `end`. */
  | { kind: "record"; record: SpoolRecord; end: number }
  /** The bytes end before the record does: it is being written, or the tail is torn. `needs`: bytes from `at` on, as far as known. */
  | { kind: "partial"; needs: number }
  /** Not a record. */
  | { kind: "damaged"; cause: string };

/** Reads the record at `at`; views into `bytes`. Longer ones than `maxBytes` (prefix and all) are damage. */
export function readRecord(bytes: Uint8Array, view: DataView, at: number, maxBytes: number): Found {
  const left = bytes.length - at;
  if (left < recordPrefixBytes) return { kind: "partial", needs: recordOverheadBytes };
  const length = view.getUint32(at, true);
  if (length < recordHeadBytes || length + recordPrefixBytes > maxBytes) {
    return { kind: "damaged", cause: `a record of ${length} bytes` };
  }
  if (left < recordPrefixBytes + length) return { kind: "partial", needs: recordPrefixBytes + length };
  const head = at + recordPrefixBytes;
  const end = head + length;
  if (view.getUint32(at + 4, true) !== crc32(bytes.subarray(head, end))) {
    return { kind: "damaged", cause: "the checksum differs" };
  }
  const keyLength = view.getUint16(head + 16, true);
  const headersAt = head + recordHeadBytes + (keyLength === noKey ? 0 : keyLength);
  const valueAt = headersAt + view.getUint16(head + 18, true);
  if (valueAt > end) return { kind: "damaged", cause: "key and headers are longer than their record" };
  return {
    kind: "record",
    end,
    record: {
      sequence: view.getUint32(head, true) + view.getUint32(head + 4, true) * 2 ** 32,
      timestamp: view.getFloat64(head + 8, true),
      key: keyLength === noKey ? null : bytes.subarray(head + recordHeadBytes, headersAt),
      headers: valueAt === headersAt ? noHeaders : readHeaders(bytes.subarray(headersAt, valueAt)),
      value: bytes.subarray(valueAt, end),
    },
  };
}

function readHeaders(bytes: Uint8Array): Record<string, string> {
  const headers: Record<string, string> = {};
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!;
    const name = decoder.decode(bytes.subarray(at + 1, nameEnd));
    const textEnd = nameEnd + 2 + ((bytes[nameEnd] ?? 0) | (bytes[nameEnd + 1] ?? 0) << 8);
    headers[name] = decoder.decode(bytes.subarray(nameEnd + 2, textEnd));
    at = textEnd;
  }
  return headers;
}
