import assert from "node:assert/strict";
import { startKafka } from "../kafka.ts";
import { type KillsFigures, streamKills } from "./stream_kills.ts";

function holds(figures: KillsFigures, kills: number): void {
  const text = JSON.stringify(figures);
  assert.equal(figures.lostCount, 0, text);
  assert.equal(figures.queued + figures.failed, 0, text);
  assert.deepEqual(figures.unbalanced, [], text);
  assert.deepEqual(figures.backwards, [], text);
  assert.equal(figures.exitCode, 0, text);
  // Otherwise nothing was put to the test.
  assert.equal(figures.killed.worker + figures.killed.shipper, kills, text);
  assert.ok(figures.acknowledged > 1000 && figures.scrapes > 20, text);
}

Deno.test("no acknowledged record is lost when workers and shipper are killed, to a file", async () => {
  const load = { clients: 4, count: 20, bytes: 100, rate: 4000 };
  holds(await streamKills({ kills: 8, everyMs: 400, ...load }), 8);
});

Deno.test("no acknowledged record is lost when workers, shipper and broker are killed, to Kafka", async () => {
  await using kafka = await startKafka({ brokers: 1 });
  await kafka.createTopic("records", { partitions: 3 });
  const load = { clients: 4, count: 20, bytes: 100, rate: 4000 };
  const figures = await streamKills({ kafka, kills: 6, brokerKills: 1, everyMs: 500, ...load });
  holds(figures, 6);
  assert.equal(figures.killed.broker, 1);
});
