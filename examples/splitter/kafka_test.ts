import assert from "node:assert/strict";
import { startKafka } from "../../tests/kafka.ts";
import { bootService } from "../boot_service.ts";

Deno.test("the splitter writes every answer to Kafka once one line of its manifest is another", async () => {
  await using kafka = await startKafka();
  await kafka.createTopic("splits", { partitions: 3 });
  const text = await Deno.readTextFile(new URL("service.yaml", import.meta.url));
  // The line that is there goes, and the one behind it counts.
  const changed = text.replace(/^ +file: .*\n( +)# kafka: (.*)$/m, "$1kafka: $2")
    .replace("127.0.0.1:9092", kafka.brokers[0]!);
  assert.notEqual(changed, text);
  const path = new URL("kafka_test.yaml", import.meta.url);
  await Deno.writeTextFile(path, changed);
  try {
    await using service = await bootService("examples/splitter/kafka_test.yaml", {
      port: 24_320,
      path: "/split?user=0",
    });
    const ready = () => fetch(`${service.metaUrl}/readyz`).then(({ ok }) => ok, () => false);
    await service.waitFor("all is ready", ready);
    const asked = Array.from({ length: 200 }, (_, n) => String(n));
    for (const user of asked) await (await fetch(`${service.url}/split?user=${user}`)).body?.cancel();
    assert.equal(await service.stop(), 0);
    const records = await kafka.records("splits");
    const users = new Set(records.map(({ value }) => JSON.parse(new TextDecoder().decode(value)).user));
    for (const user of asked) assert.ok(users.has(user), user);
    for (const { key, value } of records) {
      assert.equal(key, JSON.parse(new TextDecoder().decode(value)).user);
    }
  } finally {
    await Deno.remove(path);
  }
});
