/**
 * One Kafka client under load, for `bench/kafka_clients.ts`; its argument is JSON. `produce`: sends batches one after the
 * other for some seconds. `consume`: reads a full topic in a group. `faults`: sends numbered records until standard input
 * ends, each batch again until it is acknowledged, and says how many were.
 */
import process from "node:process";
import { Consumer, type MessageToProduce, type ProduceOptions, Producer } from "@platformatic/kafka";
import kafkajs from "kafkajs";
import type { Log } from "../../core/context.ts";
import type { StreamPlan } from "../../core/manifest/plan.ts";
import { makeKafkaSink } from "../../protocols/kafka/producer.ts";

/** What the parent asks for. */
export interface Told {
  client: "kafkajs" | "platformatic" | "Weir";
  mode: "produce" | "consume" | "faults";
  brokers: string[];
  topic: string;
  idempotent: boolean;
  compression: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  batch: number;
  seconds: number;
  count: number;
}

interface Client {
  /** `values[i]` gets the key `i`. */
  send(values: readonly Uint8Array[]): Promise<unknown>;
  consume(count: number): Promise<void>;
  close(): Promise<void>;
}

const told: Told = JSON.parse(Deno.args[0]!);
const keys = Array.from({ length: told.batch }, (_, i) => Buffer.from(`${i}`));
const clients = { kafkajs: clientOfKafkajs, platformatic: clientOfPlatformatic, Weir: sinkOfWeir };
const client: Client = await clients[told.client]();
let rejections = 0;
process.on("unhandledRejection", () => rejections++);
process.on("uncaughtException", () => rejections++);

const modes = { produce, consume, faults };
const figures = await modes[told.mode]();
console.log(JSON.stringify({ ...figures, rejections }));
await Promise.race([client.close(), pause(2000)]);
Deno.exit(0);

async function clientOfKafkajs(): Promise<Client> {
  Deno.env.set("KAFKAJS_NO_PARTITIONER_WARNING", "1");
  const { Kafka, logLevel } = kafkajs;
  const kafka = new Kafka({ clientId: "bench", brokers: told.brokers, logLevel: logLevel.NOTHING });
  const compression = told.compression === "gzip" ? 1 : 0;
  const { topic, idempotent } = told;
  const producer = kafka.producer({ idempotent });
  if (told.mode !== "consume") await producer.connect();
  const consumer = kafka.consumer({ groupId: `${topic}-${process.pid}`, maxWaitTimeInMs: 100 });
  return {
    send: (values) =>
      producer.send({
        ...{ topic, acks: -1, compression },
        messages: values.map((value, i) => ({ key: keys[i]!, value: value as Buffer })),
      }),
    async consume(count) {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await new Promise<void>((resolve, reject) => {
        let seen = 0;
        consumer.run({
          // deno-lint-ignore require-await -- the interface asks for a promise
          eachBatch: async ({ batch }) => {
            seen += batch.messages.length;
            if (seen >= count) resolve();
          },
        }).catch(reject);
      });
    },
    async close() {
      await producer.disconnect();
      await consumer.disconnect();
    },
  };
}

function clientOfPlatformatic(): Client {
  const { topic, idempotent, compression } = told;
  const base = { clientId: "bench", bootstrapBrokers: told.brokers };
  const options: ProduceOptions<Buffer, Buffer, Buffer, Buffer> = { idempotent, acks: -1, compression };
  const producer = new Producer({ ...base, ...options });
  const consumer = new Consumer({ ...base, groupId: `${topic}-${process.pid}`, maxWaitTime: 100 });
  return {
    send(values) {
      const messages: MessageToProduce[] = values.map((value, i) => ({
        ...{ topic, key: keys[i]!, value: value as Buffer },
      }));
      // The ones of the constructor are not heeded.
      return producer.send({ messages, acks: -1 });
    },
    async consume(count) {
      const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: true });
      let seen = 0;
      for await (const _message of stream) if (++seen >= count) break;
    },
    async close() {
      await producer.close();
      await consumer.close(true);
    },
  };
}

/** What streams write with, on the client of platformatic. */
function sinkOfWeir(): Client {
  const { topic, idempotent, compression } = told;
  const brokers = told.brokers.map((broker) => {
    const [hostname, port] = broker.split(":");
    return { transport: "tcp", hostname, port: Number(port) };
  });
  const kafka = { brokers, topic, acks: "all", compression, idempotent, tls: null, sasl: null };
  const plan = { kafka } as unknown as StreamPlan;
  const sink = makeKafkaSink({ name: "bench", plan, timeoutMs: 30_000, log: console as unknown as Log });
  const rest = { lane: "w1", headers: {} };
  let next = 1;
  return {
    /** What failed comes again under the same sequences, as the shipper does it. */
    async send(values) {
      await sink.send(
        values.map((value, i) => ({
          ...{ ...rest, sequence: next + i, timestamp: Date.now(), key: keys[i]!, value },
        })),
      );
      next += values.length;
    },
    consume: () => Promise.reject(new Error("a sink does not read")),
    close: () => sink.close(),
  };
}

/** Texts of 512 bytes that differ, and shrink to about a third. */
function texts(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    let text = `{"id":"${crypto.randomUUID()}","user":${i},"path":"/api/v1/decisions/${
      i % 97
    }","at":${Date.now()}`;
    while (text.length < 460) text += `,"flag${text.length}":${(i * text.length) % 1009}`;
    return Buffer.from((text + '","tail":"' + "x".repeat(512)).slice(0, 510) + '"}');
  });
}

async function produce() {
  const values = texts(told.batch);
  for (let i = 0; i < 5; i++) await client.send(values);
  const before = process.cpuUsage();
  const start = performance.now();
  let sent = 0;
  while (performance.now() - start < told.seconds * 1000) {
    await client.send(values);
    sent += values.length;
  }
  return perRecord(sent, performance.now() - start, before);
}

async function consume() {
  const before = process.cpuUsage();
  const start = performance.now();
  await client.consume(told.count);
  return perRecord(told.count, performance.now() - start, before);
}

function perRecord(count: number, ms: number, before: NodeJS.CpuUsage) {
  const { user, system } = process.cpuUsage(before);
  return { perSecond: count / ms * 1000, cpuMicroseconds: (user + system) / count };
}

async function faults() {
  let ended = false;
  (async () => {
    for await (const _chunk of Deno.stdin.readable) { /* until it ends */ }
    ended = true;
  })();
  const found = { acked: 0, failures: 0, hangs: 0, longestGapMs: 0, lastError: "" };
  let ackedAt = performance.now();
  let next = 0;
  while (!ended) {
    const values = Array.from({ length: told.batch }, (_, i) => Buffer.from(`${next + i}`));
    const outcome = await Promise.race([
      client.send(values).then(() => "acked", (error: Error) => error),
      pause(90_000).then(() => "hangs"),
    ]);
    if (outcome === "acked") {
      found.acked = next += told.batch;
      found.longestGapMs = Math.max(found.longestGapMs, performance.now() - ackedAt);
      ackedAt = performance.now();
      await pause(5);
    } else if (outcome === "hangs") {
      found.hangs++;
    } else {
      found.failures++;
      found.lastError = deepest(outcome as Error);
      await pause(200);
    }
  }
  // What follows the end shows whether it came back by itself.
  return { ...found, silentMs: performance.now() - ackedAt };
}

function deepest(error: Error): string {
  let inner = error as Error & { errors?: Error[] };
  for (let i = 0; i < 8; i++) inner = (inner.errors?.[0] ?? inner.cause ?? inner) as typeof inner;
  return `${inner.name}: ${inner.message}`.slice(0, 160);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
