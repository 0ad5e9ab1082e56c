import assert from "node:assert/strict";
import { Random } from "./fuzz/mutation.ts";
import { run, type Target } from "./fuzz/target.ts";
import { targets } from "./fuzz/targets.ts";

const seed = 20;
/** Of each parser; connections to a listener take longer. */
const cases = 20_000;
const connections = 1000;

for (const target of await targets()) {
  const count = target.name.includes("listener") ? connections : cases;
  Deno.test(`${target.name}: ${count} changed messages are read or refused`, async () => {
    const { failures, counts, cases } = await run(target, seed, count);
    assert.deepEqual(failures, []);
    assert.equal(cases, count);
    // Neither a corpus that nobody understands nor changes that change nothing.
    assert.ok(counts.accepted > 0 && counts.refused > count / 10, JSON.stringify(counts));
  });
}

const bytes = new Uint8Array([1, 2, 3, 4]);

function targetWith(read: Target["read"]): Target {
  return { name: "test", cases: 1, corpus: [{ bytes, meta: undefined }], read };
}

Deno.test("run() counts the same for the same seed", async () => {
  const [target] = await targets();
  const [first, again, other] = [
    await run(target!, 7, 500),
    await run(target!, 7, 500),
    await run(target!, 8, 500),
  ];
  assert.deepEqual(again.counts, first.counts);
  assert.notDeepEqual(other.counts, first.counts);
});

Deno.test("run() reports what a parser must not throw, with seed and bytes, and stops after ten", async () => {
  const { failures, cases } = await run(targetWith(() => assert.fail("odd")), 7, 100);
  assert.equal(failures.length, 10);
  assert.equal(cases, 10);
  assert.match(failures[0]!, /^test, seed 7, case 0, cut at \[[0-9,]*\]: AssertionError.*odd/);
  assert.match(failures[0]!, /\n {2}[0-9a-f]*$/);
});

Deno.test("run() reports a case that is slow every time", async () => {
  const { failures } = await run(
    targetWith(() => {
      const from = performance.now();
      while (performance.now() - from < 101);
      return "accepted";
    }),
    7,
    1,
  );
  assert.equal(failures.length, 1);
  assert.match(failures[0]!, /took [0-9]{3,}/);
});

Deno.test("run() reports memory that grows", async () => {
  const kept: Uint8Array[] = [];
  const { failures } = await run(
    targetWith(() => {
      kept.push(new Uint8Array(8 * 1024 * 1024).fill(1));
      return "accepted";
    }),
    7,
    20,
  );
  assert.ok(kept.length >= 20);
  assert.equal(failures.length, 1);
  assert.match(failures[0]!, /memory grew by [0-9]+ bytes/);
});

Deno.test("Random gives the same row for the same seed, below what was asked for", () => {
  const [one, two] = [new Random(3), new Random(3)];
  for (let n = 0; n < 1000; n++) {
    const value = one.below(10);
    assert.equal(two.below(10), value);
    assert.ok(Number.isInteger(value) && value >= 0 && value < 10);
  }
});
