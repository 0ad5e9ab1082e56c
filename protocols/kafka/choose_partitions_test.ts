import assert from "node:assert/strict";
import fc from "fast-check";
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import { choosePartitions } from "./choose_partitions.ts";
import { murmur2 } from "./murmur2.ts";

const rest = { lane: "w1", sequence: 1, timestamp: 0, headers: {}, value: new Uint8Array() };
const records: fc.Arbitrary<OutgoingRecord[]> = fc.array(
  fc.option(fc.uint8Array({ maxLength: 9 }), { nil: null }).map((key) => ({ ...rest, key })),
);

Deno.test("choosePartitions() gives every record one partition, by its key or the turn, in their order", () => {
  const dice = fc.infiniteStream(fc.boolean());
  fc.assert(
    fc.property(
      records,
      ...[fc.integer({ min: 1, max: 12 }), fc.nat(), fc.option(dice, { nil: undefined })] as const,
      (all, count, turn, dice) => {
        const only = dice && [...all.keys()].filter(() => dice.next().value);
        const expected = new Map<number, number[]>();
        for (const index of only ?? all.keys()) {
          const { key } = all[index]!;
          const partition = (key === null ? turn : murmur2(key)) % count;
          expected.set(partition, [...expected.get(partition) ?? [], index]);
        }
        const found = [...choosePartitions(all, count, turn, only)];
        assert.deepEqual(
          found.map(([partition, members]) => [partition, [...members]]),
          [...expected].sort(([a], [b]) => a - b),
        );
      },
    ),
  );
});
