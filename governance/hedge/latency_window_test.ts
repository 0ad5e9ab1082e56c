import assert from "node:assert/strict";
import fc from "fast-check";
import { LatencyWindow } from "./latency_window.ts";

Deno.test("valueMs is the percentile of what was recorded, and at most a sixteenth above it", () => {
  const latencies = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 400 });
  fc.assert(fc.property(latencies, fc.constantFrom(0.5, 0.9, 0.95, 0.99, 0.999), (seen, percentile) => {
    const window = new LatencyWindow(percentile);
    window.move(0);
    for (const ms of seen) window.record(ms);
    const sorted = seen.toSorted((a, b) => a - b);
    const exact = sorted[Math.ceil(percentile * seen.length) - 1]!;
    assert.ok(window.valueMs >= exact, `${window.valueMs} for ${exact}`);
    assert.ok(window.valueMs <= exact * (1 + 1 / 16) + 1 / 16 + 1e-9, `${window.valueMs} for ${exact}`);
  }));
});

Deno.test("the window holds the last half minute, in spans of five seconds", () => {
  const step = fc.record({ ms: fc.oneof(fc.nat(2000), fc.nat(50_000)), records: fc.nat(4) });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const window = new LatencyWindow(0.99);
    let now = 1000;
    window.move(now);
    const seen: number[] = [];
    for (const { ms, records } of steps) {
      now += ms;
      window.move(now);
      for (let i = 0; i < records; i++) {
        window.record(5);
        seen.push(now);
      }
      const surely = seen.filter((at) => at > now - 25_000).length;
      const atMost = seen.filter((at) => at >= now - 30_000).length;
      assert.ok(window.count >= surely && window.count <= atMost, `${surely} ≤ ${window.count} ≤ ${atMost}`);
    }
  }));
});

Deno.test("valueMs follows the latency within half a minute, and is no number where there is nothing", () => {
  const window = new LatencyWindow(0.99);
  assert.ok(Number.isNaN(window.valueMs));
  for (let ms = 0; ms < 60_000; ms += 10) {
    window.move(ms);
    window.record(ms < 30_000 ? 100 : 10);
  }
  assert.ok(window.valueMs >= 10 && window.valueMs < 11, `${window.valueMs}`);
  window.move(1e6);
  assert.deepEqual([window.count, window.valueMs], [0, NaN]);
});

Deno.test("record() takes whatever comes", () => {
  const window = new LatencyWindow(0.5);
  for (const ms of [-5, 0, NaN, Infinity, 1e300]) window.record(ms);
  assert.equal(window.count, 5);
  assert.ok(window.valueMs > 0);
});
