/**
 * Commits how far partitions are done: when half of `commit.records` is reached, so that calls need not wait for it, or
 * after `commit.every`; never two commits at once. What is done since the last one comes again when a worker is killed.
 */
import type { KafkaListenerPlan } from "../../core/manifest/plan.ts";
import { ClientError } from "./client_error.ts";
import type { ConsumerClient, Membership } from "./consumer_client.ts";
import type { Partition } from "./partition.ts";

/** What a committer is made with. */
export interface CommitterSetup {
  readonly plan: KafkaListenerPlan["commit"];
  readonly client: Pick<ConsumerClient, "commit">;
  /** Those that this member owns, now. */
  readonly partitions: ReadonlyMap<number, Partition>;
  /** As whom; undefined while it is in no group. */
  readonly membership: () => Membership | undefined;
  /** Partitions that had as much uncommitted as they may can go on. */
  readonly onCommitted: () => void;
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
    if (this.#due && !this.#sending) void this.#send();
  }

  /** Soon calls would have to wait for a commit. */
  get #due(): boolean {
    return this.#done * 2 >= this.#setup.plan.records;
  }

  tick(now: number): void {
    if (!this.#dirty || this.#sending) return;
    if (now - this.#lastAt < this.#setup.plan.every && !this.#due) return;
    this.#lastAt = now;
    void this.#send();
  }

  /** Commits everything that is done now. False where that did not work. Never rejects. */
  async flush(): Promise<boolean> {
    await this.#sending;
    return !this.#dirty || await this.#send();
  }

  #send(): Promise<boolean> {
    return this.#sending ??= this.#commit().then((worked) => {
      this.#sending = undefined;
      if (worked && this.#due) void this.#send();
      return worked;
    });
  }

  async #commit(): Promise<boolean> {
    const { client, partitions, onTrouble } = this.#setup;
    const membership = this.#setup.membership();
    if (!membership) return false;
    const due = [...partitions.values()]
      .filter((partition) => partition.done > partition.committed)
      .map((partition) => ({
        partition: partition.index,
        offset: partition.done,
        passed: partition.passed,
        of: partition,
      }));
    this.#dirty = false;
    this.#done = 0;
    if (due.length === 0) return true;
    try {
      await client.commit(membership, due);
      for (const { of, offset, passed } of due) {
        of.committed = offset;
        of.passedCommitted = passed;
      }
      this.#setup.onCommitted();
      return true;
    } catch (error) {
      this.#dirty = true;
      onTrouble(error as ClientError);
      return false;
    }
  }
}
