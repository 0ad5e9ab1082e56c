import assert from "node:assert/strict";
import { Producer } from "@platformatic/kafka";
import { startKafka } from "./kafka.ts";

const range = { from: 21_000, to: 21_500 };

Deno.test("startKafka() has a broker that keeps its records over a restart", async () => {
  await using kafka = await startKafka({ range });
  await kafka.createTopic("letters", { partitions: 2, "max.message.bytes": 2000 });
  const producer = new Producer({ clientId: "test", bootstrapBrokers: [...kafka.brokers] });
  const messages = ["a", "b", "c"].map((name, i) => ({
    ...{ topic: "letters", partition: i % 2, key: Buffer.from(name), value: Buffer.from(`value of ${name}`) },
    ...{
      headers: new Map([[Buffer.from("place"), Buffer.from(`${i}`)]]),
      timestamp: 1_700_000_000_000n + BigInt(i),
    },
  }));
  await producer.send({ messages, acks: -1, compression: "gzip" });
  await producer.close();
  const records = await kafka.records("letters");
  assert.deepEqual(
    records.map((record) => ({ ...record, value: new TextDecoder().decode(record.value) })),
    [[0, 0, "a", 0], [0, 1, "c", 2], [1, 0, "b", 1]].map(([partition, offset, key, place]) => ({
      ...{ partition, offset, key, value: `value of ${key}`, headers: { place: `${place}` } },
      timestamp: 1_700_000_000_000 + Number(place),
    })),
  );
  assert.deepEqual(await kafka.compressions("letters"), ["gzip"]);
  await kafka.kill(0);
  await kafka.start(0);
  assert.deepEqual(await kafka.records("letters"), records);
});

Deno.test("startKafka() has three brokers that go on without one of them", async () => {
  await using kafka = await startKafka({ brokers: 3, range });
  await kafka.createTopic("letters", { partitions: 3 });
  await kafka.kill(1);
  await kafka.createTopic("more", { partitions: 1, replicas: 2 });
  await kafka.start(1);
  await kafka.stop(0);
  kafka.pause(1);
  kafka.resume(1);
  await kafka.start(0);
  assert.deepEqual(await kafka.records("letters"), []);
});

for (const sasl of ["PLAIN", "SCRAM-SHA-256"] as const) {
  Deno.test(`startKafka() takes only clients that come by TLS with ${sasl}`, async () => {
    await using kafka = await startKafka({ tls: true, sasl, range });
    await kafka.createTopic("letters");
    const send = async (password: string) => {
      const producer = new Producer({
        ...{ clientId: "test", bootstrapBrokers: [...kafka.brokers], retries: 0 },
        tls: { ca: await Deno.readTextFile(kafka.ca) },
        sasl: { mechanism: sasl, username: kafka.user, password },
      });
      try {
        await producer.send({ messages: [{ topic: "letters", value: Buffer.from("a") }], acks: -1 });
      } finally {
        await producer.close();
      }
    };
    await assert.rejects(send("wrong"));
    await send(kafka.password);
    assert.equal((await kafka.records("letters")).length, 1);
  });
}
