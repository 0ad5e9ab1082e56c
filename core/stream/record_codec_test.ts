import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeHeaders,
  readRecord,
  readSegmentHeader,
  recordOverheadBytes,
  renumberRecord,
  sealRecord,
  segmentHeader,
  segmentHeaderBytes,
} from "./record_codec.ts";

const record = fc.record({
  sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  timestamp: fc.double({ noNaN: true }),
  key: fc.option(fc.uint8Array({ maxLength: 300 })),
  headers: fc.dictionary(
    fc.string({ maxLength: 60, unit: "grapheme" }).filter((name) => name !== "__proto__"),
    fc.string({ unit: "grapheme" }),
    { maxKeys: 5 },
  ),
  value: fc.uint8Array({ maxLength: 2000 }),
});
type Sample = typeof record extends fc.Arbitrary<infer T> ? T : never;

function sealed({ sequence, timestamp, key, headers, value }: Sample, at = 0): Uint8Array<ArrayBuffer> {
  const encoded = encodeHeaders(headers);
  const before = (key?.length ?? 0) + encoded.length;
  const bytes = new Uint8Array(at + recordOverheadBytes + before + value.length);
  bytes.set(value, at + recordOverheadBytes + before);
  const head = { sequence, timestamp, key, headers: encoded, valueLength: value.length };
  sealRecord(bytes, viewOf(bytes), at, head);
  return bytes;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const read = (bytes: Uint8Array, at = 0) => readRecord(bytes, viewOf(bytes), at, 1 << 20);

Deno.test("readRecord() gives what sealRecord() wrote, wherever it stands", () => {
  fc.assert(fc.property(record, fc.nat(40), (sample, at) => {
    const bytes = sealed(sample, at);
    const found = read(bytes, at);
    assert.ok(found.kind === "record");
    assert.equal(found.end, bytes.length);
    assert.deepEqual({ ...found.record, headers: { ...found.record.headers } }, {
      ...sample,
      headers: { ...sample.headers },
    });
  }));
});

Deno.test("readRecord() finds a record partial wherever it is cut", () => {
  fc.assert(fc.property(record, fc.nat(), (sample, cut) => {
    const bytes = sealed(sample);
    const found = read(bytes.subarray(0, cut % bytes.length));
    assert.ok(found.kind === "partial");
    assert.ok(found.needs > cut % bytes.length);
  }));
});

Deno.test("readRecord() never takes a record one of whose bytes was changed", () => {
  fc.assert(fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (sample, where, change) => {
    const bytes = sealed(sample);
    bytes[where % bytes.length]! ^= change;
    assert.notEqual(read(bytes).kind, "record");
  }));
});

Deno.test("readRecord() reads any bytes at any place without throwing", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
    assert.notEqual(read(bytes, Math.min(at, bytes.length)).kind, "record");
  }));
});

Deno.test("renumberRecord() changes the number and nothing else", () => {
  fc.assert(fc.property(record, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (sample, sequence) => {
    const bytes = sealed(sample);
    assert.equal(renumberRecord(bytes, viewOf(bytes), 0, sequence), bytes.length);
    assert.deepEqual(bytes, sealed({ ...sample, sequence }));
  }));
});

Deno.test("readSegmentHeader() reads what segmentHeader() wrote and nothing that was changed or cut", () => {
  const samples = [
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fc.double({ noNaN: true }),
    fc.nat(27),
  ] as const;
  fc.assert(fc.property(...samples, (firstSequence, epochMs, where) => {
    const bytes = segmentHeader(firstSequence, epochMs);
    assert.deepEqual(readSegmentHeader(bytes), { firstSequence, epochMs });
    assert.equal(readSegmentHeader(bytes.subarray(0, segmentHeaderBytes - 1)), undefined);
    bytes[where]! ^= 0x10;
    assert.equal(readSegmentHeader(bytes), undefined);
  }));
});

Deno.test("encodeHeaders() throws RangeError for names and headers that are too long", () => {
  assert.throws(() => encodeHeaders({ ["ä".repeat(128)]: "" }), /256 bytes: 255 at most/);
  assert.throws(() => encodeHeaders({ a: "x".repeat(0xffff - 3) }), /more than 65535/);
  assert.equal(encodeHeaders({ a: "x".repeat(0xffff - 4) }).length, 0xffff);
});
