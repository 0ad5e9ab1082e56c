import assert from "node:assert/strict";
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import { FormerCall } from "./former_call.ts";
import { BatchEncoder } from "./record_batch.ts";
import { Numbers, SinkBatch } from "./sink_batch.ts";

const recordOf = (sequence: number, lane = "w1"): OutgoingRecord => ({
  ...{ lane, sequence, timestamp: 1, key: null, headers: {}, value: new Uint8Array(1) },
});
const records = [1, 2, 3, 4, 5, 6].map((sequence) => recordOf(sequence));

function batchOf(partition: number, members: number[], of: readonly OutgoingRecord[] = records): SinkBatch {
  const encoder = new BatchEncoder();
  const bytes = encoder.bytesOf(encoder.add(of, Int32Array.from(members)));
  const batch = new SinkBatch({ partition, bytes, records: of, members: Int32Array.from(members) });
  batch.numbers = new Numbers({ producerId: 1n, producerEpoch: 0 });
  batch.tries = 1;
  return batch;
}

Deno.test("FormerCall goes on with batches that nobody knows of, and leaves out what is written", () => {
  const former = new FormerCall(records, 3);
  const written = batchOf(0, [0, 3]);
  const open = batchOf(1, [1, 4]);
  const refused = batchOf(2, [2, 5]);
  written.acknowledge();
  refused.state = "refused";
  former.take([written, open, refused]);
  assert.ok(former.isUnsure);
  const again = records.map((one) => ({ ...one }));
  assert.ok(former.had(again));
  const { batches, fresh, gaveUp } = former.resume(again, 3);
  assert.deepEqual([batches, fresh, gaveUp], [[open], [2, 5], false]);
  assert.equal(open.records, again);
  assert.equal(former.isUnsure, false);
  open.acknowledge();
  former.take(batches);
  assert.deepEqual(former.resume(records, 3), { batches: [], fresh: [2, 5], gaveUp: false });
});

Deno.test("FormerCall keeps a batch of which nothing comes, and gives one up that comes in part", () => {
  const former = new FormerCall(records, 0);
  const first = batchOf(0, [0, 1]);
  const second = batchOf(1, [3, 5]);
  former.take([first, second]);
  assert.deepEqual(former.resume(records.slice(2, 5), 2), { batches: [], fresh: [0, 1, 2], gaveUp: true });
  assert.ok(former.isUnsure);
  const { batches, fresh } = former.resume([records[1]!, records[0]!], 2);
  assert.deepEqual([batches, fresh], [[first], []]);
  assert.deepEqual([...first.members], [1, 0]);
});

Deno.test("FormerCall gives a batch up whose partition is gone", () => {
  const former = new FormerCall(records, 0);
  former.take([batchOf(4, [0, 1, 2, 3, 4, 5])]);
  assert.deepEqual(former.resume(records, 4), { batches: [], fresh: [0, 1, 2, 3, 4, 5], gaveUp: true });
});

Deno.test("FormerCall knows nothing of records that it did not have, or cannot tell apart", () => {
  const former = new FormerCall(records, 0);
  assert.ok(former.had(records.slice(4)));
  assert.ok(!former.had([...records, recordOf(7)]));
  assert.ok(!former.had([recordOf(1, "w2")]));
  assert.ok(!new FormerCall([recordOf(1), recordOf(1)], 0).had([recordOf(1)]));
});

Deno.test("FormerCall learns of an acknowledgement that came after the end of its call", () => {
  const former = new FormerCall(records, 0);
  const batch = batchOf(0, [0, 1, 2]);
  former.take([batch]);
  batch.acknowledge();
  assert.equal(former.isUnsure, false);
  assert.deepEqual(former.resume(records, 1).fresh, [3, 4, 5]);
});

Deno.test("Numbers begin anew behind 2^31 - 1, and are -1 without a producer", () => {
  const numbers = new Numbers({ producerId: 1n, producerEpoch: 0 });
  numbers.advance(7, 2 ** 31 - 3);
  assert.deepEqual([numbers.next(7), numbers.next(6)], [2 ** 31 - 3, 0]);
  numbers.advance(7, 5);
  assert.equal(numbers.next(7), 2);
  const none = new Numbers({ producerId: -1n, producerEpoch: -1 });
  none.advance(7, 5);
  assert.equal(none.next(7), -1);
});
