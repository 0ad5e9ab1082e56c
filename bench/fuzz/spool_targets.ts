/** The bytes of a spool: single records, with checksums that were made right again, and whole segments read past damage. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { Batch } from "../../core/stream/batch.ts";
import type { Lane } from "../../core/stream/lane.ts";
import { LaneReader } from "../../core/stream/lane_reader.ts";
import {
  type Found,
  readRecord,
  recordHeadBytes,
  recordPrefixBytes,
  segmentHeaderBytes,
} from "../../core/stream/record_codec.ts";
import type { SegmentList } from "../../core/stream/segment_list.ts";
import { SegmentReader } from "../../core/stream/segment_reader.ts";
import type { SegmentFile } from "../../core/stream/segment_file.ts";
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
// deno-lint-ignore no-explicit-any
export function spoolTargets(): Target<any>[] {
  return [
    oneRecord("spool records", false),
    oneRecord("spool records, sums made right", true),
    segments(),
    lanes(),
  ];
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
    const reader = new SegmentReader(inMemory(bytes), { first: 1, last: 0 });
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

function inMemory(bytes: Uint8Array): SegmentFile {
  return {
    look: () => ({ size: bytes.length, links: 1, changedAt: 0 }),
    read: (offset, length) => bytes.slice(offset, offset + length),
    close() {},
  };
}

const mostTurns = 1000;

/** A complete segment as the shipper reads it: every sequence comes to exactly one end, in order, and it comes to its own. */
function lanes(): Target<number> {
  const corpus = [records.length, 1, 4].map((count) => ({
    bytes: segmentBytes(1, records.slice(0, count)).bytes,
    meta: count,
  }));
  const read = ({ bytes, meta: last }: Case<number>): Verdict => {
    let now = 0;
    const list = {
      folder: "",
      segments: [{ file: "s", first: 1, last, bytes: bytes.length }],
      listings: 0,
      listedAt: 0,
      hasAfter: () => false,
      refresh: () => void (list.listings++, list.listedAt = now),
    };
    const lane = { name: "worker1-1-a", dead: true, tail: 0 } as unknown as Lane;
    const reader = new LaneReader({
      lane,
      list: list as unknown as SegmentList,
      done: 0,
      maxRecordBytes,
      open: () => inMemory(bytes),
      now: () => now += 100,
      damaged() {},
    });
    let read = 0;
    let taken = 0;
    let lost = 0;
    let turns = 0;
    while (!reader.ended) {
      assert.ok(turns++ < mostTurns, "it comes to no end");
      const batch = new Batch({ records: 3, bytes: 4096 });
      reader.take(batch, 2);
      for (const { sequence } of batch.records) {
        // A piece of another segment may go on where this one ends: its records are as good as any.
        assert.ok(sequence > read && sequence <= records.length);
        read = sequence;
      }
      const slice = batch.slices.get(lane);
      lost += (slice?.failed ?? 0) + (slice?.dropped ?? 0);
      taken += batch.records.length;
    }
    assert.equal(taken + lost, Math.max(read, last));
    return lost > 0 ? "refused" : "accepted";
  };
  return { name: "spool lanes", cases: 100_000, corpus, read };
}
