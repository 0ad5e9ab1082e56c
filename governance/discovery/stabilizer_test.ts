import assert from "node:assert/strict";
import { systemClock } from "../../core/clock.ts";
import type { EndpointChange, EndpointSpec } from "../../core/endpoint.ts";
import type { EndpointSet } from "../../core/upstream/endpoint_feed_source.ts";
import { Stabilizer } from "./stabilizer.ts";
import { memoryLog } from "./testdata/watched.ts";

function spec(number: number, weight = 1): EndpointSpec {
  return { address: `10.0.0.${number}:80`, weight, role: null, priority: 0 };
}

function rig(known?: EndpointSet) {
  const lines: string[] = [];
  const told: Array<{ set: EndpointSet; change: EndpointChange }> = [];
  const stabilizer = new Stabilizer({
    source: "etcd /users/",
    clock: systemClock,
    log: memoryLog(lines),
    known,
    onChange: (set, change) => void told.push({ set, change }),
  });
  return { stabilizer, lines, told };
}

Deno.test("Stabilizer tells what was added, removed and changed, and nothing twice", () => {
  const { stabilizer, told } = rig();
  stabilizer.take([spec(1), spec(2)]);
  stabilizer.take([spec(2), spec(1), spec(1)]);
  stabilizer.take([spec(2, 3), spec(3)]);
  assert.deepEqual(told.map(({ change }) => change), [
    { added: [spec(1), spec(2)], removed: [], changed: [] },
    { added: [spec(3)], removed: [spec(1)], changed: [spec(2, 3)] },
  ]);
  assert.ok(told[1]!.set.version > told[0]!.set.version);
});

Deno.test("Stabilizer never lets an empty or missing answer empty the set, and logs each trouble once", () => {
  const { stabilizer, told, lines } = rig();
  stabilizer.take([spec(1)]);
  stabilizer.take([]);
  stabilizer.take([]);
  assert.equal(told[1]!.set.state.error, "the answer is empty; the 1 known are kept");
  stabilizer.fail(new Error("no connection to 10.9.9.9"));
  stabilizer.fail(new Error("no connection to 10.9.9.9"));
  assert.equal(told.length, 3);
  assert.deepEqual(told[2]!.set.specs, [spec(1)]);
  stabilizer.take([spec(1)]);
  assert.equal(told[3]!.set.state.error, "");
  assert.deepEqual(lines.map((line) => line.split(" {")[0]), [
    "warn no good answer about endpoints",
    "debug still no good answer about endpoints",
    "info endpoints can be had again",
  ]);
});

Deno.test("Stabilizer takes what can be used of an answer, and says what cannot", () => {
  const { stabilizer, told } = rig();
  stabilizer.take([spec(1)], "1 of 2 nodes cannot be used");
  assert.deepEqual(told[0]!.set.specs, [spec(1)]);
  assert.equal(told[0]!.set.state.error, "1 of 2 nodes cannot be used");
});

Deno.test("Stabilizer refuses an answer beyond all bounds", () => {
  const { stabilizer, told } = rig();
  stabilizer.take([spec(1)]);
  stabilizer.take(Array.from({ length: 65_537 }, () => spec(2)));
  assert.match(told[1]!.set.state.error, /65537 endpoints, more than 65536/);
  assert.deepEqual(told[1]!.set.specs, [spec(1)]);
  stabilizer.fail("x".repeat(5000));
  assert.equal(told[2]!.set.state.error.length, 500);
});

Deno.test("Stabilizer begins with what was known: kept while nothing answers, fresh with the first answer", () => {
  const state = { source: "etcd /users/", updatedAt: 7, error: "", cached: true };
  const { stabilizer, told } = rig({ version: 5, state, specs: [spec(1), spec(2)] });
  stabilizer.fail("nobody answers");
  assert.deepEqual(told[0]!.set.specs, [spec(1), spec(2)]);
  assert.deepEqual(told[0]!.set.state, { ...state, error: "nobody answers" });
  assert.ok(told[0]!.set.version > 5);
  stabilizer.take([spec(2), spec(1)]);
  const fresh = told[1]!.set.state;
  assert.deepEqual([fresh.cached, fresh.error, told[1]!.set.specs.length], [false, "", 2]);
  assert.ok(fresh.updatedAt > 7);
});
