import assert from "node:assert/strict";
import fc from "fast-check";
import {
  assign,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Subscription,
} from "./assignment.ts";

const partitions = fc.dictionary(
  fc.string({ minLength: 1 }),
  fc.array(fc.nat(2 ** 31 - 1)),
).map((lists) => new Map(Object.entries(lists)));

Deno.test("decodeSubscription() and decodeAssignment() read what was encoded", () => {
  fc.assert(fc.property(fc.array(fc.string()), partitions, (topics, owned) => {
    assert.deepEqual(decodeSubscription(encodeSubscription({ topics, owned })), { topics, owned });
    assert.deepEqual(decodeAssignment(encodeAssignment(owned)), owned);
  }));
});

Deno.test("decodeSubscription() and decodeAssignment() throw RangeError, or read something, for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    for (const decode of [decodeSubscription, decodeAssignment]) {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }
  }));
});

Deno.test("decodeSubscription() reads the versions that other clients send", () => {
  const topic = [0, 1, 0x74];
  const version0 = [0, 0, 0, 0, 0, 1, ...topic, 0xff, 0xff, 0xff, 0xff];
  assert.deepEqual(decodeSubscription(new Uint8Array(version0)), { topics: ["t"], owned: new Map() });
  const owned = [0, 0, 0, 1, ...topic, 0, 0, 0, 1, 0, 0, 0, 5];
  // version 3: user data of two bytes, owned partitions, generation, rack
  const version3 = [0, 3, 0, 0, 0, 1, ...topic, 0, 0, 0, 2, 9, 9, ...owned, 0, 0, 0, 7, 0, 1, 0x72];
  assert.deepEqual(decodeSubscription(new Uint8Array(version3)), {
    topics: ["t"],
    owned: new Map([["t", [5]]]),
  });
});

/** Members with what they had, some of it claimed by several. */
const groups = fc.record({
  counts: fc.record({ a: fc.nat(40), b: fc.nat(40) }),
  members: fc.array(
    fc.record({
      topics: fc.constantFrom(["a"], ["b"], ["a", "b"]),
      owned: fc.record({ a: fc.uniqueArray(fc.nat(50)), b: fc.uniqueArray(fc.nat(50)) }),
    }),
    { minLength: 1, maxLength: 9 },
  ),
});

Deno.test("assign() gives every partition that somebody wants to one member, evenly", () => {
  fc.assert(fc.property(groups, ({ counts, members }) => {
    const wanted = new Map<string, Subscription>(
      members.map(({ topics, owned }, i) => [`m${i}`, { topics, owned: new Map(Object.entries(owned)) }]),
    );
    const result = assign(wanted, new Map(Object.entries(counts)));
    for (const [topic, count] of Object.entries(counts)) {
      const takers = [...wanted].filter(([, { topics }]) => topics.includes(topic)).map(([id]) => id);
      const lists = takers.map((id) => result.get(id)!.get(topic)!);
      const all = lists.flat().sort((a, b) => a - b);
      assert.deepEqual(all, takers.length === 0 ? [] : Array.from({ length: count }, (_, i) => i));
      if (takers.length === 0) continue;
      const sizes = lists.map(({ length }) => length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      for (const id of wanted.keys()) {
        if (!takers.includes(id)) assert.equal(result.get(id)!.get(topic), undefined);
      }
    }
  }));
});

Deno.test("assign() leaves partitions with their members when one more comes", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 8 }), (count, size) => {
    const counts = new Map([["a", count]]);
    const subscription = (owned: readonly number[]) => ({ topics: ["a"], owned: new Map([["a", owned]]) });
    const before = assign(
      new Map(Array.from({ length: size }, (_, i) => [`m${i}`, subscription([])])),
      counts,
    );
    const again = new Map([...before].map(([id, own]) => [id, subscription(own.get("a")!)]));
    assert.deepEqual(assign(again, counts), before);
    const after = assign(new Map([...again, ["new", subscription([])]]), counts);
    for (const [id, own] of before) {
      const now = new Set(after.get(id)!.get("a"));
      assert.ok([...now].every((partition) => own.get("a")!.includes(partition)));
    }
  }));
});
