/** The bytes of a spool: single records, with checksums that were made right again, and whole segments read past damage. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  type Found,
  readRecord,
  recordHeadBytes,
  recordPrefixBytes,
  segmentHeaderBytes,
} from "../../core/stream/record_codec.ts";
import { SegmentReader } from "../../core/stream/segment_reader.ts";
import { type MadeRecord, segmentBytes } from "../../core/stream/testdata/make_spool.ts";
import { type Case, samplesOf } from "./mutation.ts";
import type { Target, Verdict } from "./target.ts";

const maxRecordBytes = 16 * 1024;

const records: readonly MadeRecord[] = [
  { value: '{"user":"42","experiments":[1,2,3]}', key: "42" },
  { value: "" },
  { value: "", key: "", headers: { "": "" } },
  {
    value: "x".repeat(300),
    key: new Uint8Array(40).fill(0xff),
    headers: { source: "web", trace: "0".repeat(55) },
  },
  {
    value: new Uint8Array(1000),
    headers: Object.fromEntries("abcdefgh".split("").map((name) => [name, name])),
  },
  { value: "y".repeat(5000), key: "k".repeat(300) },
  { value: "z" },
  { value: "", key: "k" },
  { value: "12", key: "1", headers: { a: "1", b: "2" } },
  { value: "", headers: { c: "" } },
];

/** All of them. */
export function spoolTargets(): Target[] {
  return [oneRecord("spool records", false), oneRecord("spool records, sums made right", true), segments()];
}

/** One record, and what stands behind it. */
function oneRecord(name: string, summed: boolean): Target {
  const { bytes, at } = segmentBytes(1, records);
  const corpus = samplesOf(at.map((from, index) => bytes.slice(from, at[index + 1])));
  const read = ({ bytes }: Case<undefined>): Verdict => {
    if (summed) sumUp(bytes);
    // What stands around the bytes must make no difference.
    const [found, other] = [0x00, 0xff].map((around) => within(bytes, around));
    assert.deepEqual(found, other);
    if (found!.kind === "damaged") return "refused";
    if (found!.kind === "partial") {
      assert.ok(found!.needs > bytes.length && found!.needs <= maxRecordBytes);
      return "waiting";
    }
    const end = found!.end - margin;
    assert.ok(end >= recordPrefixBytes + recordHeadBytes && end <= Math.min(bytes.length, maxRecordBytes));
    assert.equal(sumOf(bytes), crc32(bytes.subarray(recordPrefixBytes, end)));
    const { key, value } = found!.record;
    assert.ok((key?.length ?? 0) + value.length + recordPrefixBytes + recordHeadBytes <= end);
    return "accepted";
  };
  return { name, cases: 400_000, corpus, read };
}

const margin = 64;

function within(bytes: Uint8Array, around: number): Found {
  const memory = new Uint8Array(bytes.length + 2 * margin).fill(around);
  memory.set(bytes, margin);
  const visible = memory.subarray(0, margin + bytes.length);
  return readRecord(visible, new DataView(memory.buffer, 0, visible.length), margin, maxRecordBytes);
}

function sumOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true);
}

/** Gives the record the checksum that it would have, so that what stands behind it is read. */
function sumUp(bytes: Uint8Array): void {
  if (bytes.length < recordPrefixBytes) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = recordPrefixBytes + view.getUint32(0, true);
  if (end <= bytes.length) view.setUint32(4, crc32(bytes.subarray(recordPrefixBytes, end)), true);
}

/** A segment from its header to its end: every byte belongs to a record or is told to be unreadable. */
function segments(): Target {
  const corpus = samplesOf(
    [records, records.slice(2, 3), records.slice(0, 3)].map((some) => segmentBytes(1, some).bytes),
  );
  const read = ({ bytes }: Case<undefined>): Verdict => {
    const file = {
      look: () => ({ size: bytes.length, links: 1 }),
      read: (offset: number, length: number) => bytes.slice(offset, offset + length),
      close() {},
    };
    const reader = new SegmentReader(file, { first: 1, last: 0 });
    let accounted = Math.min(segmentHeaderBytes, bytes.length);
    let found = 0;
    for (const { offset } of reader) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
      const length = view.getUint32(0, true);
      const body = bytes.subarray(offset + recordPrefixBytes, offset + recordPrefixBytes + length);
      assert.equal(view.getUint32(4, true), crc32(body));
      accounted += recordPrefixBytes + length;
      found++;
    }
    for (const { offset, bytes } of reader.unread) accounted += offset === 0 ? 0 : bytes;
    assert.equal(accounted, bytes.length);
    const isDamaged = reader.unread.some(({ isTail }) => !isTail);
    return isDamaged ? "refused" : found === 0 ? "waiting" : "accepted";
  };
  return { name: "spool segments", cases: 100_000, corpus, read };
}
