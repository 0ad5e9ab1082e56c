/**
 * A topic of Apache Kafka as the sink of a stream. Records of one key go to the partition that Kafka's own clients would
 * choose; those without a key of one batch go to one partition, those of the next batch to the next.
 *
 * A producer numbers its records, and brokers leave out what came twice by its numbers; within one `send` it tries again
 * under the same numbers. A `send` that failed may have written some of its records, and the next one may hold others:
 * under the same numbers these would be taken for the old ones and lost. So a producer that failed is given up, and the
 * next `send` begins with a new one.
 *
 * Without `idempotent` some acknowledged records were missing after brokers had been killed (`bench kafka-clients`);
 * with it none were.
 *
 * Refuses to keep records: what was not acknowledged stays where the caller has it. Writes no log lines on success.
 */
import { Buffer } from "node:buffer";
import { type CompressionAlgorithmValue, type MessageToProduce, Producer } from "@platformatic/kafka";
import type { StreamPlan } from "../../core/manifest/plan.ts";
import {
  type MakeSink,
  type OutgoingRecord,
  type Sink,
  SinkError,
  type SinkInit,
} from "../../core/stream/contract.ts";
import { brokerNames, connectionOptions } from "./connection_options.ts";
import { type Failure, failureOf } from "./failure.ts";
import { murmur2 } from "./murmur2.ts";

const acks = { all: -1, leader: 1, none: 0 } as const;

/** Answers that no second try changes, because they are about a record. */
const refusals = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP"];

/** About 12 s of tries: longer than brokers take to choose another leader for a dead one (`broker.session.timeout.ms`). */
const retries = 14;
const firstRetryMs = 100;
const longestRetryMs = 1000;
const connectMs = 5000;
/** How long a leader waits for its followers. */
const acksMs = 10_000;
/** Silence of a broker after which its connection is given up. */
const silenceMs = 15_000;
/** Age at which leaders are asked for again; the client does not ask when a broker says that it is none any more. */
const metadataMs = 1000;
const longestStretchMs = 2 ** 31;
const closeMs = 1000;

/** The header that says which record it is, so that repeats can be told: `<lane>/<sequence>`. */
const identityName = Buffer.from("weir-id");

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
  readonly #closing = Promise.withResolvers<never>();
  #producer: Producer | undefined;
  #closed = false;
  /** Why the client tries again, within this `send`. */
  #trouble: unknown;
  /** Ends this `send` where another try is of no use. */
  #end: (cause: unknown) => void = () => {};
  /** Partition of the next batch's records without a key. */
  #turn = Math.floor(Math.random() * 1024);

  constructor(init: SinkInit, plan: NonNullable<StreamPlan["kafka"]>) {
    this.#init = init;
    this.#plan = plan;
    this.#brokers = brokerNames(plan).join(", ");
    this.#closing.promise.catch(() => {});
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.#closed) throw new SinkError("unavailable", `${this.#where()}: closed`);
    if (records.length === 0) return;
    const messages = this.#messagesOf(records);
    const { timeoutMs } = this.#init;
    const ended = Promise.withResolvers<never>();
    const turn = { over: false };
    this.#trouble = undefined;
    this.#end = ended.reject;
    const late = () => ended.reject(this.#trouble ?? new Error(`no acknowledgement within ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    try {
      await Promise.race([this.#produce(messages, turn), ended.promise, this.#closing.promise]);
    } catch (error) {
      turn.over = true;
      const found = this.#errorOf(error, messages);
      await this.#giveUp();
      throw found;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A request for each partition: the client sends a request again to the leader of its first record, so others would
   * never reach a leader of their own once leaders have changed.
   */
  async #produce(messages: readonly MessageToProduce[], turn: { readonly over: boolean }): Promise<void> {
    if (!this.#producer) {
      const producer = await this.#open();
      if (turn.over) return;
      this.#producer = producer;
    }
    const producer = this.#producer;
    const { topic } = this.#plan;
    for (const stretch of stretchesOf(messages)) {
      const { topics } = await producer.metadata({ topics: [topic], autocreateTopics: true });
      if (turn.over) return;
      const parts = partsOf(stretch, topics.get(topic)!.partitionsCount);
      const outcomes = await Promise.allSettled(parts.map((part) => producer.send({ messages: part })));
      const failures = outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) =>
        reason
      );
      if (failures.length > 0) throw new AggregateError(failures);
      if (turn.over) return;
    }
  }

  async #open(): Promise<Producer> {
    const { timeoutMs, name } = this.#init;
    const options = await connectionOptions(this.#plan, `weir-${name}`);
    if (this.#closed) throw new Error("closed");
    return new Producer({
      ...options,
      acks: acks[this.#plan.acks],
      idempotent: this.#plan.idempotent,
      compression: this.#plan.compression as CompressionAlgorithmValue,
      autocreateTopics: true,
      retries,
      retryDelay: (_client, _operation, attempt, _retries, error) => {
        this.#trouble = error;
        // Repeated, it would lock the account.
        if (failureOf(error).codes.has("PLT_KFK_AUTHENTICATION")) this.#end(error);
        return Math.min(longestRetryMs, firstRetryMs * 2 ** (attempt - 1));
      },
      connectTimeout: Math.min(timeoutMs, connectMs),
      timeout: Math.min(timeoutMs, acksMs),
      metadataMaxAge: metadataMs,
      requestTimeout: Math.min(timeoutMs, silenceMs),
    });
  }

  #messagesOf(records: readonly OutgoingRecord[]): MessageToProduce[] {
    const { topic } = this.#plan;
    const turn = this.#turn = (this.#turn + 1) & 0x7fffffff;
    const messages: MessageToProduce[] = new Array(records.length);
    for (let i = 0; i < records.length; i++) {
      const { key, value, timestamp } = records[i]!;
      messages[i] = {
        topic,
        // Taken modulo the number of partitions.
        partition: key === null ? turn : murmur2(key),
        key: key === null ? undefined : bufferOf(key),
        value: bufferOf(value),
        headers: headersOf(records[i]!),
        timestamp: BigInt(Math.trunc(timestamp)),
      };
    }
    return messages;
  }

  /** A client that does not come to its end is left behind; what it still says is nobody's. */
  async #giveUp(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    if (!producer) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeMs);
    });
    await Promise.race([Promise.resolve(producer.close(true)).catch(() => {}), patience]);
    clearTimeout(timer);
  }

  #errorOf(error: unknown, messages: readonly MessageToProduce[]): SinkError {
    const failure = failureOf(error);
    const message = `${this.#where()}: ${failure.text}`;
    if (!refusals.some((code) => failure.codes.has(code))) {
      return new SinkError("unavailable", message, { cause: error });
    }
    const partitions = this.#producer?.currentMetadata?.topics.get(this.#plan.topic)?.partitionsCount;
    const refused = partitions === undefined ? [] : refusedOf(failure, messages, partitions);
    return new SinkError("refused", message, { cause: error, ...(refused.length > 0 ? { refused } : {}) });
  }

  #where(): string {
    return `topic ${this.#plan.topic} of ${this.#brokers}`;
  }

  describe(): string[] {
    const { topic } = this.#plan;
    const metadata = this.#producer?.currentMetadata;
    const known = metadata?.topics.get(topic);
    if (!metadata || !known) return [`topic ${topic}`, `brokers ${this.#brokers}, not connected`];
    const brokers = [...metadata.brokers].map(([id, { host, port }]) => `${id} ${host}:${port}`);
    const orphans = known.partitions.filter(({ leader }) => leader < 0).length;
    return [
      `topic ${topic}, ${known.partitionsCount} partitions${
        orphans > 0 ? `, ${orphans} of them without a leader` : ""
      }`,
      `brokers ${brokers.join(", ")}`,
    ];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.reject(new Error("closed"));
    await this.#giveUp();
  }
}

