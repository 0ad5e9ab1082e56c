import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import type { SegmentFile } from "./segment_file.ts";
import { openSegment } from "./segment_file.ts";
import { SegmentReader } from "./segment_reader.ts";
import { MadeSpool, segmentBytes } from "./testdata/make_spool.ts";

/** A segment in memory. */
function inMemory(bytes: Uint8Array): SegmentFile {
  return {
    look: () => ({ size: bytes.length, links: 1, changedAt: 0 }),
    read: (offset, length) => bytes.slice(offset, offset + length),
    close() {},
  };
}

function read(bytes: Uint8Array, name = { first: 1, last: 0 }) {
  const reader = new SegmentReader(inMemory(bytes), name);
  const sequences = [...reader].map(({ record }) => record.sequence);
  return { sequences, unread: reader.unread, reader };
}

const records = (count: number, size = 10) =>
  Array.from({ length: count }, (_, index) => ({ value: `${index}`.padEnd(size, "x"), key: `k${index}` }));

Deno.test("SegmentReader gives what was written, with its place", () => {
  const { bytes, at } = segmentBytes(7, [
    { value: "one" },
    { value: new Uint8Array(0), key: "k", headers: { a: "b", "": "ü" } },
    { value: "x".repeat(3_000_000), key: new Uint8Array([0, 255]) },
    { value: "last" },
  ]);
  const reader = new SegmentReader(inMemory(bytes), { first: 7, last: 10 });
  const found = [...reader];
  assert.deepEqual(found.map(({ offset }) => offset), at);
  assert.deepEqual(found.map(({ record }) => record.sequence), [7, 8, 9, 10]);
  assert.deepEqual(found[1]!.record.headers, { a: "b", "": "ü" });
  assert.deepEqual(found.map(({ record }) => record.key?.toHex() ?? null), [null, "6b", "00ff", null]);
  assert.deepEqual(found.map(({ record }) => record.value.length), [3, 0, 3_000_000, 4]);
  assert.equal(reader.header?.firstSequence, 7);
  assert.deepEqual(reader.unread, []);
});

Deno.test("SegmentReader says that a tail is one wherever a segment is cut", () => {
  const { bytes, at } = segmentBytes(1, records(3));
  for (let length = 0; length < bytes.length; length++) {
    const { sequences, unread } = read(bytes.subarray(0, length));
    const whole = at.filter((_, index) => (at[index + 1] ?? bytes.length) <= length).length;
    assert.equal(sequences.length, whole, `${length}`);
    const isBetween = at.includes(length);
    assert.equal(unread.length, isBetween ? 0 : 1, `${length}`);
    assert.ok(unread.every(({ isTail, offset, bytes }) => isTail && offset + bytes === length), `${length}`);
  }
});

Deno.test("SegmentReader finds the records behind damage", () => {
  const { bytes, at } = segmentBytes(1, records(6));
  const damaged = bytes.slice();
  damaged[at[1]! + 20]! ^= 1; // its checksum differs
  new DataView(damaged.buffer).setUint32(at[3]!, 0xffff_ffff, true); // its length leads out of the file
  const { sequences, unread } = read(damaged);
  assert.deepEqual(sequences, [1, 3, 5, 6]);
  assert.deepEqual(unread.map(({ offset, isTail }) => [offset, isTail]), [[at[1], false], [at[3], false]]);
  assert.deepEqual(unread.map(({ bytes }) => bytes), [at[2]! - at[1]!, at[4]! - at[3]!]);
});

Deno.test("SegmentReader accounts for every byte whatever happened to a segment", () => {
  const { bytes } = segmentBytes(1, records(8, 40));
  const change = fc.record({
    at: fc.nat(bytes.length - 1),
    cut: fc.nat(60),
    put: fc.uint8Array({ maxLength: 60 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let changed: Uint8Array = bytes;
      for (const { at, cut, put } of changes) {
        const head = changed.subarray(0, at);
        changed = Uint8Array.of(...head, ...put, ...changed.subarray(at + cut));
      }
      const reader = new SegmentReader(inMemory(changed), { first: 1, last: 8 });
      const places: [number, number][] = [[0, 32]];
      let previous = 0;
      for (const { record, offset } of reader) {
        const at = record.sequence - 1;
        assert.ok(record.sequence > previous, "in order");
        previous = record.sequence;
        assert.equal(new TextDecoder().decode(record.value), `${at}`.padEnd(40, "x"));
        places.push([offset, 28 + record.key!.length + 40]);
      }
      for (const { offset, bytes } of reader.unread) places.push([offset, bytes]);
      // The header is counted as read or as unread.
      const seen = new Map(places);
      seen.set(0, Math.min(32, changed.length));
      const sum = [...seen.values()].reduce((total, length) => total + length, 0);
      assert.equal(sum, changed.length);
    }),
    { numRuns: 500 },
  );
});

Deno.test("SegmentReader reads a file of a disk, and not what is appended meanwhile", () => {
  using spool = new MadeSpool();
  const lane = spool.lane("s", "worker1-1-a", [records(3)], true);
  const path = join(lane, "0000000000000001.open");
  const reader = new SegmentReader(openSegment(path)!, { first: 1, last: 0 });
  Deno.writeTextFileSync(path, "and more", { append: true });
  assert.equal([...reader].length, 3);
  assert.deepEqual(reader.unread, []);
});
