/**
 * The clients of Kafka that run on Deno without native code: kafkajs beside @platformatic/kafka, and what streams write
 * with, which is the latter inside. First what they lose,
 * write twice or hang on while the brokers of a cluster are killed in turn and then all of them for half a minute; then
 * how fast they send batches of 2000 records of 512 bytes one after the other, and read them in a group.
 * `deno task bench kafka-clients --rounds 3 --seconds 3 [--only faults|produce|consume]`
 */
import { type RunningKafka, startKafka } from "../tests/kafka.ts";
import { alternate } from "./alternate.ts";
import type { Told } from "./peers/kafka_client.ts";
import { runToEnd } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { ratioTable, table } from "./table.ts";

const program = new URL("peers/kafka_client.ts", import.meta.url).pathname;
const deno = [Deno.execPath(), "run", "-A", "--unstable-net"];
const outageMs = 30_000;

type Variant = Pick<Told, "client" | "idempotent" | "compression">;

interface Figures {
  perSecond: number;
  /** Of the client's process. */
  cpuMicroseconds: number;
}

interface Faults {
  acked: number;
  failures: number;
  hangs: number;
  longestGapMs: number;
  silentMs: number;
  rejections: number;
  lastError: string;
}

export const bench: Bench = {
  about: "clients of Kafka: what they lose when brokers are killed, and their speed",
  async run(options) {
    const wanted = (part: string) => options.only.length === 0 || options.only.includes(part);
    let holds = true;
    if (wanted("faults")) holds = await faults(options);
    const range = { from: options.port, to: options.port + 20 };
    await using kafka = await startKafka({ range });
    if (wanted("produce")) await produce(kafka, options);
    if (wanted("consume")) await consume(kafka, options);
    return holds;
  },
};

const nameOf = ({ client, idempotent, compression }: Variant) =>
  [client, compression, idempotent ? "idempotent" : ""].filter(Boolean).join(", ");

/** All of them at the same time, on topics of their own: what happens to the brokers is the same for all. */
async function faults({ rounds, port }: BenchOptions): Promise<boolean> {
  const variants: Variant[] = (["kafkajs", "platformatic", "Weir"] as const).flatMap((client) =>
    [false, true].map((idempotent) => ({ client, idempotent, compression: "none" as const }))
  );
  const rows: string[][] = [];
  let lost = 0; // by Weir
  for (let round = 0; round < rounds; round++) {
    await using kafka = await startKafka({ brokers: 3, range: { from: port, to: port + 20 } });
    const clients = [];
    for (const [i, variant] of variants.entries()) {
      const topic = `faults-${i}`;
      await kafka.createTopic(topic, { partitions: 3 });
      clients.push({ variant, topic, child: start({ ...variant, topic, brokers: [...kafka.brokers] }) });
    }
    await breakBrokers(kafka, (text) => console.error(`round ${round + 1} of ${rounds}: ${text}`));
    for (const { variant, topic, child } of clients) {
      await child.stdin.close();
      const { stdout } = await child.output();
      const said: Faults = JSON.parse(new TextDecoder().decode(stdout));
      let { missing, first, twice, disordered } = compare(await kafka.records(topic), said.acked);
      if (missing > 0) {
        console.error(`${nameOf(variant)}: ${missing} are missing at first, from ${first} of ${said.acked}`);
        await new Promise((resolve) => setTimeout(resolve, 10_000));
        ({ missing, first, twice, disordered } = compare(await kafka.records(topic), said.acked));
        console.error(`${nameOf(variant)}: ${missing} are missing for good, from ${first}`);
      }
      if (variant.client === "Weir") lost += missing + said.hangs;
      rows.push([
        nameOf(variant),
        ...[said.acked, missing, twice, disordered, said.failures, said.hangs, said.rejections].map(String),
        ...[said.longestGapMs, said.silentMs].map((ms) => (ms / 1000).toFixed(1)),
        said.lastError,
      ]);
    }
  }
  rows.sort(([a], [b]) => a! < b! ? -1 : a! > b! ? 1 : 0);
  const heads = ["", "acked", "lost", "twice", "disordered", "rejected", "hung", "unhandled"];
  console.log(
    "brokers killed in turn, then all of them for 30 s\n" +
      table([...heads, "longest gap s", "silent at end s", "last error"], rows) + "\n",
  );
  return lost === 0;
}

