/**
 * Commits how far partitions are done: at most once a second, or every ten thousand records, whichever is sooner; never
 * two commits at once. As many records may come again when a worker is killed.
 */
import { ClientError } from "./client_error.ts";
import type { ConsumerClient, Membership } from "./consumer_client.ts";
import type { Partition } from "./partition.ts";

/** Longest that something done stays uncommitted, ms. */
export const commitEveryMs = 1000;
/** Most records that stay so. */
export const commitRecords = 10_000;

/** What a committer is made with. */
export interface CommitterSetup {
  readonly client: Pick<ConsumerClient, "commit">;
  /** Those that this member owns, now. */
  readonly partitions: ReadonlyMap<number, Partition>;
  /** As whom; undefined while it is in no group. */
  readonly membership: () => Membership | undefined;
  readonly onTrouble: (error: ClientError) => void;
}

/** See the module's header. */
export class Committer {
  readonly #setup: CommitterSetup;
  #sending: Promise<boolean> | undefined;
  #lastAt = -Infinity;
  #done = 0;
  #dirty = false;

  constructor(setup: CommitterSetup) {
    this.#setup = setup;
  }

  /** Records of some partition are done. */
  note(records: number): void {
    this.#dirty = true;
    this.#done += records;
  }

  tick(now: number): void {
    if (!this.#dirty || this.#sending) return;
    if (now - this.#lastAt < commitEveryMs && this.#done < commitRecords) return;
    this.#lastAt = now;
    void this.#send();
  }

  /** Commits everything that is done now. False where that did not work. Never rejects. */
  async flush(): Promise<boolean> {
    await this.#sending;
    return !this.#dirty || await this.#send();
  }

  #send(): Promise<boolean> {
    return this.#sending ??= this.#commit().finally(() => this.#sending = undefined);
  }

  async #commit(): Promise<boolean> {
    const { client, partitions, onTrouble } = this.#setup;
    const membership = this.#setup.membership();
    if (!membership) return false;
    const due = [...partitions.values()]
      .filter((partition) => partition.done > partition.committed)
      .map((partition) => ({ partition: partition.index, offset: partition.done, of: partition }));
    this.#dirty = false;
    this.#done = 0;
    if (due.length === 0) return true;
    try {
      await client.commit(membership, due);
      for (const { of, offset } of due) of.committed = offset;
      return true;
    } catch (error) {
      this.#dirty = true;
      onTrouble(error as ClientError);
      return false;
    }
  }
}
