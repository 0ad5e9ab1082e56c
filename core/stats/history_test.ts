import assert from "node:assert/strict";
import { History, localStatsMemory } from "./mod.ts";

const start = 1_800_000_000_000 - (1_800_000_000_000 % 3_600_000);

function kept() {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  const counter = writer.counter("app_requests_total", { listener: "api" });
  const gauge = writer.gauge("app_busy");
  const history = new History(memory, { only: (name) => name.startsWith("app_") });
  return { writer, counter, gauge, history, key: 'app_requests_total{listener="api"}' };
}

Deno.test("History gives rates of counters and values of gauges for each complete second", () => {
  const { counter, gauge, history, key } = kept();
  for (let s = 0; s < 5; s++) {
    counter.add(10 * s);
    gauge.set(s);
    history.tick(start + s * 1000 + 300);
  }
  assert.deepEqual(
    history.points(key, "second"),
    [1, 2, 3].map((s) => ({ at: start + s * 1000, value: 10 * s })),
  );
  assert.deepEqual(history.points("app_busy", "second").map((p) => p.value), [0, 1, 2, 3]);
  assert.deepEqual(history.points(key, "minute"), []);
  assert.deepEqual(history.points("nothing", "second"), []);
  assert.deepEqual(history.keys(), ["app_busy", key]);
});

Deno.test("History keeps 60 seconds, 60 minutes and 24 hours, and no count is lost in between", () => {
  const { counter, history, key } = kept();
  for (let s = 0; s < 26 * 3600; s++) {
    // Ticks of a day are many; minutes and hours need one per minute only.
    counter.add(2);
    if (s % 60 === 59 || s > 26 * 3600 - 90) history.tick(start + s * 1000);
  }
  const values = (span: "second" | "minute" | "hour") => history.points(key, span).map((p) => p.value);
  assert.deepEqual(values("second"), Array(60).fill(2));
  assert.deepEqual(values("minute"), Array(60).fill(2));
  assert.deepEqual(values("hour"), Array(24).fill(2));
  assert.equal(history.points(key, "hour").at(-1)!.at, start + 24 * 3_600_000);
});

Deno.test("History spreads what came during missed ticks and shows no point for them", () => {
  const { counter, history, key } = kept();
  history.tick(start);
  counter.add(12);
  history.tick(start + 4000);
  history.tick(start + 5000);
  assert.deepEqual(history.points(key, "second"), [{ at: start + 4000, value: 3 }]);
});

Deno.test("History forgets a span when the clock goes back or stood still for longer than the span", () => {
  const { counter, history, key } = kept();
  for (const s of [0, 1, 2, 3]) history.tick(start + s * 1000);
  assert.equal(history.points(key, "second").length, 2);
  history.tick(start + 1000);
  assert.deepEqual(history.points(key, "second"), []);
  counter.add(1);
  history.tick(start + 1000_000);
  history.tick(start + 1001_000);
  assert.deepEqual(history.points(key, "second"), []);
});

Deno.test("History bounds its series and the memory of each", () => {
  assert.ok(History.bytesPerSeries <= 2048);
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  for (let n = 0; n < 10; n++) writer.counter("app_total", { n }).add();
  const history = new History(memory, { only: (name) => name === "app_total", maxSeries: 3 });
  history.tick(start);
  assert.equal(history.keys().length, 3);
  assert.equal(history.overflowed, true);
});