/**
 * Mostly one. The client writes timestamps as differences to the first one of a request, and writes differences of 2^31 ms
 * and more wrongly.
 */
function stretchesOf(messages: readonly MessageToProduce[]): Array<readonly MessageToProduce[]> {
  const stretches: Array<readonly MessageToProduce[]> = [];
  let begin = 0;
  let least = Infinity;
  let most = -Infinity;
  for (let i = 0; i < messages.length; i++) {
    const at = Number(messages[i]!.timestamp);
    if (at < least) least = at;
    if (at > most) most = at;
    if (most - least < longestStretchMs) continue;
    stretches.push(messages.slice(begin, i));
    begin = i;
    least = at;
    most = at;
  }
  stretches.push(begin === 0 ? messages : messages.slice(begin));
  return stretches;
}

/** The messages of each partition, in their order. */
function partsOf(messages: readonly MessageToProduce[], count: number): MessageToProduce[][] {
  const parts = new Map<number, MessageToProduce[]>();
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i]!;
    const index = message.partition! % count;
    const part = parts.get(index);
    if (part) part.push(message);
    else parts.set(index, [message]);
  }
  return [...parts.values()];
}

/** Indexes of the records that brokers named, and of records that were alone in a batch that was refused. */
function refusedOf({ responses }: Failure, messages: readonly MessageToProduce[], count: number): number[] {
  const refused = new Set<number>();
  for (const { responses: topics } of responses) {
    for (const { index, errorCode, recordErrors } of topics?.[0]?.partitionResponses ?? []) {
      if (errorCode === 0) continue;
      const members: number[] = [];
      messages.forEach(({ partition }, i) => partition! % count === index && members.push(i));
      if (members.length === 1) refused.add(members[0]!);
      for (const { batchIndex } of recordErrors ?? []) {
        const member = members[batchIndex];
        if (member !== undefined) refused.add(member);
      }
    }
  }
  return [...refused].sort((a, b) => a - b);
}

function headersOf({ lane, sequence, headers }: OutgoingRecord): Map<Buffer, Buffer> {
  const found = new Map<Buffer, Buffer>();
  for (const name in headers) found.set(Buffer.from(name), Buffer.from(headers[name]!));
  return found.set(identityName, Buffer.from(`${lane}/${sequence}`));
}

/** The same bytes, not a copy. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
