import assert from "node:assert/strict";
import { startKafka } from "../kafka.ts";
import { fillTopic, kafkaGroup } from "./kafka_group.ts";

Deno.test("a consumer group has every record when a worker is killed and another leaves and comes back", async () => {
  await using kafka = await startKafka({ brokers: 1 });
  await kafka.createTopic("numbers", { partitions: 6 });
  const records = 60_000;
  await fillTopic(kafka, "numbers", records, 50);
  const figures = await kafkaGroup({
    kafka,
    topic: "numbers",
    records,
    workers: 3,
    batch: 50,
    limitMs: 120_000,
  });
  assert.equal(figures.missing, 0, JSON.stringify(figures));
  assert.equal(figures.lagAtEnd, 0);
  assert.ok(figures.repeated < records, JSON.stringify(figures));
});
