/** A service in this process with one kafka listener, and a producer that this project did not write. */
import { Buffer } from "node:buffer";
import { Producer } from "@platformatic/kafka";
import { systemClock } from "../../../core/clock.ts";
import { createLogging, type Logging } from "../../../core/log/mod.ts";
import { localStatsMemory, readSeries, type StatsMemory } from "../../../core/stats/mod.ts";
import { compileToRun } from "../../../core/supervisor/run.ts";
import { startWorker, type Worker } from "../../../core/worker/worker.ts";
import { protocols, serverFilters } from "../../../protocols.ts";
import { resetControl } from "./handlers.ts";

export const handlers: string = new URL("./handlers.ts", import.meta.url).pathname;
export const range = { from: 23_000, to: 23_500 };

/** A record to produce; `value` as JSON unless it is text or null. */
export interface Sent {
  partition?: number;
  key?: string;
  value: unknown;
  headers?: Record<string, string>;
}

/** Sends in batches of 1000, in order, to partition 0 unless said otherwise. */
export async function produce(brokers: readonly string[], topic: string, records: readonly Sent[]): Promise<void> {
  const producer = new Producer({ clientId: "test", bootstrapBrokers: [...brokers], idempotent: true,
    // the library does not ask for leaders again when a broker says that it is none
    metadataMaxAge: 300, retries: 20, retryDelay: 200 });
  try {
    for (let at = 0; at < records.length; at += 1000) {
      const messages = records.slice(at, at + 1000).map(({ partition = 0, key, value, headers }) => ({
        ...{ topic, partition },
        ...(key === undefined ? {} : { key: Buffer.from(key) }),
        ...(value === null
          ? {}
          : { value: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)) }),
        headers: new Map(Object.entries(headers ?? {}).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
      }));
      await producer.send({ messages: messages as never, acks: -1 });
    }
  } finally {
    await producer.close();
  }
}

/** A worker of this process; dispose of it to drain it. */
export class KafkaService implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #memory: StatsMemory;
  readonly #logging: Logging;
  readonly folder: string;
  #over: Promise<void> | undefined;

  private constructor(worker: Worker, memory: StatsMemory, logging: Logging, folder: string) {
    this.#worker = worker;
    this.#memory = memory;
    this.#logging = logging;
    this.folder = folder;
  }

  /** `keys` of the listener `events`, beside protocol, handler and dead letters; `parts` of the manifest. */
  static async start(keys: Record<string, unknown>, parts: Record<string, unknown> = {}): Promise<KafkaService> {
    resetControl();
    const folder = await Deno.makeTempDir({ prefix: "weir-kafka-listener-" });
    const { plan, diagnostics } = compileToRun({
      service: "kafka-test",
      logs: {
        level: "debug",
        sinks: { access: { file: `${folder}/access.log` }, log: { file: `${folder}/log` } },
        routes: [
          { match: "access.*", to: ["access"], only: true },
          { match: "**", to: ["log"], only: Deno.env.get("KAFKA_TEST_LOG") === undefined },
        ],
      },
      listeners: {
        events: { protocol: "kafka", handler: handlers, session: "6s", deadLetters: `${folder}/dead`, ...keys },
      },
      ...parts,
    });
    if (!plan) throw new Error(JSON.stringify(diagnostics));
    const memory = localStatsMemory(1);
    const logging = createLogging(plan.logs, {
      process: { service: "kafka-test", role: "worker", id: 1, pid: Deno.pid },
      clock: systemClock,
    });
    const place = { id: 1, slot: 0, generation: 1, alone: true };
    const worker = await startWorker({ plan, ...place, protocols, filters: serverFilters, memory, logging });
    return new KafkaService(worker, memory, logging, folder);
  }

  /** The sum of a series over its labels, as the pages show it; NaN where there is none. */
  figure(name: string, labels: Record<string, string> = {}): number {
    const rows = readSeries(this.#memory, { only: (one) => one === name })
      .filter((row) => Object.entries(labels).every(([label, value]) => row.labels[label] === value));
    return rows.length === 0 ? NaN : rows.reduce((sum, { value }) => sum + value, 0);
  }

  /** Everything it has logged, but for access lines. */
  log(): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/log`);
    } catch (error) {
      // Nothing yet.
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** Lines of the dead-letter file; none where there is no file. */
  async dead(): Promise<Array<Record<string, unknown>>> {
    try {
      const text = await Deno.readTextFile(`${this.folder}/dead/events.jsonl`);
      return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** Drains; the second time it only waits for that. */
  stop(): Promise<void> {
    return this.#over ??= this.#stop();
  }

  async #stop(): Promise<void> {
    await this.#worker.drain({ keepAcceptingMs: 0, drainMs: 20_000, steer: null });
    await this.#worker.close();
    await this.#logging.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Resolves once `holds` does; rejects after `limitMs`, naming `what`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
