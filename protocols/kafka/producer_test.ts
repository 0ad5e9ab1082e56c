import assert from "node:assert/strict";
import { type OutgoingRecord, type Sink, SinkError } from "../../core/stream/contract.ts";
import { type RunningKafka, startKafka } from "../../tests/kafka.ts";
import { sinkOf } from "./testdata/sink_of.ts";

const range = { from: 21_000, to: 21_200 };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

let sequence = 0;
function record(value: string, more: Partial<OutgoingRecord> = {}): OutgoingRecord {
  const bytes = encoder.encode(value);
  return {
    lane: "w1",
    sequence: ++sequence,
    timestamp: 1.7e12,
    key: null,
    headers: {},
    value: bytes,
    ...more,
  };
}

async function failure(promise: Promise<void>): Promise<SinkError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof SinkError, String(error));
  return error;
}

const values = async (kafka: RunningKafka, topic: string) =>
  (await kafka.records(topic)).map(({ value }) => decoder.decode(value));

async function withSink(sink: Sink, body: (sink: Sink) => Promise<void>): Promise<void> {
  try {
    await body(sink);
  } finally {
    await sink.close();
  }
}

Deno.test("makeKafkaSink() against a broker", async (t) => {
  await using kafka = await startKafka({ range });

  await t.step(
    "send() keeps value, key, headers, timestamp and order, and says which record it is",
    async () => {
      await kafka.createTopic("whole", { partitions: 1 });
      await withSink(sinkOf(kafka.brokers, { topic: "whole" }), async (sink) => {
        await sink.send([]);
        await sink.send([
          record("a", {
            key: encoder.encode("k"),
            headers: { ä: "ö", b: "" },
            timestamp: 1_700_000_000_123.7,
          }),
          record("", { timestamp: 1_600_000_000_000 }),
        ]);
        await sink.send([record("c")]);
      });
      const whole = (await kafka.records("whole")).map((each) => ({
        ...each,
        value: decoder.decode(each.value),
      }));
      assert.deepEqual(whole, [
        ...[{
          partition: 0,
          offset: 0,
          key: "k",
          value: "a",
          headers: { ä: "ö", b: "", "weir-id": "w1/1" },
          timestamp: 1_700_000_000_123,
        }],
        ...[{
          partition: 0,
          offset: 1,
          key: null,
          value: "",
          headers: { "weir-id": "w1/2" },
          timestamp: 1_600_000_000_000,
        }],
        ...[{
          partition: 0,
          offset: 2,
          key: null,
          value: "c",
          headers: { "weir-id": "w1/3" },
          timestamp: 1_700_000_000_000,
        }],
      ]);
    },
  );

  await t.step("send() puts keys where Kafka's own clients would, batches without keys in turn", async () => {
    await kafka.createTopic("keys", { partitions: 7 });
    // Utils.toPositive(murmur2(key)) % 7, by the Java client's hashes.
    const expected = new Map([["21", -973932308], ["foobar", -790332482], ["abc", 479470107]]
      .map(([key, hash]) => [key as string, ((hash as number) & 0x7fffffff) % 7]));
    await withSink(sinkOf(kafka.brokers, { topic: "keys" }), async (sink) => {
      await sink.send([...expected.keys()].map((key) => record(key, { key: encoder.encode(key) })));
      for (let i = 0; i < 7; i++) await sink.send([record(`turn ${i}`), record(`turn ${i}`)]);
      assert.match(sink.describe!().join("\n"), /^topic keys, 7 partitions\nbrokers 1 127\.0\.0\.1:\d+$/);
    });
    const records = await kafka.records("keys");
    const places = records.filter(({ key }) => key !== null).map(({ key, partition }) =>
      [key, partition] as const
    );
    assert.deepEqual(new Map(places), expected);
    for (let i = 0; i < 7; i++) {
      const found = records.filter(({ value }) => decoder.decode(value) === `turn ${i}`);
      assert.equal(found.length, 2);
      assert.equal(found[0]!.partition, found[1]!.partition);
    }
    const turns = records.filter(({ key }) => key === null).map(({ partition }) => partition);
    assert.equal(new Set(turns).size, 7);
  });

  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    await t.step(`send() compresses with ${compression}`, async () => {
      const topic = `compressed-${compression}`;
      await kafka.createTopic(topic);
      const sent = Array.from({ length: 500 }, (_, i) => `${i} ${"x".repeat(100)}`);
      const sink = sinkOf(kafka.brokers, { topic, compression });
      await withSink(sink, async () => await sink.send(sent.map((value) => record(value))));
      assert.deepEqual(await values(kafka, topic), sent);
      assert.deepEqual(await kafka.compressions(topic), [compression]);
    });
  }

  for (const acks of ["all", "leader", "none"] as const) {
    await t.step(`send() waits for ${acks} without numbers`, async () => {
      await kafka.createTopic(`acks-${acks}`);
      const sink = sinkOf(kafka.brokers, { topic: `acks-${acks}`, acks, idempotent: false });
      await withSink(sink, async () => {
        await sink.send([record("a")]);
        await sink.send([record("b")]);
        if (acks === "none") await until(async () => (await values(kafka, "acks-none")).length === 2);
      });
      assert.deepEqual(await values(kafka, `acks-${acks}`), ["a", "b"]);
    });
  }

  await t.step("send() refuses a record that is too large, by its index where it knows it", async () => {
    await kafka.createTopic("small", { partitions: 2, "max.message.bytes": 2000 });
    await withSink(sinkOf(kafka.brokers, { topic: "small" }), async (sink) => {
      const large = record("x".repeat(3000));
      const alone = await failure(sink.send([large]));
      assert.equal(alone.kind, "refused");
      assert.deepEqual(alone.refused, [0]);
      assert.match(alone.message, /^topic small of 127\.0\.0\.1:\d+: MESSAGE_TOO_LARGE: /);
      const among = await failure(sink.send([record("a"), large]));
      assert.deepEqual([among.kind, among.refused], ["refused", undefined]);
      await sink.send([record("b")]);
    });
    assert.deepEqual(await values(kafka, "small"), ["b"]);
  });

  await t.step("send() says which records a broker will not have", async () => {
    await kafka.createTopic("compacted", { "cleanup.policy": "compact" });
    await withSink(sinkOf(kafka.brokers, { topic: "compacted" }), async (sink) => {
      const keyed = (text: string) => record(text, { key: encoder.encode(text) });
      const mixed = await failure(sink.send([keyed("a"), record("b"), keyed("c"), record("d")]));
      assert.equal(mixed.kind, "refused");
      assert.deepEqual(mixed.refused, [1, 3]);
    });
  });

  await t.step("send() finds a topic that is made later", async () => {
    await withSink(sinkOf(kafka.brokers, { topic: "later" }, 1500), async (sink) => {
      const missing = await failure(sink.send([record("a")]));
      assert.equal(missing.kind, "unavailable");
      assert.deepEqual(sink.describe!().length, 2);
      await kafka.createTopic("later");
      await until(() => sink.send([record("b")]).then(() => true, () => false));
    });
    assert.ok((await values(kafka, "later")).includes("b"));
  });

  await t.step("send() ends when its time is over or the sink is closed, and not before", async () => {
    await kafka.createTopic("paused");
    await withSink(sinkOf(kafka.brokers, { topic: "paused" }, 1000), async (sink) => {
      await sink.send([record("a")]);
      kafka.pause(0);
      const late = await failure(sink.send([record("b")]));
      assert.equal(late.kind, "unavailable");
      const given = failure(sink.send([record("c")]));
      await sink.close();
      assert.match((await given).message, /closed$/);
      kafka.resume(0);
      assert.match((await failure(sink.send([record("d")]))).message, /closed$/);
    });
  });

  await t.step(
    "send() goes on when the broker is there again, without a record lost or in between",
    async () => {
      await kafka.createTopic("restart");
      await withSink(sinkOf(kafka.brokers, { topic: "restart" }, 2000), async (sink) => {
        await sink.send([record("a")]);
        await kafka.kill(0);
        const down = await failure(sink.send([record("b")]));
        assert.equal(down.kind, "unavailable");
        assert.match(down.message, /ECONNREFUSED|closed|no acknowledgement/);
        await kafka.start(0);
        // As many records as before, but others: by the numbers of the old producer they would be duplicates.
        await until(() => sink.send([record("c")]).then(() => true, () => false));
      });
      const found = await values(kafka, "restart");
      assert.deepEqual([...new Set(found.filter((value) => value !== "b"))], ["a", "c"]);
    },
  );
});

