import assert from "node:assert/strict";
import fc from "fast-check";
import { RecordBuffer, type RecordGroup, wholeUpTo } from "./record_buffer.ts";
import { readRecord, recordOverheadBytes } from "./record_codec.ts";

const limits = { maxBytes: 1 << 20, groupBytes: 400, deadlineSpreadMs: 100 };
const parts = (value: string) => ({ value, key: null, headers: null, timestamp: 1 });

function texts(bytes: Uint8Array, from: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const all: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const found = readRecord(bytes, view, at, 1 << 20);
    assert.ok(found.kind === "record");
    assert.equal(found.record.sequence, from + all.length);
    all.push(new TextDecoder().decode(found.record.value));
    at = found.end;
  }
  return all;
}

Deno.test("RecordBuffer gives back what was appended in its order, whatever is removed, in pieces that fit", () => {
  const record = fc.record({
    value: fc.string({ maxLength: 300 }),
    deadline: fc.constantFrom(-1, 1000, 1050, 5000),
  });
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 60 }),
      fc.integer({ min: 400, max: 3000 }),
      fc.boolean(),
      (all, room, drop) => {
        const buffer = new RecordBuffer(limits);
        const groups = all.map(({ value, deadline }) => buffer.append(parts(value), 1000, deadline)!);
        const dropped = (group: RecordGroup) => drop && group.sent !== null && group.deadline < 2000;
        buffer.remove(dropped);
        const kept = all.filter((_, index) => !dropped(groups[index]!)).map(({ value }) => value);
        assert.equal(buffer.records, kept.length);
        const read: string[] = [];
        for (let sequence = 1; buffer.records > 0;) {
          const piece = buffer.seal(room, sequence)!;
          assert.ok(piece.bytes.length <= room);
          const values = texts(piece.bytes, sequence);
          assert.equal(values.length, piece.records);
          read.push(...values);
          sequence += piece.records;
          buffer.shift(piece);
        }
        assert.deepEqual(
          read,
          kept.map((value) => new TextDecoder().decode(new TextEncoder().encode(value))),
        );
        assert.equal(buffer.bytes, 0);
      },
    ),
  );
});

Deno.test("RecordBuffer.append() makes groups of senders whose deadlines are near, that fit in a segment", () => {
  const buffer = new RecordBuffer(limits);
  const append = (deadline: number, length = 1) => buffer.append(parts("x".repeat(length)), 1000, deadline);
  const first = append(1000);
  assert.equal(append(920), first);
  assert.equal(first!.deadline, 920);
  const second = append(850);
  assert.notEqual(second, first);
  const offered = append(-1);
  assert.equal(offered!.sent, null);
  assert.equal(append(-1), offered);
  assert.notEqual(append(-1, 380), offered);
});

Deno.test("RecordBuffer.append() refuses what passes its bound and goes on", () => {
  const buffer = new RecordBuffer({ ...limits, maxBytes: 70_000 });
  assert.ok(buffer.append(parts("ä".repeat(33_000)), 80_000, -1));
  assert.equal(buffer.append(parts("ä".repeat(3000)), 80_000, -1), undefined);
  assert.throws(() => buffer.append(parts("ä".repeat(3000)), 5999, -1), /6000 bytes: 5999 at most/);
  assert.ok(buffer.append(parts("y"), 80_000, -1));
  assert.deepEqual(texts(buffer.seal(1 << 20, 1)!.bytes, 1), ["ä".repeat(33_000), "y"]);
});

Deno.test("wholeUpTo() finds the last whole record", () => {
  const buffer = new RecordBuffer(limits);
  for (let n = 0; n < 3; n++) buffer.append(parts("xy"), 1000, -1);
  const piece = buffer.seal(1000, 1)!;
  const length = recordOverheadBytes + 2;
  for (let written = 0; written <= 3 * length; written++) {
    const records = Math.floor(written / length);
    assert.deepEqual(wholeUpTo(piece, written), { bytes: records * length, records });
  }
});
