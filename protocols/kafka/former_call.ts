/**
 * What a `send` that failed leaves behind for those that bring its records again, all of them or some: which ones are
 * written, and the batches whose fate nobody knows, which are sent again as they were, so that brokers leave them out where
 * they have them. As much as one call had.
 */
import type { OutgoingRecord } from "../../core/stream/contract.ts";
import type { SinkBatch } from "./sink_batch.ts";

/** What is left to do of records that come again. */
export interface Resumed {
  /** Batches to be sent as they are. */
  readonly batches: SinkBatch[];
  /** Indexes of records that are in no batch and not written. */
  readonly fresh: number[];
}

export class FormerCall {
  /** Where records without a key went. */
  readonly turn: number;
  /** Whether a record is written, by lane and sequence. */
  readonly #written = new Map<string, Map<number, boolean>>();
  #open: SinkBatch[] = [];
  readonly #unique: boolean;

  constructor(records: readonly OutgoingRecord[], turn: number) {
    this.turn = turn;
    for (const { lane, sequence } of records) {
      let known = this.#written.get(lane);
      if (!known) this.#written.set(lane, known = new Map());
      known.set(sequence, false);
    }
    let count = 0;
    for (const { size } of this.#written.values()) count += size;
    this.#unique = count === records.length;
  }

  /** Whether it had all of these. */
  had(records: readonly OutgoingRecord[]): boolean {
    return this.#unique &&
      records.every(({ lane, sequence }) => this.#written.get(lane)?.has(sequence) ?? false);
  }

  /** Takes over what became of batches. */
  take(batches: readonly SinkBatch[]): void {
    this.#open.push(...batches.filter(({ state }) => state !== "refused"));
    this.#settle();
  }

  /** Whether a batch is left that may have been written under numbers that are in use. */
  get isUnsure(): boolean {
    this.#settle();
    return this.#open.some(({ tries }) => tries > 0);
  }

  /**
   * What is left to do of `records`, all of which it had. A batch that is there only in part, or whose partition is not there
   * any more (`count` are), is given up; one of which none is there stays.
   */
  resume(records: readonly OutgoingRecord[], count: number): Resumed & { readonly gaveUp: boolean } {
    this.#settle();
    const left = new Map<string, Map<number, number>>();
    records.forEach(({ lane, sequence }, index) => {
      if (this.#written.get(lane)?.get(sequence)) return;
      const indexes = left.get(lane) ?? new Map<number, number>();
      left.set(lane, indexes.set(sequence, index));
    });
    const batches: SinkBatch[] = [];
    const kept: SinkBatch[] = [];
    let gaveUp = false;
    for (const batch of this.#open) {
      const members = Array.from(batch.members, (member) => {
        const { lane, sequence } = batch.records[member]!;
        return left.get(lane)?.get(sequence) ?? -1;
      });
      if (members.every((index) => index < 0)) {
        kept.push(batch);
      } else if (members.some((index) => index < 0) || batch.partition >= count) {
        gaveUp ||= batch.tries > 0;
      } else {
        batch.records = records;
        batch.members = Int32Array.from(members);
        batches.push(batch);
        for (const index of members) left.get(records[index]!.lane)!.delete(records[index]!.sequence);
      }
    }
    this.#open = kept;
    const fresh = [...left.values()].flatMap((indexes) => [...indexes.values()]).sort((a, b) => a - b);
    return { batches, fresh, gaveUp };
  }

  #settle(): void {
    for (const { state, records, members } of this.#open) {
      if (state !== "acked") continue;
      for (const member of members) {
        const { lane, sequence } = records[member]!;
        this.#written.get(lane)?.set(sequence, true);
      }
    }
    this.#open = this.#open.filter(({ state }) => state === "open");
  }
}
