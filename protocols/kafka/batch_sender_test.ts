import assert from "node:assert/strict";
import * as library from "@platformatic/kafka";
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import { startKafka } from "../../tests/kafka.ts";
import { BatchSender } from "./batch_sender.ts";
import { produce } from "./produce_request.ts";
import { ProducerClient } from "./producer_client.ts";
import { BatchEncoder, numberBatch } from "./record_batch.ts";
import { SinkBatch } from "./sink_batch.ts";
import { SinkCall } from "./sink_call.ts";

const range = { from: 21_400, to: 21_499 };

function batchOf(...sequences: number[]): SinkBatch {
  const records: OutgoingRecord[] = sequences.map((sequence) => ({
    ...{ lane: "w1", sequence, timestamp: 1.7e12, key: null, headers: {}, value: new Uint8Array(1) },
  }));
  const members = Int32Array.from(records.keys());
  const encoder = new BatchEncoder();
  return new SinkBatch({
    partition: 0,
    bytes: encoder.bytesOf(encoder.add(records, members)),
    records,
    members,
  });
}

Deno.test("BatchSender and produce() against a broker", async (t) => {
  await using kafka = await startKafka({ range });
  const written = async (topic: string) =>
    (await kafka.records(topic)).map(({ headers }) => Number(headers["weir-id"]!.split("/")[1]));

  const clientOf = async (topic: string, acks = -1) => {
    await kafka.createTopic(topic);
    const connection = {
      clientId: "test",
      brokers: kafka.brokers.map((broker) => {
        const [host, port] = broker.split(":");
        return { host: host!, port: Number(port) };
      }),
    };
    const limits = { acksMs: 5000, silenceMs: 10_000, connectMs: 5000 };
    const client = new ProducerClient({ connection, topic, acks, ...limits });
    await client.refresh();
    return client;
  };

  const bring = async (sender: BatchSender, client: ProducerClient, ...batches: SinkBatch[]) => {
    const call = new SinkCall(20_000);
    await Promise.race([sender.bring(batches, call, client), call.failed]);
    call.end();
    assert.ok(batches.every(({ state }) => state === "acked"));
  };

  await t.step("bring() writes a batch once that comes again under its numbers", async () => {
    const client = await clientOf("again");
    const sender = new BatchSender(true);
    const batch = batchOf(1, 2);
    await bring(sender, client, batch);
    batch.state = "open";
    await bring(sender, client, batch);
    await client.close(true);
    assert.deepEqual(await written("again"), [1, 2]);
  });

  await t.step("bring() goes on as a new producer where the broker misses what came before", async () => {
    const client = await clientOf("gap");
    const sender = new BatchSender(true);
    const first = batchOf(1, 2);
    await bring(sender, client, first);
    first.numbers!.advance(0, 3);
    const second = batchOf(3);
    await bring(sender, client, second);
    assert.notEqual(second.numbers!.producerId, first.numbers!.producerId);
    const third = batchOf(4);
    await bring(sender, client, third);
    assert.equal(third.numbers, second.numbers);
    await client.close(true);
    assert.deepEqual(await written("gap"), [1, 2, 3, 4]);
  });

  await t.step("bring() ends the call with what no other try changes", async () => {
    const client = await clientOf("refused", 5);
    const call = new SinkCall(20_000);
    const batch = batchOf(1);
    const failed = call.failed.catch((error) => error);
    await new BatchSender(false).bring([batch], call, client);
    assert.ok(call.isOver);
    assert.equal((await failed).apiId, "INVALID_REQUIRED_ACKS");
    assert.deepEqual([batch.state, batch.tries], ["open", 1]);
    await client.close(true);
    assert.deepEqual(await written("refused"), []);
  });

  for (let version = 3; version <= 11; version++) {
    await t.step(`produce() speaks version ${version}`, async () => {
      const topic = `version-${version}`;
      await kafka.createTopic(topic);
      const pool = new library.ConnectionPool("test", { connectTimeout: 5000, requestTimeout: 10_000 });
      const [host, port] = kafka.brokers[0]!.split(":");
      const connection = await pool.get({ host: host!, port: Number(port) });
      const { bytes } = batchOf(1, 2, 3);
      numberBatch(bytes, { producerId: -1n, producerEpoch: -1, sequence: -1 });
      const options = { version, topic, acks: -1, timeoutMs: 5000 };
      const answers = await produce(connection, [{ partition: 0, bytes }, { partition: 9, bytes }], options);
      await pool.close();
      assert.equal(answers.get(0)!.errorCode, 0);
      assert.equal(answers.get(9)!.errorCode, 3);
      assert.deepEqual(await written(topic), [1, 2, 3]);
    });
  }
});
