/**
 * Workers, shipper and brokers are killed one after the other while clients send; every record that the service said it
 * has must be where it was to go. One run, for the tests (short) and for the bench (long).
 */
import type { RunningKafka } from "../kafka.ts";
import { type Delivery, deliveryOf, startSenders } from "./stream_senders.ts";
import { backwards, StreamService, unbalanced } from "./stream_service.ts";

/** What to do how often. */
export interface KillsOptions {
  /** Where records go: a cluster with the topic `records`, or a file. */
  kafka?: RunningKafka;
  /** SIGKILLs of workers and shipper together. */
  kills: number;
  /** Broker restarts (SIGKILL and start) among them; none without `kafka`. */
  brokerKills?: number;
  brokers?: number;
  /** Pause between two, ms. */
  everyMs: number;
  clients: number;
  /** Records of one request. */
  count: number;
  bytes: number;
  /** Most records per second. */
  rate: number;
  sync?: string;
  onProgress?: (text: string) => void;
}

/** What came of it. */
export interface KillsFigures extends Delivery {
  acknowledged: number;
  unknown: number;
  killed: { worker: number; shipper: number; broker: number };
  /** Scrapes; those at which the sum was wrong; totals that went back. */
  scrapes: number;
  unbalanced: string[];
  backwards: string[];
  /** Records still queued at the end, where there should be none. */
  queued: number;
  failed: number;
  /** From the end of the load to an empty spool, ms. */
  drainedMs: number;
  /** Lanes that were left in the spool at the end although nobody writes them. */
  exitCode: number;
}

/** Runs it. */
export async function streamKills(options: KillsOptions): Promise<KillsFigures> {
  const { kafka, kills, brokerKills = 0, everyMs, onProgress = () => {} } = options;
  const sink = kafka
    ? { kafka: { brokers: [...kafka.brokers], topic: "records", compression: "none" } }
    : { file: "./records.jsonl" };
  await using service = await StreamService.start({
    stream: { ...sink, spool: { sync: options.sync ?? "1s" }, batch: { wait: "5ms" } },
    workers: { count: 2 },
  });
  await service.until("the shipper tells figures", () => true, 30_000);
  service.watch(100);
  const senders = startSenders({ port: service.port, ...pick(options) });
  const killed = { worker: 0, shipper: 0, broker: 0 };
  const brokers = kafka?.brokers.length ?? 0;
  const brokerEvery = brokerKills > 0 ? Math.max(1, Math.floor(kills / brokerKills)) : Infinity;
  for (let n = 1; n <= kills; n++) {
    await new Promise((resolve) => setTimeout(resolve, everyMs * (0.5 + Math.random())));
    const role = n % 2 === 0 ? "worker" : "shipper";
    const pids = await service.weir.until(`a ${role} is ready`, async () => {
      const ready = await service.pids(role);
      return ready.length > 0 ? ready : undefined;
    }, 60_000);
    Deno.kill(pids[Math.floor(Math.random() * pids.length)]!, "SIGKILL");
    killed[role]++;
    if (kafka && n % brokerEvery === 0) {
      const index = killed.broker % brokers;
      await kafka.kill(index);
      killed.broker++;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      await kafka.start(index);
    }
    onProgress(`${n} of ${kills} kills, ${senders.sent.acknowledged.length} records acknowledged`);
  }
  const sent = await senders.stop();
  const stoppedAt = performance.now();
  const last = await service.until("the spool is empty", ({ queued }) => queued === 0, 180_000);
  const drainedMs = performance.now() - stoppedAt;
  await service.unwatch();
  const exitCode = await service.weir.stop();
  const arrived = kafka
    ? (await kafka.records("records")).map(({ value }) => numberOf(new TextDecoder().decode(value)))
    : (await Deno.readTextFile(`${service.weir.folder}/records.jsonl`)).split("\n").filter((line) =>
      line !== ""
    )
      .map(numberOf);
  return {
    ...deliveryOf(sent.acknowledged, arrived),
    acknowledged: sent.acknowledged.length,
    unknown: sent.unknown,
    killed,
    scrapes: service.scrapes.length,
    unbalanced: unbalanced(service.scrapes),
    backwards: backwards(service.scrapes),
    queued: last.queued,
    failed: last.failed,
    drainedMs,
    exitCode,
  };
}

function pick({ clients, count, bytes, rate }: KillsOptions) {
  return { clients, count, bytes, rate };
}

/** The number of a record, also of one whose text a killed writer left half-written: then NaN. */
function numberOf(text: string): number {
  return Number(/^\{"n":(\d+),/.exec(text)?.[1] ?? NaN);
}
