/** A million records through a consumer group of three workers, one killed and one restarted on the way. */
import { startKafka } from "../tests/kafka.ts";
import { fillTopic, kafkaGroup } from "../tests/system/kafka_group.ts";
import type { Bench } from "./run.ts";
import { number, table } from "./table.ts";

export const bench: Bench = {
  about: "records of a topic of 6 partitions, a group of 3 workers, one SIGKILLed and one restarted",
  async run({ count = 1_000_000, rounds }) {
    const rows: string[][] = [];
    let holds = true;
    for (let round = 1; round <= rounds; round++) {
      for (const batch of [1, 100]) {
        await using kafka = await startKafka({ brokers: 1 });
        await kafka.createTopic("numbers", { partitions: 6 });
        await fillTopic(kafka, "numbers", count, 100);
        const figures = await kafkaGroup({
          ...{ kafka, topic: "numbers", records: count, workers: 3, batch, limitMs: 600_000 },
          onProgress: (text) => console.error(`round ${round}, batch ${batch}: ${text}`),
        });
        holds &&= figures.missing === 0 && figures.lagAtEnd === 0;
        rows.push([
          `batch ${batch}`,
          String(count),
          String(figures.missing),
          String(figures.repeated),
          number(figures.tookMs / 1000),
          number(count / figures.tookMs * 1000),
        ]);
      }
    }
    console.log(table(["", "records", "missing", "had again", "s", "records/s"], rows));
    return holds;
  },
};
