/**
 * A topic of Apache Kafka as the sink of a stream. Records of one key go to the partition that Kafka's own clients would
 * choose; those without a key of one batch go to one partition, those of the next batch to the next.
 *
 * ```
 * send(records) ─ choose_partitions ─ record_batch: bytes per partition ─ numbers ─ a request for each leader ─┐
 *      ▲                                                                                                      │
 *      └── all acknowledged, or the tries are over ◄── what was not: who leads now? again, the same bytes ◄───┘
 * ```
 *
 * A producer numbers its records, and brokers leave out what comes twice under the same numbers. So a batch of which nobody
 * knows whether it was written keeps them, in this `send` and in the next ones that bring the same records (former_call.ts).
 * Where other records come instead, or the brokers do not know the numbers any more, a new producer begins.
 *
 * Without `idempotent` there are no numbers, and what is sent again may be written twice.
 *
 * Refuses to keep records: what was not acknowledged stays where the caller has it. Writes no log lines on success.
 */
import type { StreamPlan } from "../../core/manifest/plan.ts";
import {
  type MakeSink,
  type OutgoingRecord,
  type Sink,
  SinkError,
  type SinkInit,
} from "../../core/stream/contract.ts";
import { BatchSender } from "./batch_sender.ts";
import { choosePartitions } from "./choose_partitions.ts";
import { type Compression, compressionOf } from "./compressions.ts";
import { brokerNames, connectionOptions } from "./connection_options.ts";
import { failureOf } from "./failure.ts";
import { FormerCall } from "./former_call.ts";
import { ProducerClient, type Topic } from "./producer_client.ts";
import { BatchEncoder, compressBatch } from "./record_batch.ts";
import { SinkBatch } from "./sink_batch.ts";
import { SinkCall } from "./sink_call.ts";

const acks = { all: -1, leader: 1, none: 0 } as const;

const connectMs = 5000;
/** How long a leader waits for its followers. */
const acksMs = 10_000;
/** Silence of a broker after which its connection is given up. */
const silenceMs = 15_000;
/** Age at which leaders are asked for again where nothing is wrong: for partitions that are new. */
const topicMs = 10_000;

/** Makes the sink of a stream whose plan has `kafka`. Throws TypeError where it has none, or no address of Kafka's. */
export const makeKafkaSink: MakeSink = (init) => {
  const { kafka } = init.plan;
  if (!kafka) throw new TypeError(`Cannot make a sink of streams.${init.name}: it has no kafka`);
  return new KafkaSink(init, kafka);
};

class KafkaSink implements Sink {
  readonly #init: SinkInit;
  readonly #plan: NonNullable<StreamPlan["kafka"]>;
  readonly #brokers: string;
  readonly #compression: Compression | undefined;
  #encoder = new BatchEncoder();
  #client: ProducerClient | undefined;
  readonly #sender: BatchSender;
  #former: FormerCall | undefined;
  #call: SinkCall | undefined;
  #closed = false;
  /** Partition of the next batch's records without a key. */
  #turn = Math.floor(Math.random() * 1024);

