import assert from "node:assert/strict";
import fc from "fast-check";
import type { FetchedRecord } from "./consumer_client.ts";
import type { Job } from "./job.ts";
import { Partition } from "./partition.ts";

function record(offset: number, size = 10): FetchedRecord {
  const value = new Uint8Array(size);
  return { offset: BigInt(offset), key: null, value, headers: [], timestamp: 0 };
}

function partitionAt(position: number, maxBytes = 1_000_000, maxUncommitted = 1_000): Partition {
  const committed = BigInt(position);
  return new Partition(0, committed, { leader: 1, committed, maxBytes, maxUncommitted });
}

Deno.test("ready() is false while as much is done and not committed as may be", () => {
  const partition = partitionAt(0, 1_000_000, 3);
  partition.add([0, 1, 2, 3, 4, 5].map((offset) => record(offset)), 6n);
  for (let n = 0; n < 3; n++) partition.settle(partition.begin(1));
  assert.equal(partition.ready(1), false);
  partition.passedCommitted = 2;
  assert.equal(partition.ready(1), true);
});

Deno.test("done is the offset before which everything is done, whatever the order in which calls end", () => {
  const offsets = fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 40 }).map((list) =>
    list.sort((a, b) => a - b)
  );
  fc.assert(
    fc.property(offsets, fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 5 }), (list, draw, batch) => {
      const partition = partitionAt(list[0]!);
      partition.add(list.map((offset) => record(offset)), BigInt(list.at(-1)! + 10));
      const running: Job[] = [];
      const open = new Set(list);
      for (;;) {
        if (partition.ready(3)) {
          running.push(partition.begin(batch));
          partition.running++;
          continue;
        }
        if (running.length === 0) break;
        const [job] = running.splice(draw.next().value! % running.length, 1);
        partition.running--;
        partition.settle(job!);
        for (const { offset } of job!.records) open.delete(Number(offset));
        const first = Math.min(...open);
        assert.equal(partition.done, open.size === 0 ? BigInt(list.at(-1)! + 10) : BigInt(first));
      }
      assert.equal(open.size, 0);
      assert.equal(partition.bytes, 0);
    }),
  );
});

Deno.test("room is none while more than half of it is taken, and never more than what is left", () => {
  const partition = partitionAt(0, 10_000);
  assert.equal(partition.room, 10_000);
  partition.add([record(0, 4000)], 1n);
  assert.ok(partition.room > 0 && partition.room <= 6000);
  partition.add([record(1, 4000)], 2n);
  assert.equal(partition.room, 0);
  const job = partition.begin(1);
  assert.equal(partition.room, 0);
  partition.settle(job);
  assert.ok(partition.room > 0);
});

Deno.test("ready() holds back while a call waits for its next try", () => {
  const partition = partitionAt(0);
  partition.add([record(0), record(1)], 2n);
  assert.equal(partition.ready(1), true);
  partition.waiting = 1;
  assert.equal(partition.ready(5), false);
  partition.waiting = 0;
  partition.running = 1;
  assert.equal(partition.ready(1), false);
  assert.equal(partition.ready(2), true);
  partition.detached = true;
  assert.equal(partition.ready(2), false);
});
