import assert from "node:assert/strict";
import fc from "fast-check";
import { Distribution, Histogram, histogramCells, type HistogramUnit, resetHistogram } from "./histogram.ts";

function recorded(unit: HistogramUnit, values: number[]): Distribution {
  const f64 = new Float64Array(histogramCells);
  resetHistogram(f64, 0);
  const histogram = new Histogram(f64, 0, unit);
  for (const value of values) histogram.record(value);
  return new Distribution(unit).addCell(f64, 0);
}

Deno.test("Histogram reads a delay of 50 ms as 50 ms when it stands among others", () => {
  const d = recorded("ms", [1, 2, 50, 900, 1000]);
  assert.ok(Math.abs(d.quantile(0.5) - 50) <= 1.5, `${d.quantile(0.5)}`);
  assert.deepEqual([d.count, d.sum, d.min, d.max], [5, 1953, 1, 1000]);
});

Deno.test("Histogram is exact when all records are the same", () => {
  for (const unit of ["ms", "us", "bytes", "one"] as const) {
    const d = recorded(unit, [7, 7, 7]);
    assert.equal(d.quantile(0.99), unit === "us" ? 0.007 : 7);
  }
});

Deno.test("quantile() errs by 3 % at most when values are between 1 us and 1 h", () => {
  const us = fc.double({ min: 1, max: 3_600_000_000, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(us, { minLength: 1, maxLength: 60 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]! / 1000;
        const read = recorded("us", values).quantile(q);
        assert.ok(Math.abs(read - exact) <= 0.03 * exact, `${read} for ${exact}`);
      },
    ),
  );
});

Deno.test("Distribution of parts added is the distribution of the whole", () => {
  const ms = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 40 });
  fc.assert(fc.property(ms, ms, (a, b) => {
    const f64 = new Float64Array(histogramCells * 2);
    for (const [at, values] of [[0, a], [histogramCells, b]] as const) {
      resetHistogram(f64, at);
      const histogram = new Histogram(f64, at, "ms");
      for (const value of values) histogram.record(value);
    }
    const sum = new Distribution("ms").addCell(f64, 0).addCell(f64, histogramCells);
    const whole = recorded("ms", [...a, ...b]);
    for (const d of [sum, whole]) assert.equal(d.count, a.length + b.length);
    assert.deepEqual([sum.sum, sum.min, sum.max], [whole.sum, whole.min, whole.max]);
    for (const q of [0, 0.1, 0.5, 0.9, 0.99, 1]) assert.equal(sum.quantile(q), whole.quantile(q));
  }));
});

Deno.test("record() survives NaN, negative, infinite and huge values", () => {
  const d = recorded("bytes", [NaN, -1, 0, 1e15, Infinity]);
  assert.equal(d.count, 5);
  assert.equal(d.min, 0);
  assert.equal(d.max, Number.MAX_SAFE_INTEGER);
  assert.ok(Number.isFinite(d.sum));
  assert.equal(d.quantile(1), Number.MAX_SAFE_INTEGER);
});

Deno.test("Distribution is zero when nothing was recorded", () => {
  const d = recorded("ms", []);
  assert.deepEqual([d.count, d.sum, d.min, d.max, d.mean, d.quantile(0.5)], [0, 0, 0, 0, 0, 0]);
});

Deno.test("cumulative() counts whole numbers at their bound and rises", () => {
  const d = recorded("one", [1, 1, 2, 3, 5, 8]);
  assert.deepEqual(d.cumulative([1, 2, 3, 4, 5, 7, 8]), [2, 3, 4, 4, 5, 5, 6]);
  const times = recorded("ms", [0.5, 5, 50, 500]);
  assert.deepEqual(times.cumulative([1, 10, 100, 1000]), [1, 2, 3, 4]);
});