Deno.test("makeKafkaSink() loses nothing when leaders are killed under it", async () => {
  await using kafka = await startKafka({ brokers: 3, range });
  await kafka.createTopic("many", { partitions: 6 });
  const acked: string[] = [];
  await withSink(sinkOf(kafka.brokers, { topic: "many", compression: "lz4" }), async (sink) => {
    const stop = new AbortController();
    const sending = (async () => {
      for (let n = 0; !stop.signal.aborted;) {
        const batch = Array.from({ length: 50 }, (_, i) => `${n + i}`);
        try {
          await sink.send(batch.map((text) => record(text, { key: encoder.encode(text) })));
          acked.push(...batch);
          n += 50;
        } catch (error) {
          assert.equal((error as SinkError).kind, "unavailable", String(error));
        }
      }
    })();
    for (const broker of [0, 1]) {
      const before = acked.length;
      await until(() => Promise.resolve(acked.length > before + 500));
      await kafka.kill(broker);
      const without = acked.length;
      await until(() => Promise.resolve(acked.length > without + 500));
      await kafka.start(broker);
    }
    stop.abort();
    await sending;
  });
  // A leader that is new may show what it has only after its followers have asked it.
  let missing = acked;
  const patience = performance.now() + 10_000;
  while (missing.length > 0 && performance.now() < patience) {
    const there = new Set(await values(kafka, "many"));
    missing = acked.filter((text) => !there.has(text));
  }
  assert.deepEqual(missing, []);
});

