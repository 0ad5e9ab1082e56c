import assert from "node:assert/strict";
import { localStatsMemory, readSeries } from "../core/stats/mod.ts";
import { RecentLatency, smallestShown } from "./recent_latency.ts";

function setUp() {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  const histogram = writer.histogram("weir_request_duration_seconds", { listener: "api" });
  const recent = new RecentLatency();
  const series = () => readSeries(memory);
  const one = () => series().find((each) => each.kind === "histogram")!;
  return { histogram, recent, series, one };
}

Deno.test("window() forgets what is older than a minute", () => {
  const { histogram, recent, series, one } = setUp();
  for (let i = 0; i < 1000; i++) histogram.record(800);
  recent.tick(0, series);
  for (let i = 0; i < 200; i++) histogram.record(5);
  const young = recent.window(one())!;
  assert.equal(young.count, 200);
  assert.ok(Math.abs(young.quantile(0.5)! / 5 - 1) < 0.07, String(young.quantile(0.5)));
  assert.ok(young.quantile(0.99)! < 6);
  for (let now = 5_000; now <= 65_000; now += 1_000) recent.tick(now, series);
  assert.equal(recent.window(one())!.count, 0);
});

Deno.test("window() tells no quantile from too few values", () => {
  const { histogram, recent, series, one } = setUp();
  recent.tick(0, series);
  for (let i = 0; i < 10; i++) histogram.record(5);
  const window = recent.window(one())!;
  assert.notEqual(window.quantile(0.5), null);
  assert.equal(window.quantile(0.99), null);
  assert.deepEqual([0.5, 0.9, 0.99, 0.999].map(smallestShown), [2, 10, 100, 1000]);
});

Deno.test("window() knows nothing of a series that was never marked", () => {
  const { histogram, recent, one } = setUp();
  histogram.record(1);
  assert.equal(recent.window(one()), undefined);
});
