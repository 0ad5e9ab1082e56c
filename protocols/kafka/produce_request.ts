/**
 * The request that brings record batches to the leader of their partitions, and what it answers to each: versions 3 to 11 of
 * Produce, whose answers the client library reads. Sends once and decides nothing.
 *
 * ```
 * request = transactional id (null) · i16 acks · i32 timeout ms · [topic · [i32 partition · records]]
 * ```
 *
 * Up to version 8 lengths have 32 bits (of texts: 16); from 9 on they are varints plus one, and tagged fields, of which there
 * are none, end every structure (KIP-482).
 */
import * as kafka from "@platformatic/kafka";
import { Buffer } from "node:buffer";

/** What goes to one partition. */
export interface ProducedBatch {
  readonly partition: number;
  readonly bytes: Buffer;
}

/** What a broker says to one partition. */
export interface ProducedAnswer {
  /** 0 where the records are written. */
  readonly errorCode: number;
  readonly errorMessage: string | null;
  /** Places within the batch of records that are to blame. */
  readonly blamed: readonly number[];
}

export interface ProduceOptions {
  /** Of Produce, as both sides know it. */
  readonly version: number;
  readonly topic: string;
  readonly acks: number;
  /** Longest wait of the leader for its followers, ms. */
  readonly timeoutMs: number;
}

type Response = {
  responses: Array<{
    partitionResponses: Array<{
      index: number;
      errorCode: number;
      errorMessage?: string | null;
      recordErrors?: Array<{ batchIndex: number }>;
    }>;
  }>;
};
type Module = { parseResponse: Parameters<kafka.Connection["send"]>[3] };

const produceKey = 0;
const firstFlexible = 9;
const written: ProducedAnswer = { errorCode: 0, errorMessage: null, blamed: [] };

/**
 * Answers by partition; one that is missing was not answered. Without acks all are written as soon as they are sent. Rejects
 * where the request got no answer: then nobody knows. Copies the bytes before it returns.
 */
export function produce(
  connection: kafka.Connection,
  batches: readonly ProducedBatch[],
  options: ProduceOptions,
): Promise<Map<number, ProducedAnswer>> {
  const { version, acks } = options;
  const module = (kafka as unknown as Record<string, Module>)[`produceV${version}`]!;
  const flexible = version >= firstFlexible;
  return new Promise((resolve, reject) => {
    connection.send(
      produceKey,
      version,
      () => requestOf(batches, options),
      module.parseResponse,
      flexible,
      flexible,
      (error: Error | null, response: unknown) => {
        const whole = (error === null ? response : (error as { response?: unknown }).response) as Response;
        if (acks === 0 && error === null) {
          resolve(new Map(batches.map(({ partition }) => [partition, written])));
        } else if (whole?.responses) resolve(answersOf(whole));
        else reject(error ?? new Error("The broker gave no answer"));
      },
    );
  });
}

function requestOf(batches: readonly ProducedBatch[], options: ProduceOptions): kafka.Writer {
  const { version, topic, acks, timeoutMs } = options;
  const flexible = version >= firstFlexible;
  const writer = kafka.Writer.create().appendString(null, flexible).appendInt16(acks).appendInt32(timeoutMs)
    .appendArray(
      [topic],
      (writer, name) =>
        void writer.appendString(name, flexible).appendArray(
          batches as ProducedBatch[],
          (writer, { partition, bytes }) => void writer.appendInt32(partition).appendBytes(bytes, flexible),
          ...[flexible, flexible] as const,
        ),
      ...[flexible, flexible] as const,
    );
  if (flexible) writer.appendTaggedFields();
  if (acks === 0) writer.context.noResponse = true;
  return writer;
}

function answersOf({ responses }: Response): Map<number, ProducedAnswer> {
  const answers = new Map<number, ProducedAnswer>();
  for (
    const { index, errorCode, errorMessage = null, recordErrors } of responses[0]?.partitionResponses ?? []
  ) {
    const blamed = recordErrors?.map(({ batchIndex }) => batchIndex) ?? [];
    answers.set(index, errorCode === 0 ? written : { errorCode, errorMessage, blamed });
  }
  return answers;
}
