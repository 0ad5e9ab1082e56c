/**
 * Workers, shipper and brokers of three are SIGKILLed while clients send; every acknowledged record has to be in the
 * topic. `deno task bench stream-kills --count 60`: as many kills; exit code 1 where something does not hold.
 */
import { startKafka } from "../tests/kafka.ts";
import { type KillsFigures, streamKills } from "../tests/system/stream_kills.ts";
import type { Bench } from "./run.ts";
import { number, table } from "./table.ts";

export const bench: Bench = {
  about: "records lost while workers, shipper and brokers (1 of 3) are SIGKILLed under load",
  async run({ count = 60, rounds }) {
    let holds = true;
    for (let round = 1; round <= rounds; round++) {
      await using kafka = await startKafka({ brokers: 3 });
      await kafka.createTopic("records", { partitions: 6 });
      const figures = await streamKills({
        kafka,
        kills: count,
        brokerKills: Math.max(1, Math.round(count / 6)),
        everyMs: 700,
        clients: 8,
        count: 25,
        bytes: 300,
        rate: 3000,
        onProgress: (text) => console.error(`round ${round}: ${text}`),
      });
      print(figures);
      holds &&= figures.lostCount === 0 && figures.unbalanced.length === 0 && figures.backwards.length === 0;
    }
    return holds;
  },
};

function print(figures: KillsFigures): void {
  const { killed } = figures;
  const rows = [
    ["SIGKILLs of workers, shipper, brokers", `${killed.worker}, ${killed.shipper}, ${killed.broker}`],
    ["records acknowledged to clients", String(figures.acknowledged)],
    ["… of these not in the topic", String(figures.lostCount)],
    ["records in the topic", String(figures.delivered)],
    ["… more than once", String(figures.repeated)],
    ["sent without an answer", String(figures.unknown)],
    ["scrapes", String(figures.scrapes)],
    ["… at which the sum was wrong", String(figures.unbalanced.length)],
    ["totals that went back", String(figures.backwards.length)],
    ["spool empty after the load, s", number(figures.drainedMs / 1000)],
  ];
  console.log(table(["", "seen"], rows) + "\n");
  for (const text of [...figures.unbalanced, ...figures.backwards].slice(0, 10)) console.log(`  ${text}`);
}
