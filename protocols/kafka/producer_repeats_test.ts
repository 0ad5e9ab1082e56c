/** What comes twice: never what a sink with numbers sends again, whatever it loses on the way. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type OutgoingRecord, type Sink, SinkError } from "../../core/stream/contract.ts";
import { type RunningKafka, startKafka } from "../../tests/kafka.ts";
import { freePorts } from "../../tests/provision.ts";
import { sinkOf } from "./testdata/sink_of.ts";
import { murmur2 } from "./murmur2.ts";
import { CuttingProxy } from "./testdata/cutting_proxy.ts";

const range = { from: 21_200, to: 21_300 };

let sequence = 0;
/** Records of which each is its own key. */
function recordsOf(count: number, padding = 0): OutgoingRecord[] {
  return Array.from({ length: count }, () => {
    const number = ++sequence;
    const value = Buffer.from(`${number}`.padEnd(padding, "x"));
    return {
      lane: "w1",
      sequence: number,
      timestamp: Date.now(),
      key: Buffer.from(`${number}`),
      headers: {},
      value,
    };
  });
}

/** Numbers of the records of a topic, by partition and offset. */
async function numbers(kafka: RunningKafka, topic: string): Promise<number[]> {
  return (await kafka.records(topic)).map(({ key }) => Number(key));
}

/** Every record is there once, and those of a partition are in their order. */
async function assertOnce(
  kafka: RunningKafka,
  topic: string,
  sent: readonly OutgoingRecord[],
): Promise<void> {
  const found = await kafka.records(topic);
  const order = found.map(({ partition, key }) => ({ partition, number: Number(key) }));
  const sorted = order.toSorted((a, b) => a.partition - b.partition || a.number - b.number);
  assert.deepEqual(order, sorted);
  assert.deepEqual(order.map(({ number }) => number).sort((a, b) => a - b), sent.map((one) => one.sequence));
}

async function failure(promise: Promise<void>): Promise<SinkError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof SinkError, String(error));
  return error;
}

/** As the shipper does it: the same records until they are taken. */
async function sendUntilTaken(sink: Sink, records: readonly OutgoingRecord[]): Promise<void> {
  const limit = performance.now() + 90_000;
  for (;;) {
    try {
      return await sink.send(records);
    } catch (error) {
      assert.equal((error as SinkError).kind, "unavailable", String(error));
      assert.ok(performance.now() < limit, `it was not taken: ${error}`);
    }
  }
}

Deno.test("makeKafkaSink() writes nothing twice when answers are lost", async (t) => {
  await using kafka = await startKafka({ range });
  await using proxy = await CuttingProxy.start(kafka.brokers[0]!, freePorts(1, range)[0]!);

  for (const compression of ["none", "gzip"] as const) {
    await t.step(`within one send(), with ${compression}`, async () => {
      const topic = `within-${compression}`;
      await kafka.createTopic(topic, { partitions: 3 });
      const sink = sinkOf([proxy.address], { topic, compression });
      const before = proxy.cut;
      let answers = 0;
      proxy.cuts = () => ++answers % 2 === 1;
      const sent: OutgoingRecord[] = [];
      for (let i = 0; i < 8; i++) {
        const records = recordsOf(100);
        await sink.send(records);
        sent.push(...records);
      }
      await sink.close();
      assert.ok(proxy.cut - before >= 8);
      await assertOnce(kafka, topic, sent);
    });
  }

  await t.step("over several that bring the same records", async () => {
    await kafka.createTopic("over", { partitions: 3 });
    const sink = sinkOf([proxy.address], { topic: "over" }, 700);
    const sent: OutgoingRecord[] = [];
    for (let i = 0; i < 3; i++) {
      const records = recordsOf(50);
      proxy.cuts = () => true;
      const before = proxy.cut;
      while (proxy.cut === before) assert.equal((await failure(sink.send(records))).kind, "unavailable");
      proxy.cuts = () => false;
      await sendUntilTaken(sink, records);
      sent.push(...records);
    }
    await sink.close();
    await assertOnce(kafka, "over", sent);
  });

  await t.step("and leaves nothing out when others come instead, as many as before", async () => {
    await kafka.createTopic("instead", { partitions: 1 });
    const sink = sinkOf([proxy.address], { topic: "instead" }, 700);
    const first = recordsOf(50);
    proxy.cuts = () => true;
    const before = proxy.cut;
    while (proxy.cut === before) await failure(sink.send(first));
    proxy.cuts = () => false;
    const second = recordsOf(50);
    await sendUntilTaken(sink, second);
    await sink.close();
    await assertOnce(kafka, "instead", [...first, ...second]);
  });

  await t.step("but may without numbers", async () => {
    await kafka.createTopic("unnumbered", { partitions: 1 });
    const sink = sinkOf([proxy.address], { topic: "unnumbered", idempotent: false });
    const before = proxy.cut;
    proxy.cuts = () => proxy.cut === before;
    await sink.send(recordsOf(1));
    await sink.close();
    assert.equal((await numbers(kafka, "unnumbered")).length, 2);
  });

  await t.step("and not what one partition took when another refuses", async () => {
    proxy.cuts = () => false;
    await kafka.createTopic("halves", { partitions: 2, "max.message.bytes": 4000 });
    const sink = sinkOf([proxy.address], { topic: "halves" });
    const records = recordsOf(40);
    const large = (one: OutgoingRecord) => murmur2(one.key!) % 2 === 1;
    const sent = records.map((one) => large(one) ? { ...one, value: new Uint8Array(1000) } : one);
    const parts = [sent];
    let refusals = 0;
    for (let part = parts.pop(); part; part = parts.pop()) {
      const error = await sink.send(part).then(() => undefined, (error: SinkError) => error);
      if (!error) continue;
      assert.equal(error.kind, "refused");
      refusals++;
      parts.push(part.slice(part.length >> 1), part.slice(0, part.length >> 1));
    }
    await sink.close();
    assert.ok(refusals > 1);
    await assertOnce(kafka, "halves", records);
  });
});

Deno.test("makeKafkaSink() writes everything once while brokers are killed and hang", async () => {
  await using kafka = await startKafka({ brokers: 3, range });
  await kafka.createTopic("once", { partitions: 6 });
  const sink = sinkOf(kafka.brokers, { topic: "once", compression: "lz4" }, 5000);
  const sent: OutgoingRecord[] = [];
  const stop = new AbortController();
  const sending = (async () => {
    while (!stop.signal.aborted) {
      const records = recordsOf(50);
      await sendUntilTaken(sink, records);
      sent.push(...records);
    }
  })();
  const more = async (count: number) => {
    const wanted = sent.length + count;
    const limit = performance.now() + 90_000;
    while (sent.length < wanted) {
      assert.ok(performance.now() < limit, "it did not go on");
      await Promise.race([sending, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  };
  await more(500);
  await kafka.kill(0);
  await more(500);
  await kafka.start(0);
  await more(500);
  kafka.pause(1);
  await more(500);
  kafka.resume(1);
  await more(500);
  stop.abort();
  await sending;
  await sink.close();
  // A leader that is new may show what it has only after its followers have asked it.
  const limit = performance.now() + 20_000;
  while ((await numbers(kafka, "once")).length < sent.length && performance.now() < limit);
  await assertOnce(kafka, "once", sent);
});
