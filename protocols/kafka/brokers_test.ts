/** What happens to brokers, and how they are reached: clusters of their own. */
import assert from "node:assert/strict";
import { startKafka } from "../../tests/kafka.ts";
import { control } from "./testdata/handlers.ts";
import { KafkaService, produce, range, until } from "./testdata/service.ts";

/** Different values that were seen; what came again does not count. */
function values(): number {
  return new Set(control.seen.map(({ records: [one] }) => (one!.value as { n: number }).n)).size;
}

Deno.test("a kafka listener goes on while one of three brokers is dead, and while one hangs", async () => {
  await using kafka = await startKafka({ brokers: 3, range });
  await kafka.createTopic("moving", { partitions: 6, replicas: 3 });
  /** Sixty more; sent again where the producer gives up. */
  const send = async (round: number, brokers: readonly string[]) => {
    const records = Array.from(
      { length: 60 },
      (_, n) => ({ partition: n % 6, value: { n: round * 60 + n } }),
    );
    await until("they are sent", () => produce(brokers, "moving", records).then(() => true, () => false));
  };
  await send(0, kafka.brokers);
  await using service = await KafkaService.start({
    brokers: kafka.brokers,
    topic: "moving",
    group: "moving",
  });
  await until("the first records", () => values() === 60);
  for (const broker of [0, 1]) {
    if (broker === 1) kafka.pause(broker);
    else await kafka.kill(broker);
    await send(broker + 1, kafka.brokers.filter((_, i) => i !== broker));
    await until(`the records without broker ${broker}`, () => values() === 60 * (broker + 2), 120_000);
    if (broker === 1) kafka.resume(broker);
    else await kafka.start(broker);
  }
  await until("nothing is left", () => service.figure("weir_kafka_lag_records") === 0);
});

Deno.test("a kafka listener speaks TLS and proves who it is; a wrong password is trouble, not an end", async () => {
  await using kafka = await startKafka({ tls: true, sasl: "SCRAM-SHA-512", range });
  await kafka.createTopic("secret");
  await produce(kafka.plainBrokers, "secret", [{ value: 1 }]);
  const password = `${await Deno.makeTempDir()}/password`;
  const keys = {
    ...{ brokers: kafka.brokers, topic: "secret", group: "secret", tls: { ca: kafka.ca } },
    sasl: { mechanism: "scram-sha-512", username: kafka.user, password: { fromFile: password } },
  };
  await Deno.writeTextFile(password, "wrong");
  {
    await using service = await KafkaService.start(keys);
    await until("it says so", () => service.log().includes("kafka cannot be used"));
    assert.match(service.log(), /SASL/);
    assert.doesNotMatch(service.log(), /wrong|pencil/);
    assert.equal(control.seen.length, 0);
  }
  await Deno.writeTextFile(password, kafka.password);
  await using _service = await KafkaService.start(keys);
  await until("the record", () => control.seen.length === 1);
});
