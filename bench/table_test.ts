import assert from "node:assert/strict";
import { median, number, percentile, ratioTable, shareTable } from "./table.ts";

Deno.test("median() is the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("percentile() is the nearest rank", () => {
  const sorted = Array.from({ length: 1000 }, (_, i) => i + 1);
  assert.equal(percentile(sorted, 0.5), 500);
  assert.equal(percentile(sorted, 0.999), 999);
  assert.equal(percentile(sorted, 1), 1000);
  assert.equal(percentile([7], 0.5), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

Deno.test("ratioTable() compares within each alternation", () => {
  const text = ratioTable("speed", "1/s", new Map([["one", [100, 200, 400]], ["two", [50, 150, 200]]]));
  assert.deepEqual(text.split("\n").map((line) => line.trim().split(/ +/)), [
    ["speed,", "1/s"],
    ["ratio", "ratios", "min", "median", "max"],
    ["one", "1.000", "1.000..1.000", "100", "200", "400"],
    ["two", "0.500", "0.500..0.750", "50.0", "150", "200"],
  ]);
});

Deno.test("number() keeps what can be read", () => {
  assert.deepEqual([1234.5, 99.94, 9.876, 0.004, NaN].map(number), ["1235", "99.9", "9.88", "0.00", "-"]);
});

Deno.test("shareTable() compares the first to the others within each alternation", () => {
  const samples = new Map([["one", [100, 200, 400]], ["two", [50, 150, 200]]]);
  const text = shareTable("speed", "1/s", samples, new Map([["two", 2]]));
  assert.deepEqual(text.split("\n").map((line) => line.trim().split(/ +/)), [
    ["speed,", "1/s"],
    ["min", "median", "max", "one", "÷", "it", "ratios", "target"],
    ["one", "100", "200", "400", "1.00", "1.00..1.00"],
    ["two", "50.0", "150", "200", "2.00", "1.33..2.00", ">=", "2.0"],
  ]);
});
