/** The records of one `send` that go to one partition, and what became of them. */
import type { Buffer } from "node:buffer";
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import type { ProducedBatch } from "./produce_request.ts";
import { numberBatch } from "./record_batch.ts";

/** A producer as brokers know it. One batch is on its way to a partition at any time. */
export class Numbers {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of the next record, by partition; 0 for others. */
  readonly #next = new Map<number, number>();

  constructor({ producerId, producerEpoch }: { producerId: bigint; producerEpoch: number }) {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }

  next(partition: number): number {
    return this.producerId < 0n ? -1 : this.#next.get(partition) ?? 0;
  }

  /** `count` records are written; numbers go on with 0 behind 2^31 - 1. */
  advance(partition: number, count: number): void {
    if (this.producerId >= 0n) this.#next.set(partition, (this.next(partition) + count) % 2 ** 31);
  }
}

/** Without idempotence. */
export const noNumbers = new Numbers({ producerId: -1n, producerEpoch: -1 });

export class SinkBatch implements ProducedBatch {
  readonly partition: number;
  readonly bytes: Buffer;
  /** Of the call that it belongs to now; {@link members} are indexes of it. */
  records: readonly OutgoingRecord[];
  members: Int32Array;
  /** `open`: not known, or not sent yet. */
  state: "open" | "acked" | "refused" = "open";
  /** How often it may have been sent under these numbers. */
  tries = 0;
  /** Why it was refused, and which places of it are to blame. */
  refusal: { readonly error: Error; readonly blamed: readonly number[] } | undefined;
  #numbers: Numbers | undefined;

  constructor(
    { partition, bytes, records, members }: Pick<SinkBatch, "partition" | "bytes" | "records" | "members">,
  ) {
    this.partition = partition;
    this.bytes = bytes;
    this.records = records;
    this.members = members;
  }

  /** Those that it has now. */
  get numbers(): Numbers | undefined {
    return this.#numbers;
  }

  /** Gives it numbers; undefined takes them away. */
  set numbers(numbers: Numbers | undefined) {
    this.#numbers = numbers;
    this.tries = 0;
    if (!numbers) return;
    const { producerId, producerEpoch } = numbers;
    numberBatch(this.bytes, { producerId, producerEpoch, sequence: numbers.next(this.partition) });
  }

  acknowledge(): void {
    if (this.state === "acked") return;
    this.state = "acked";
    this.#numbers?.advance(this.partition, this.members.length);
  }

  /** Indexes of records of its call that are known to be to blame for a refusal. */
  blamed(): number[] {
    if (!this.refusal) return [];
    if (this.members.length === 1) return [this.members[0]!];
    return this.refusal.blamed.map((place) => this.members[place]).filter((index) => index !== undefined);
  }
}