  constructor(init: SinkInit, plan: NonNullable<StreamPlan["kafka"]>) {
    this.#init = init;
    this.#plan = plan;
    this.#brokers = brokerNames(plan).join(", ");
    this.#compression = compressionOf(plan.compression);
    this.#sender = new BatchSender(plan.idempotent);
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.#closed) throw new SinkError("unavailable", `${this.#where()}: closed`);
    if (records.length === 0) return;
    const call = this.#call = new SinkCall(this.#init.timeoutMs);
    const batches: SinkBatch[] = [];
    try {
      await Promise.race([this.#deliver(call, records, batches), call.failed]);
      if (call.isOver) await call.failed;
      this.#former?.take(batches);
      const refused = batches.filter(({ state }) => state === "refused");
      if (refused.length > 0) throw this.#refusal(refused);
    } catch (error) {
      call.end();
      throw await this.#failed(error, records, batches);
    } finally {
      call.end();
    }
  }

  /** Adds to `batches` what it sends. Resolves when each is acknowledged or refused, or the call is over. */
  async #deliver(call: SinkCall, records: readonly OutgoingRecord[], batches: SinkBatch[]): Promise<void> {
    const client = this.#client ??= await this.#open(call);
    const topic = await call.until(() => this.#topicOf(client));
    if (!topic) return;
    const fresh = this.#resume(records, batches, topic.leaders.length);
    // One after the other: they may be of one partition.
    if (batches.length > 0) await this.#sender.bring(batches, call, client);
    if (call.isOver || fresh?.length === 0) return;
    const made = await this.#encode(records, topic.leaders.length, fresh);
    if (call.isOver) return;
    batches.push(...made);
    await this.#sender.bring(made, call, client);
  }

  async #open(call: SinkCall): Promise<ProducerClient> {
    const { timeoutMs, name } = this.#init;
    const { topic, idempotent } = this.#plan;
    const connection = await connectionOptions(this.#plan, `weir-${name}`);
    if (call.isOver) throw new Error("closed");
    return new ProducerClient({
      ...{ connection, topic, acks: idempotent ? acks.all : acks[this.#plan.acks] },
      acksMs: Math.min(timeoutMs, acksMs),
      silenceMs: Math.min(timeoutMs, silenceMs),
      connectMs: Math.min(timeoutMs, connectMs),
    });
  }

  async #topicOf(client: ProducerClient): Promise<Topic> {
    const { topic } = client;
    return topic && performance.now() - topic.at < topicMs ? topic : await client.refresh();
  }

  /** Adds batches of a former call; indexes of the records that are left, undefined for all. */
  #resume(
    records: readonly OutgoingRecord[],
    batches: SinkBatch[],
    count: number,
  ): readonly number[] | undefined {
    const former = this.#former;
    if (former?.had(records)) {
      const resumed = former.resume(records, count);
      batches.push(...resumed.batches);
      if (resumed.gaveUp || former.isUnsure) this.#sender.renew();
      return resumed.fresh;
    }
    if (former?.isUnsure) this.#sender.renew();
    this.#former = undefined;
    this.#turn = (this.#turn + 1) & 0x7fffffff;
    return undefined;
  }

  async #encode(
    records: readonly OutgoingRecord[],
    count: number,
    fresh: readonly number[] | undefined,
  ): Promise<SinkBatch[]> {
    const encoder = this.#encoder;
    encoder.begin();
    const parts = [...choosePartitions(records, count, this.#former?.turn ?? this.#turn, fresh)];
    const places = parts.map(([, members]) => encoder.add(records, members));
    const compression = this.#compression;
    return await Promise.all(parts.map(async ([partition, members], i) => {
      const plain = encoder.bytesOf(places[i]!);
      const bytes = compression ? await compressBatch(plain, compression) : plain;
      return new SinkBatch({ partition, bytes, records, members });
    }));
  }

  /** Keeps what a next call can go on with. */
  async #failed(
    error: unknown,
    records: readonly OutgoingRecord[],
    batches: readonly SinkBatch[],
  ): Promise<SinkError> {
    // What is kept has its bytes in there, and a compression may read in it still.
    this.#encoder = new BatchEncoder();
    if (batches.length > 0) (this.#former ??= new FormerCall(records, this.#turn)).take(batches);
    if (error instanceof SinkError) return error;
    await this.#giveUp(false);
    return new SinkError("unavailable", `${this.#where()}: ${failureOf(error).text}`, { cause: error });
  }

  #refusal(batches: readonly SinkBatch[]): SinkError {
    const { error } = batches.at(-1)!.refusal!;
    const refused = [...new Set(batches.flatMap((batch) => batch.blamed()))].sort((a, b) => a - b);
    const message = `${this.#where()}: ${failureOf(error).text}`;
    return new SinkError("refused", message, { cause: error, ...(refused.length > 0 ? { refused } : {}) });
  }

  async #giveUp(flush: boolean): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close(flush);
  }

  #where(): string {
    return `topic ${this.#plan.topic} of ${this.#brokers}`;
  }

  describe(): string[] {
    const { topic } = this.#plan;
    const known = this.#client?.topic;
    if (!known) return [`topic ${topic}`, `brokers ${this.#brokers}, not connected`];
    const brokers = [...known.brokers].map(([id, { host, port }]) => `${id} ${host}:${port}`);
    const orphans = known.leaders.filter((leader) => leader < 0).length;
    return [
      `topic ${topic}, ${known.leaders.length} partitions${
        orphans > 0 ? `, ${orphans} of them without a leader` : ""
      }`,
      `brokers ${brokers.join(", ")}`,
    ];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const busy = this.#call?.isOver === false;
    this.#call?.fail(new Error("closed"));
    await this.#giveUp(!busy);
  }
}
