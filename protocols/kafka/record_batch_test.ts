import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { crc32c as libraryCrc32c, Reader, readRecordsBatch } from "@platformatic/kafka";
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import { compressionOf } from "./compressions.ts";
import { crc32c } from "./crc32c.ts";
import { BatchEncoder, compressBatch, numberBatch } from "./record_batch.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const records: fc.Arbitrary<OutgoingRecord[]> = fc.array(
  fc.record({
    lane: fc.constantFrom("w1-1-abc", "w2-77-def", "ä"),
    sequence: fc.oneof(fc.nat(), fc.maxSafeNat()),
    timestamp: fc.oneof(
      fc.integer({ min: 1.7e12, max: 1.7e12 + 1000 }),
      fc.maxSafeInteger(),
      fc.double({ min: 0, max: 2 ** 41, noNaN: true }),
    ),
    key: fc.option(bytes(40), { nil: null }),
    headers: fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), { maxKeys: 3 }),
    value: fc.oneof(bytes(300), fc.nat(5000).map((length) => new Uint8Array(length).fill(length))),
  }),
  { minLength: 1, maxLength: 60 },
);
const numbers = fc.record({
  producerId: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
  producerEpoch: fc.integer({ min: -1, max: 32767 }),
  sequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
});

const text = (found: Uint8Array | null) => found === null ? null : Buffer.from(found).toString("latin1");

/** What the library reads, and what it has to read. */
function compare(batch: Buffer, sent: readonly OutgoingRecord[]): void {
  const found = readRecordsBatch(Reader.from(batch));
  assert.equal(found.magic, 2);
  assert.equal(found.length, batch.length - 12);
  assert.equal(found.crc, libraryCrc32c(batch.subarray(21)));
  assert.equal(found.lastOffsetDelta, sent.length - 1);
  const times = sent.map(({ timestamp }) => Math.trunc(timestamp));
  assert.equal(found.firstTimestamp, BigInt(times[0]!));
  assert.equal(found.maxTimestamp, BigInt(Math.max(...times)));
  assert.deepEqual(
    found.records.map((each) => ({
      ...{ key: text(each.key), value: text(each.value), offset: each.offsetDelta },
      timestamp: found.firstTimestamp + each.timestampDelta,
      headers: each.headers.map(([name, value]) => [`${name}`, `${value}`]),
    })),
    sent.map(({ key, value, lane, sequence, headers }, offset) => ({
      ...{ key: text(key), value: text(value), offset },
      timestamp: BigInt(times[offset]!),
      headers: [...Object.entries(headers).map(wellFormed), ["weir-id", `${lane}/${sequence}`]],
    })),
  );
}

const wellFormed = (pair: [string, string]) => pair.map((each) => each.toWellFormed());

Deno.test("BatchEncoder writes what the client library reads, one batch behind the other", () => {
  const encoder = new BatchEncoder();
  fc.assert(
    fc.property(records, records, numbers, (first, second, given) => {
      encoder.begin();
      const places = [first, second].map((sent) => encoder.add(sent, Int32Array.from(sent.keys())));
      const batches = places.map((place) => encoder.bytesOf(place));
      for (const [i, sent] of [first, second].entries()) {
        numberBatch(batches[i]!, given);
        compare(batches[i]!, sent);
        const found = readRecordsBatch(Reader.from(batches[i]!));
        const { producerId, producerEpoch, firstSequence: sequence } = found;
        assert.deepEqual({ producerId, producerEpoch, sequence }, { ...given });
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("BatchEncoder writes only the members, in the order of their indexes", () => {
  const encoder = new BatchEncoder();
  fc.assert(fc.property(records, fc.infiniteStream(fc.boolean()), (sent, dice) => {
    const members = [...sent.keys()].filter(() => dice.next().value);
    if (members.length === 0) members.push(sent.length - 1);
    encoder.begin();
    const batch = encoder.bytesOf(encoder.add(sent, Int32Array.from(members)));
    numberBatch(batch, { producerId: -1n, producerEpoch: -1, sequence: -1 });
    compare(batch, members.map((member) => sent[member]!));
  }));
});

Deno.test("BatchEncoder writes times that are further apart than 2^31 ms", () => {
  const encoder = new BatchEncoder();
  const rest = { lane: "w1", sequence: 1, key: null, headers: {}, value: new Uint8Array(1) };
  const far = [0, 2 ** 30 - 1, 2 ** 30, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1];
  for (const first of [0, 1.7e12, 2 ** 53 - 1]) {
    const sent = [first, ...far, 1e300].map((timestamp) => ({ ...rest, timestamp }));
    encoder.begin();
    const batch = encoder.bytesOf(encoder.add(sent, Int32Array.from(sent.keys())));
    numberBatch(batch, { producerId: 1n, producerEpoch: 0, sequence: 0 });
    compare(batch, [...sent.slice(0, -1), { ...rest, timestamp: 2 ** 53 }]);
  }
});

Deno.test("numberBatch() writes other numbers over the first ones", () => {
  const encoder = new BatchEncoder();
  const sent = [{ lane: "w1", sequence: 1, timestamp: 1, key: null, headers: {}, value: new Uint8Array(9) }];
  const batch = encoder.bytesOf(encoder.add(sent, Int32Array.of(0)));
  for (const sequence of [7, 0, 2 ** 31 - 1]) {
    numberBatch(batch, { producerId: 5n, producerEpoch: 1, sequence });
    compare(batch, sent);
    assert.equal(readRecordsBatch(Reader.from(batch)).firstSequence, sequence);
  }
});

for (const name of ["gzip", "snappy", "lz4", "zstd"] as const) {
  const compression = compressionOf(name)!;
  Deno.test(`compressBatch() keeps the records with ${name}`, async () => {
    const encoder = new BatchEncoder();
    await fc.assert(
      fc.asyncProperty(records, numbers, async (sent, given) => {
        encoder.begin();
        const plain = encoder.bytesOf(encoder.add(sent, Int32Array.from(sent.keys())));
        const batch = await compressBatch(plain, compression);
        numberBatch(batch, given);
        assert.equal(readRecordsBatch(Reader.from(batch)).attributes, compression.code);
        compare(batch, sent);
      }),
      { numRuns: 25 },
    );
  });
}

Deno.test("crc32c() sums up as the library does, wherever the bytes begin and end", () => {
  const whole = Buffer.alloc(300);
  for (let i = 0; i < whole.length; i++) whole[i] = i * 7 ^ i >> 3;
  for (let from = 0; from < 20; from++) {
    for (let end = from; end < whole.length; end += end < 60 ? 1 : 13) {
      assert.equal(crc32c(whole, from, end), libraryCrc32c(Buffer.from(whole.subarray(from, end))));
    }
  }
  // RFC 3720 B.4
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
});