for (const mechanism of ["plain", "scram-sha-256"] as const) {
  Deno.test(`makeKafkaSink() speaks TLS and proves who it is by ${mechanism}`, async () => {
    const kafkas = mechanism === "plain" ? "PLAIN" : "SCRAM-SHA-256";
    await using kafka = await startKafka({ tls: true, sasl: kafkas, range });
    await kafka.createTopic("t");
    const tls = { ca: kafka.ca, cert: null, key: null, serverName: null };
    const sasl = { mechanism, username: kafka.user, password: kafka.password };
    await withSink(sinkOf(kafka.brokers, { tls, sasl }), (sink) => sink.send([record("a")]));
    const wrong = sinkOf(kafka.brokers, { tls, sasl: { ...sasl, password: "not the pencil" } }, 3000);
    await withSink(wrong, async (sink) => {
      const { kind, message } = await failure(sink.send([record("b")]));
      assert.equal(kind, "unavailable");
      assert.match(message, /uthenticat/);
      assert.ok(!message.includes("pencil"));
    });
    const named = sinkOf(kafka.brokers, { tls: { ...tls, serverName: "other.test" }, sasl }, 3000);
    await withSink(named, async (sink) => {
      assert.equal((await failure(sink.send([record("c")]))).kind, "unavailable");
    });
    const unread = sinkOf(kafka.brokers, { tls: { ...tls, ca: "/nowhere/ca.pem" }, sasl }, 3000);
    await withSink(unread, async (sink) => {
      assert.match((await failure(sink.send([record("d")]))).message, /\/nowhere\/ca\.pem/);
    });
    assert.deepEqual(await values(kafka, "t"), ["a"]);
  });
}

async function until(fact: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!await fact()) {
    assert.ok(performance.now() < limit, "it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
