import assert from "node:assert/strict";
import type { WorkerStream } from "../core/stats/mod.ts";
import { StreamTrends } from "./stream_trends.ts";

const row = (sent: number, acked: number, more: Partial<WorkerStream> = {}) =>
  ({ stream: "decisions", state: "sending", alive: true, at: 0, sent, acked, ...more }) as WorkerStream;

Deno.test("of() knows the rates of the last ten seconds and a minute of them, oldest first", () => {
  const trends = new StreamTrends();
  assert.deepEqual(trends.of("decisions").sent, { ratePerSecond: null, points: [] });
  trends.tick(0, [row(0, 0)]);
  assert.deepEqual(trends.of("decisions").sent, { ratePerSecond: null, points: [] });
  for (let n = 1; n <= 100; n++) trends.tick(n * 2000, [row(n < 90 ? 0 : (n - 89) * 20, n * 4)]);
  const { sent, acked } = trends.of("decisions");
  assert.equal(sent.ratePerSecond, 10);
  assert.deepEqual(sent.points, [...new Array(49).fill(0), ...new Array(11).fill(10)]);
  assert.deepEqual([acked.ratePerSecond, acked.points.length, new Set(acked.points)], [2, 60, new Set([2])]);
});

Deno.test("of() begins again when a spool counts from nothing, and forgets a stream without rows", () => {
  const trends = new StreamTrends();
  trends.tick(0, [row(500, 400)]);
  trends.tick(1000, [row(510, 410)]);
  trends.tick(2000, [row(3, 2)]);
  assert.deepEqual(trends.of("decisions").sent, { ratePerSecond: null, points: [] });
  trends.tick(3000, [row(5, 2)]);
  assert.deepEqual(trends.of("decisions"), {
    sent: { ratePerSecond: 2, points: [2] },
    acked: { ratePerSecond: 0, points: [0] },
  });
  trends.tick(4000, []);
  assert.deepEqual(trends.of("decisions").sent, { ratePerSecond: null, points: [] });
});

Deno.test("of() follows the shipper that has the lock, not the one that waits for it", () => {
  const trends = new StreamTrends();
  const waits = row(0, 0, { state: "waitingForLock", at: 9 });
  trends.tick(0, [waits, row(100, 100)]);
  trends.tick(1000, [row(107, 105), waits]);
  const { sent, acked } = trends.of("decisions");
  assert.deepEqual([sent.ratePerSecond, acked.ratePerSecond], [7, 5]);
});