function start(told: Partial<Told>): Deno.ChildProcess {
  const all = { mode: "faults", batch: 100, seconds: 0, count: 0, ...told };
  return new Deno.Command(deno[0]!, {
    args: [...deno.slice(1), program, JSON.stringify(all)],
    ...{ stdin: "piped", stdout: "piped", stderr: "null" },
  }).spawn();
}

async function breakBrokers(kafka: RunningKafka, say: (text: string) => void): Promise<void> {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(3000);
  for (let i = 0; i < 3; i++) {
    say(`broker ${i + 1} is killed`);
    await kafka.kill(i);
    await pause(6000);
    await kafka.start(i);
    await pause(3000);
  }
  say("all brokers are killed");
  await Promise.all([0, 1, 2].map((i) => kafka.kill(i)));
  await pause(outageMs);
  say("all brokers start");
  for (let i = 0; i < 3; i++) await kafka.start(i);
  await pause(15_000);
}

/** Records are numbered from 0; `disordered` counts those that come after a greater one of their partition, duplicates apart. */
function compare(records: Awaited<ReturnType<RunningKafka["records"]>>, acked: number) {
  const seen = new Uint8Array(acked + 1000);
  const last = new Map<number, number>();
  let twice = 0;
  let disordered = 0;
  for (const { partition, value } of records) {
    const number = Number(new TextDecoder().decode(value));
    if (seen[number] === 1) {
      twice++;
      continue;
    }
    seen[number] = 1;
    if (number < (last.get(partition) ?? -1)) disordered++;
    last.set(partition, number);
  }
  let missing = 0;
  let first = -1;
  for (let i = 0; i < acked; i++) {
    if (seen[i] === 1) continue;
    missing++;
    if (first < 0) first = i;
  }
  return { missing, first, twice, disordered };
}

async function produce(kafka: RunningKafka, options: BenchOptions): Promise<void> {
  const all: Variant[] = (["none", "gzip", "snappy", "lz4", "zstd"] as const).flatMap((compression) =>
    (["kafkajs", "platformatic", "Weir"] as const).flatMap((client) =>
      client === "kafkajs" && !["none", "gzip"].includes(compression)
        ? []
        : [{ client, idempotent: true, compression }]
    )
  );
  let topics = 0;
  const contenders = all.map((variant) => ({
    name: nameOf(variant),
    async measure() {
      const topic = `produce-${topics++}`;
      await kafka.createTopic(topic, { partitions: 4, "retention.bytes": 64 << 20 });
      return await measure({ ...variant, mode: "produce", topic, batch: 2000 }, kafka, options);
    },
  }));
  const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
  show("sendBatch of 2000 × 512 bytes, acks=all", figures, failures);
}

async function consume(kafka: RunningKafka, options: BenchOptions): Promise<void> {
  const count = options.count ?? 400_000;
  for (const compression of ["none", "gzip"] as const) {
    const topic = `consume-${compression}`;
    await kafka.createTopic(topic, { partitions: 4 });
    const filler: Variant = { client: "platformatic", idempotent: true, compression };
    let full = 0;
    while (full < count) {
      await measure({ ...filler, mode: "produce", topic, batch: 2000 }, kafka, options);
      full = (await kafka.records(topic)).length;
    }
    const contenders = (["kafkajs", "platformatic"] as const).map((client) => ({
      name: nameOf({ client, idempotent: false, compression }),
      measure: () => measure({ ...filler, client, mode: "consume", topic, batch: 1, count }, kafka, options),
    }));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    show(`a group of one reads ${count} records, start included`, figures, failures);
  }
}

async function measure(told: Partial<Told>, kafka: RunningKafka, options: BenchOptions): Promise<Figures> {
  const all = { count: 0, brokers: kafka.brokers, seconds: options.seconds, ...told };
  const said = await runToEnd([...deno, program, JSON.stringify(all)], { timeoutMs: 120_000 });
  return JSON.parse(said.trim().split("\n").at(-1)!);
}

function show(
  title: string,
  figures: ReadonlyMap<string, readonly Figures[]>,
  failures: ReadonlyMap<string, string>,
): void {
  const of = (pick: (figures: Figures) => number) =>
    new Map([...figures].map(([name, rounds]) => [name, rounds.map(pick)] as const));
  console.log(ratioTable(title, "records/s", of(({ perSecond }) => perSecond)) + "\n");
  console.log(ratioTable(title, "µs of processor per record", of((each) => each.cpuMicroseconds)) + "\n");
  for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
}
