/**
 * Brings batches to the leaders of their partitions, and again where that failed, until each is acknowledged or refused or
 * the call is over: the same bytes under the same numbers, so that a copy that arrived already is left out. Each group of
 * batches of one leader goes its own way, so that a broker that hangs does not hold up the others. What no other try changes
 * ends the call.
 *
 * A broker that does not know what came before the numbers of a batch has not written it: it goes on under a new producer.
 * Only where a broker forgot a producer altogether, which takes a day (`producer.id.expiration.ms`), could it have both.
 */
import { ProtocolError } from "@platformatic/kafka";
import type { ProducedAnswer } from "./produce_request.ts";
import type { ProducerClient } from "./producer_client.ts";
import { noNumbers, Numbers, type SinkBatch } from "./sink_batch.ts";
import type { SinkCall } from "./sink_call.ts";

/** Answers that no second try changes, because they are about a record. */
const refusals = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_RECORD",
  "INVALID_TIMESTAMP",
]);
/** It is written already. */
const duplicate = "DUPLICATE_SEQUENCE_NUMBER";
/** The numbers that came before these are not known there. */
const numbersLost = new Set([
  ...["OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID", "INVALID_PRODUCER_EPOCH"],
  ...["INVALID_PRODUCER_ID_MAPPING", "PRODUCER_FENCED"],
]);

export class BatchSender {
  readonly #idempotent: boolean;
  /** Those that new batches get. */
  #numbers: Numbers | undefined;
  #renewing: Promise<Numbers> | undefined;

  constructor(idempotent: boolean) {
    this.#idempotent = idempotent;
  }

  /** Batches that have no numbers yet get those of a new producer: some of this one's may be written that nobody knows of. */
  renew(): void {
    this.#numbers = undefined;
  }

  /** See the file's header; not more than one batch of a partition. Never rejects: the call does. */
  async bring(batches: readonly SinkBatch[], call: SinkCall, client: ProducerClient): Promise<void> {
    await this.#bring(call, client, batches, 1);
  }

  async #bring(
    call: SinkCall,
    client: ProducerClient,
    batches: readonly SinkBatch[],
    tries: number,
  ): Promise<void> {
    if (batches.some(({ numbers }) => !numbers)) await call.until(() => this.#number(client, batches));
    if (call.isOver) return;
    const groups = new Map<number, SinkBatch[]>();
    for (const batch of batches) {
      const leader = client.topic?.leaders[batch.partition] ?? -1;
      const group = groups.get(leader);
      if (group) group.push(batch);
      else groups.set(leader, [batch]);
    }
    await Promise.all(
      [...groups].map(([leader, group]) => this.#bringTo(leader, call, client, group, tries)),
    );
  }

  async #bringTo(
    leader: number,
    call: SinkCall,
    client: ProducerClient,
    batches: readonly SinkBatch[],
    tries: number,
  ): Promise<void> {
    let trouble: unknown = new ProtocolError("LEADER_NOT_AVAILABLE");
    let left = batches;
    if (leader >= 0) {
      try {
        for (const batch of batches) batch.tries++;
        const answers = await client.produce(leader, batches);
        left = batches.filter((batch) => {
          const found = this.#settle(call, batch, answers.get(batch.partition));
          trouble = found ?? trouble;
          return found !== undefined;
        });
      } catch (error) {
        trouble = error;
        left = batches.filter(({ state }) => state === "open");
      }
    }
    if (left.length === 0 || !await call.again(trouble, tries)) return;
    await client.refresh().catch(() => {});
    if (!call.isOver) await this.#bring(call, client, left, tries + 1);
  }

  /** Why it has to be sent again; undefined where it has not. */
  #settle(call: SinkCall, batch: SinkBatch, answer: ProducedAnswer | undefined): Error | undefined {
    if (!answer) return new Error(`no answer for partition ${batch.partition}`);
    const { errorCode, errorMessage, blamed } = answer;
    if (errorCode === 0) return void batch.acknowledge();
    const error = new ProtocolError(errorCode, errorMessage);
    const { apiId, canRetry } = error as unknown as { apiId: string; canRetry: boolean };
    if (apiId === duplicate) return void batch.acknowledge();
    if (refusals.has(apiId)) {
      batch.state = "refused";
      batch.refusal = { error, blamed };
      // Its first copy may be written: other records under its numbers would be taken for that.
      if (batch.tries > 1) this.#numbers = undefined;
      return undefined;
    }
    if (numbersLost.has(apiId)) {
      if (this.#numbers === batch.numbers) this.#numbers = undefined;
      batch.numbers = undefined;
    } else if (!canRetry) {
      call.fail(error);
    }
    return error;
  }

  async #number(client: ProducerClient, batches: readonly SinkBatch[]): Promise<void> {
    const numbers = this.#idempotent ? this.#numbers ?? await this.#newNumbers(client) : noNumbers;
    for (const batch of batches) if (!batch.numbers) batch.numbers = numbers;
  }

  #newNumbers(client: ProducerClient): Promise<Numbers> {
    return this.#renewing ??= client.newProducer()
      .then((given) => this.#numbers = new Numbers(given))
      .finally(() => this.#renewing = undefined);
  }
}
