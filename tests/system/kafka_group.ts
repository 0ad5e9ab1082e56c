/**
 * A consumer group of some workers reads a topic to its end while one worker is killed and another leaves and comes back
 * (a rebalance). What each worker had is written down by its handler; see testdata/group_handlers.ts.
 */
import { Producer } from "@platformatic/kafka";
import type { RunningKafka } from "../kafka.ts";
import { freePort } from "./free_port.ts";
import { WeirProcess } from "./weir_process.ts";

const handlers = new URL("./testdata/group_handlers.ts", import.meta.url).pathname;

/** What to read, by whom. */
export interface GroupOptions {
  kafka: RunningKafka;
  topic: string;
  records: number;
  workers: number;
  /** `batch` of the listener. */
  batch: number;
  /** Longest time for all of it, ms. */
  limitMs: number;
  onProgress?: (text: string) => void;
}

/** What came of it. */
export interface GroupFigures {
  records: number;
  /** Records that no worker had; must be 0. */
  missing: number;
  /** Times that a record was had again. */
  repeated: number;
  /** Of these, the most that the end of one worker explains: what it had in hand and not yet committed. */
  killed: number;
  restarted: number;
  /** From the start of the service to the last record, ms. */
  tookMs: number;
  lagAtEnd: number;
}

/** Writes `count` numbered records to a topic. */
export async function fillTopic(
  kafka: RunningKafka,
  topic: string,
  count: number,
  bytes: number,
): Promise<void> {
  const producer = new Producer({
    clientId: "tests",
    bootstrapBrokers: [...kafka.plainBrokers],
    autocreateTopics: false,
  });
  const encoder = new TextEncoder();
  const pad = "x".repeat(bytes);
  try {
    for (let from = 0; from < count; from += 2000) {
      const messages = Array.from({ length: Math.min(2000, count - from) }, (_, i) => ({
        topic,
        key: encoder.encode(String(from + i)) as unknown as Buffer,
        value: encoder.encode(`{"n":${from + i},"pad":"${pad}"}`) as unknown as Buffer,
      }));
      await producer.send({ messages });
    }
  } finally {
    await producer.close();
  }
}

/** Runs it; the topic is full already. */
export async function kafkaGroup(options: GroupOptions): Promise<GroupFigures> {
  const { kafka, topic, records, workers, batch, limitMs, onProgress = () => {} } = options;
  const seenFolder = await Deno.makeTempDir({ prefix: "weir-seen-" });
  Deno.env.set("WEIR_TEST_SEEN", seenFolder);
  const metaPort = freePort();
  const startedAt = performance.now();
  try {
    await using weir = await WeirProcess.start({
      manifest: {
        service: "group",
        workers: { count: workers, drain: "20s" },
        listeners: {
          events: {
            protocol: "kafka",
            brokers: [...kafka.brokers],
            topic,
            group: `${topic}-group`,
            handler: `${handlers}#${batch > 1 ? "many" : "one"}`,
            batch,
            session: "6s",
            deadline: "10s",
          },
        },
        meta: { listen: `127.0.0.1:${metaPort}` },
        logs: { routes: [{ match: "access.**", level: "error", to: ["console"], only: true }] },
      },
    });
    const seenCount = () => {
      let bytes = 0;
      for (const { name } of Deno.readDirSync(seenFolder)) {
        bytes += Deno.statSync(`${seenFolder}/${name}`).size;
      }
      return bytes / 4;
    };
    const reach = (share: number) =>
      weir.until(`${Math.round(share * 100)} % are read`, () => seenCount() >= records * share, limitMs);
    await reach(0.25);
    onProgress(`a quarter after ${Math.round(performance.now() - startedAt)} ms: a worker is killed`);
    const [victim] = await weir.workers();
    Deno.kill(victim!.pid, "SIGKILL");
    await reach(0.5);
    onProgress(`half after ${Math.round(performance.now() - startedAt)} ms: a worker leaves and comes back`);
    const others = await weir.until("all workers are back", async () => {
      const ready = await weir.workers();
      return ready.length === workers ? ready : undefined;
    }, limitMs);
    await weir.command({ type: "restartWorker", id: others.at(-1)!.id });
    await weir.until("every record was read", () => {
      if (seenCount() < records) return false;
      return distinct(seenFolder, records).missing === 0;
    }, limitMs);
    const tookMs = performance.now() - startedAt;
    onProgress(`all after ${Math.round(tookMs)} ms`);
    const lagAtEnd = await weir.until("the lag is 0", async () => {
      const text = await (await fetch(`http://127.0.0.1:${metaPort}/metrics`)).text();
      const lags = [...text.matchAll(/^weir_kafka_lag_records\{[^}]*\} (\S+)$/gm)].map(([, value]) =>
        Number(value)
      );
      const lag = lags.reduce((sum, value) => sum + value, 0);
      return lags.length > 0 && lag === 0 ? { lag } : undefined;
    }, 60_000);
    await weir.stop();
    const { missing, repeated } = distinct(seenFolder, records);
    return { records, missing, repeated, killed: 1, restarted: 1, tookMs, lagAtEnd: lagAtEnd.lag };
  } finally {
    Deno.env.delete("WEIR_TEST_SEEN");
    await Deno.remove(seenFolder, { recursive: true });
  }
}

/** Which of the numbers below `records` stand in the files of a folder. */
function distinct(folder: string, records: number): { missing: number; repeated: number } {
  const times = new Uint8Array(records);
  let total = 0;
  for (const { name } of Deno.readDirSync(folder)) {
    const bytes = Deno.readFileSync(`${folder}/${name}`);
    const numbers = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
    total += numbers.length;
    for (const n of numbers) times[n]!++;
  }
  let missing = 0;
  for (const count of times) if (count === 0) missing++;
  return { missing, repeated: total - (records - missing) };
}
