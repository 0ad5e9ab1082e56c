import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatBytes,
  formatCell,
  formatCount,
  formatDuration,
  formatTime,
  sparkText,
} from "./format_value.ts";

Deno.test("formatDuration() picks the unit that reads best", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [0.25, "250 µs"],
    [0.9999, "1 ms"],
    [12.44, "12.4 ms"],
    [999.4, "999 ms"],
    [999.9, "1 s"],
    [3210, "3.21 s"],
    [59_999, "1m 0s"],
    [250_000, "4m 10s"],
    [11_520_000, "3h 12m"],
    [1_051_200_000, "12d 4h"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

Deno.test("formatDuration() has no part that should have been carried over", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => {
    assert.doesNotMatch(formatDuration(ms), /\b60[ms]|\b24h|1000|NaN/);
  }));
});

Deno.test("formatCount() and formatBytes() keep three figures and group thousands", () => {
  assert.equal(formatCount(1_234_567), "1,234,567");
  assert.equal(formatCount(0.01234), "0.0123");
  assert.equal(formatCount(1234.5), "1,235");
  assert.equal(formatBytes(640), "640 B");
  assert.equal(formatBytes(1536), "1.5 KiB");
  assert.equal(formatBytes(512 * 1024 ** 2), "512 MiB");
});

Deno.test("formatCell() shows a dash for what is not known", () => {
  for (const value of [null, "", NaN, Infinity]) assert.equal(formatCell({ value }), "–");
  assert.equal(formatCell({ value: [] }), "–");
  assert.equal(formatTime(8.64e15 + 1), "–");
  assert.equal(formatCell({ value: 0, as: "time" }), "–");
});

Deno.test("formatCell() takes the column's format where the cell names none", () => {
  assert.equal(formatCell({ value: 1500 }, "duration"), "1.5 s");
  assert.equal(formatCell({ value: 0.25 }, "share"), "25 %");
  assert.equal(formatCell({ value: 2048, as: "bytes" }, "duration"), "2 KiB");
});

Deno.test("sparkText() scales to the largest value and shows every value above 0", () => {
  assert.equal(sparkText([0, 1, 50, 100]), "▁▂▄█");
  assert.equal(sparkText([0, 0]), "▁▁");
});
