/**
 * How fast the shipper empties a spool into Kafka, beside the client's own producer in a loop that does nothing else: the same
 * records of 512 bytes, the same batches, compression and acknowledgements. `--count 400000` records a round.
 */
import { systemClock } from "../core/clock.ts";
import { compile } from "../core/manifest/mod.ts";
import { localStatsMemory } from "../core/stats/mod.ts";
import { openSpools, prepareSpools } from "../core/stream/spools.ts";
import { startKafka } from "../tests/kafka.ts";
import { alternate } from "./alternate.ts";
import { runToEnd } from "./program.ts";
import type { Bench } from "./run.ts";
import { shareTable } from "./table.ts";

const recordBytes = 512;
const batch = { records: 2000, bytes: "2MiB", wait: "20ms" };
const compressions = ["none", "gzip", "zstd"] as const;

interface Figures {
  perSecond: number;
  cpuMicroseconds: number;
}

const peer = (name: string) => new URL(`peers/${name}`, import.meta.url).pathname;

export const bench: Bench = {
  about:
    `records of ${recordBytes} bytes to a topic of 3 partitions: a full spool shipped ÷ the bare producer`,
  async run({ rounds, count = 400_000, only, port }) {
    await using kafka = await startKafka({ range: { from: port, to: port + 20 }, nice: 19 });
    let topics = 0;
    for (const compression of compressions) {
      if (only.length > 0 && !only.includes(compression)) continue;
      const told = async () => {
        const topic = `records-${++topics}`;
        await kafka.createTopic(topic, { partitions: 3 });
        return { brokers: kafka.brokers, topic, compression, count, batch: batch.records, recordBytes };
      };
      const contenders = [
        { name: "shipper", measure: async () => await shipped(await told()) },
        {
          name: "bare producer",
          measure: async () => await measured(peer("producer_bare.ts"), await told(), count),
        },
      ];
      const { figures, failures } = await alternate(contenders, rounds, (text) => console.error(text));
      const samples = (pick: (figures: Figures) => number) =>
        new Map([...figures].map(([name, list]) => [name, list.map(pick)]));
      const targets = new Map([["bare producer", 0.8]]);
      console.log(
        shareTable(`${compression}: records/s`, "", samples(({ perSecond }) => perSecond), targets),
      );
      console.log(
        shareTable(`${compression}: processor time per record`, "us", samples((one) => one.cpuMicroseconds)) +
          "\n",
      );
      for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
    }
  },
};

interface Told {
  brokers: readonly string[];
  topic: string;
  compression: string;
  count: number;
}

/** Fills a spool first; only the shipping is measured. */
async function shipped(told: Told): Promise<Figures> {
  const directory = await Deno.makeTempDir({ prefix: "weir-bench-" });
  try {
    const { brokers, topic, compression, count } = told;
    const manifest = {
      service: "bench",
      loops: { idle: { handler: peer("answer.ts"), every: "1h" } },
      streams: {
        records: {
          kafka: { brokers: [...brokers], topic, compression },
          spool: { directory, max: "4GiB", sync: "never" },
          batch,
          codec: "raw",
        },
      },
    };
    await fill(manifest, directory, count);
    return await measured(peer("ship.ts"), { manifest, directory, records: count }, count);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function fill(manifest: object, directory: string, count: number): Promise<void> {
  const { plan, diagnostics } = compile(manifest, { cwd: directory, env: {} });
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const log = { debug() {}, info() {}, warn: console.error, error: console.error, child: () => log };
  const stats = localStatsMemory(1).slot(0).writer({ role: "worker", id: "1", generation: 1 });
  await prepareSpools(plan);
  const spools = openSpools({ plan, role: "worker", id: 1, stats, clock: systemClock, logger: () => log });
  const stream = spools.handle("records", { deadline: Infinity });
  const value = crypto.getRandomValues(new Uint8Array(recordBytes / 2)).toHex();
  for (let n = 0; n < count; n += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, i) => stream.send(value, { key: String(n + i) })));
  }
  await spools.close();
}

/** A program that prints `tookMs` and `cpuMs` for `count` records. */
async function measured(script: string, told: object, count: number): Promise<Figures> {
  const output = await runToEnd([
    Deno.execPath(),
    "run",
    "-A",
    "--unstable-net",
    script,
    JSON.stringify(told),
  ]);
  const { tookMs, cpuMs } = JSON.parse(output);
  return { perSecond: count / tookMs * 1000, cpuMicroseconds: cpuMs * 1000 / count };
}
