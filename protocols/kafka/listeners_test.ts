/** A kafka listener in this process against a real broker, which all steps share; each has a topic of its own. */
import assert from "node:assert/strict";
import { type RunningKafka, startKafka } from "../../tests/kafka.ts";
import { control } from "./testdata/handlers.ts";
import { handlers, KafkaService, produce, range, type Sent, until } from "./testdata/service.ts";

/** Values `{ n }`, one partition after the other. */
function numbered(count: number, partitions = 1): Sent[] {
  return Array.from({ length: count }, (_, n) => ({ partition: n % partitions, key: `k${n}`, value: { n } }));
}

function numbers(): number[] {
  return control.seen.flatMap(({ records }) => records.map(({ value }) => (value as { n: number }).n));
}

function gate(): { opened: Promise<void>; open: () => void } {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  return { opened, open };
}

/** A topic with records in it, and the keys of a listener for it. */
async function topicOf(kafka: RunningKafka, name: string, records: readonly Sent[], partitions = 1) {
  await kafka.createTopic(name, { partitions });
  await produce(kafka.brokers, name, records);
  return { brokers: kafka.brokers, topic: name, group: `${name}-group` };
}

const steps: Record<string, (kafka: RunningKafka) => Promise<void>> = {
  async "takes the records of a partition in their order, and nothing twice after a drain"(kafka) {
    const keys = await topicOf(kafka, "order", numbered(3000, 3), 3);
    {
      await using _service = await KafkaService.start(keys);
      control.work = () => new Promise<void>((resolve) => queueMicrotask(resolve));
      await until("all records", () => control.seen.length >= 3000);
      for (let partition = 0; partition < 3; partition++) {
        const offsets = control.seen.flatMap(({ records }) => records).filter((one) =>
          one.partition === partition
        );
        assert.deepEqual(
          offsets.map(({ offset }) => offset),
          Array.from({ length: 1000 }, (_, i) => BigInt(i)),
        );
      }
      assert.equal(control.mostOf, 1);
    }
    await produce(kafka.brokers, "order", numbered(3, 3));
    await using _service = await KafkaService.start(keys);
    await until("the three new ones", () => control.seen.length >= 3);
    assert.deepEqual(control.seen.map(({ records: [record] }) => record!.offset), [1000n, 1000n, 1000n]);
  },

  async "gives handlers key, headers, time and call tree of a record"(kafka) {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const keys = await topicOf(kafka, "record", [
      { key: "ä", value: [1], headers: { "x-request-id": "abc", traceparent, city: "Malmö" } },
      { value: null, headers: { traceparent } },
      { value: { last: true } },
    ]);
    const before = Date.now();
    await using _service = await KafkaService.start(keys);
    await until("three records", () => control.seen.length >= 3);
    const [first, tombstone, last] = control.seen.map(({ records: [record], id, trace }) => ({
      record: record!,
      id,
      trace,
    }));
    assert.deepEqual(first!.record.key, new TextEncoder().encode("ä"));
    assert.deepEqual({ ...first!.record.headers }, { "x-request-id": "abc", traceparent, city: "Malmö" });
    assert.deepEqual([first!.record.topic, first!.record.partition, first!.record.offset], ["record", 0, 0n]);
    assert.ok(Math.abs(first!.record.timestamp - before) < 60_000);
    assert.deepEqual([first!.id, first!.trace], ["abc", traceparent]);
    assert.deepEqual([tombstone!.record.value, tombstone!.record.key], [null, null]);
    assert.equal(tombstone!.id, "0af7651916cd43dd8448eb211c80319c");
    assert.deepEqual([last!.record.value, last!.id], [{ last: true }, "record-0-2"]);
  },

  async "runs no more calls per partition than its concurrency"(kafka) {
    const keys = await topicOf(kafka, "wide", numbered(200, 2), 2);
    await using _service = await KafkaService.start({ ...keys, concurrency: 7 });
    const { opened, open } = gate();
    control.work = () => opened;
    await until("14 calls", () => control.running === 14);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(control.running, 14);
    open();
    await until("all records", () => control.seen.length >= 200);
    assert.equal(control.mostOf, 7);
  },

  async "tries again what failed, then makes a dead letter of it, while other partitions go on"(kafka) {
    const keys = await topicOf(kafka, "retry", numbered(20, 2), 2);
    const retry = { attempts: 3, backoff: "500ms" };
    let failures = 0;
    let othersDone = -1;
    await using service = await KafkaService.start({ ...keys, retry });
    control.work = (value) => {
      const { n } = value as { n: number };
      if (n === 4) {
        failures++;
        throw new RangeError("not this one");
      }
      // Fails once.
      if (n === 6 && numbers().filter((one) => one === 6).length === 1) throw new Error("once");
      if (failures === 1) othersDone = numbers().filter((one) => one % 2 === 1).length;
    };
    await until("all records", () => numbers().includes(18) && numbers().includes(19));
    assert.equal(failures, 3);
    assert.equal(othersDone, 10);
    const even = numbers().filter((n) => n % 2 === 0);
    assert.deepEqual(even, [0, 2, 4, 4, 4, 6, 6, 8, 10, 12, 14, 16, 18]);
    const [letter, ...rest] = await service.dead();
    assert.deepEqual(rest, []);
    const { timestamp, at, ...others } = letter as { timestamp: number; at: string };
    assert.ok(timestamp > 0 && Date.parse(at) >= timestamp);
    assert.deepEqual(others, {
      topic: "retry",
      partition: 0,
      offset: "2",
      key: btoa("k4"),
      headers: {},
      value: btoa(`{"n":4}`),
      cause: "handler_error: RangeError: not this one",
      attempts: 3,
    });
    const { mode } = await Deno.stat(`${service.folder}/dead/events.jsonl`);
    assert.equal(mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(`${service.folder}/dead`)).mode! & 0o777, 0o700);
  },

  async "makes a dead letter of what cannot be decoded, without a try"(kafka) {
    const keys = await topicOf(kafka, "garbage", [{ value: "{no" }, { value: { n: 1 } }]);
    await using service = await KafkaService.start({ ...keys, retry: { attempts: 1000 } });
    await until("the good one", () => control.seen.length >= 1);
    assert.deepEqual(numbers(), [1]);
    const [letter, ...rest] = await service.dead();
    assert.equal(rest.length, 0);
    assert.match(String(letter!.cause), /^undecodable \(json\): /);
    assert.deepEqual([letter!.attempts, letter!.value], [0, btoa("{no")]);
  },

  async "keeps a partition waiting while its dead letters cannot be written"(kafka) {
    const keys = await topicOf(kafka, "unwritable", [{ value: "{no" }, { value: { n: 1 } }]);
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/dead`, "a file, no folder");
    await using _service = await KafkaService.start({ ...keys, deadLetters: `${folder}/dead` });
    await until(
      "the paused partition is shown",
      () => figure("weir_kafka_paused_partitions", _service) === 1,
    );
    assert.equal(control.seen.length, 0);
    await Deno.remove(`${folder}/dead`);
    await until("the next record", () => control.seen.length === 1);
    assert.equal((await Deno.readTextFile(`${folder}/dead/events.jsonl`)).split("\n").length, 2);
    await Deno.remove(folder, { recursive: true });
  },

  async "gives lists of one partition with batch, without what cannot be decoded"(kafka) {
    const keys = await topicOf(kafka, "lists", [...numbered(50), { value: "{no" }, ...numbered(49)]);
    await using service = await KafkaService.start({ ...keys, batch: 30 });
    await until("all records", () => numbers().length >= 99);
    assert.deepEqual(numbers(), [...Array(50).keys(), ...Array(49).keys()]);
    assert.ok(control.seen.every(({ records }) => records.length <= 30));
    assert.ok(control.seen.some(({ records }) => records.length > 1));
    assert.equal((await service.dead()).length, 1);
  },

  async "waits with what admission refuses, and makes no dead letters of it"(kafka) {
    const keys = await topicOf(kafka, "admission", numbered(40, 4), 4);
    await using service = await KafkaService.start({
      ...keys,
      admit: { concurrency: 1, queue: 0 },
      retry: { attempts: 1 },
    });
    const { opened, open } = gate();
    control.work = () => opened;
    await until("three partitions wait", () => figure("weir_kafka_paused_partitions", service) === 3);
    assert.equal(control.running, 1);
    open();
    await until("all records", () => numbers().length >= 40);
    assert.equal(control.mostRunning, 1);
    assert.deepEqual(await service.dead(), []);
    for (let partition = 0; partition < 4; partition++) {
      const own = numbers().filter((n) => n % 4 === partition);
      assert.deepEqual(own, own.toSorted((a, b) => a - b));
    }
  },

  async "reads no more ahead of a slow handler than fetch.bytes"(kafka) {
    const value = { text: "x".repeat(1000) };
    const keys = await topicOf(kafka, "long", Array.from({ length: 5000 }, () => ({ value })));
    await using service = await KafkaService.start({ ...keys, fetch: { bytes: "64KiB" } });
    const { opened, open } = gate();
    control.work = () => opened;
    await until("it reads ahead", () => figure("weir_kafka_buffered_bytes", service) > 0);
    await until("the lag is known", () => figure("weir_kafka_lag_records", service) === 5000);
    // One batch of the producer (1000 records) is never cut.
    assert.ok(figure("weir_kafka_buffered_bytes", service) < 1000 * 1200 + 65_536);
    control.work = () => undefined;
    open();
    await until("all records", () => control.seen.length >= 5000);
    await until("nothing is left", () => figure("weir_kafka_lag_records", service) === 0);
    assert.equal(figure("weir_kafka_buffered_bytes", service), 0);
  },

  async "runs handlers on a pool"(kafka) {
    const file = await Deno.makeTempFile();
    const value = (n: number) => ({ file, n });
    const keys = await topicOf(kafka, "pool", [
      { key: "a", value: value(1), headers: { h: "1" } },
      { value: "{no" },
      { value: value(2) },
    ]);
    for (const batch of [1, 10]) {
      await using service = await KafkaService.start(
        { ...keys, group: `pool-${batch}`, batch, run: "work", handler: `${handlers}#write` },
        { pools: { work: { kind: "io", threads: 1 } } },
      );
      const lines = async () => (await Deno.readTextFile(file)).split("\n").filter(Boolean);
      await until("two lines", async () => (await lines()).length >= 2);
      assert.deepEqual((await lines()).map((line) => JSON.parse(line)), [[1, "a", { h: "1" }, "0"], [
        2,
        null,
        {},
        "2",
      ]]);
      await until("the dead letter", async () => (await service.dead()).length === 1);
      await Deno.truncate(file);
    }
    await Deno.remove(file);
  },

  async "begins at the end with start: latest, and misses nothing from then on"(kafka) {
    const keys = { ...await topicOf(kafka, "latest", numbered(10)), start: "latest" };
    {
      await using service = await KafkaService.start(keys);
      await until("its place is committed", () => figure("weir_kafka_committed_offset", service) === 10);
    }
    await produce(kafka.brokers, "latest", numbered(3));
    await using _service = await KafkaService.start(keys);
    await until("what came meanwhile", () => control.seen.length >= 3);
    assert.deepEqual(numbers(), [0, 1, 2]);
  },

  async "goes on with the same records after the broker was killed"(kafka) {
    const keys = await topicOf(kafka, "restart", numbered(100, 2), 2);
    await using _service = await KafkaService.start(keys);
    await until("the first records", () => control.seen.length >= 100);
    await kafka.kill(0);
    await kafka.start(0);
    await produce(kafka.brokers, "restart", numbered(100, 2));
    const places = () =>
      new Set(control.seen.map(({ records: [one] }) => `${one!.partition}-${one!.offset}`));
    await until("the records after it", () => places().size >= 200);
    assert.equal(places().size, 200);
    // At least once: what was not committed when it was killed may have come again.
    assert.ok(control.seen.length <= 300);
  },
};

/** A series of the only worker; the sum of its rows, NaN where there is none. */
function figure(name: string, service: KafkaService): number {
  return service.figure(name);
}

Deno.test("a kafka listener", async (test) => {
  await using kafka = await startKafka({ range });
  for (const [title, step] of Object.entries(steps)) await test.step(title, () => step(kafka));
});

Deno.test("a kafka listener starts without its brokers, and begins when they come", async () => {
  const kafka = await startKafka({ range });
  await using _broker = kafka;
  const keys = await topicOf(kafka, "later", numbered(5));
  await kafka.kill(0);
  await using _service = await KafkaService.start(keys);
  assert.equal(control.seen.length, 0);
  await kafka.start(0);
  await until("its records", () => control.seen.length >= 5);
});
