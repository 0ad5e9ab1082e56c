/** One call of the handler, from the first try until its records are done or dead letters. */
import type { FetchedRecord } from "./consumer_client.ts";
import type { Partition } from "./partition.ts";

/** `waiting`: for its next try, or for its dead letters to be written. */
export type JobState = "running" | "waiting" | "done";

/** See the module's header. */
export class Job {
  readonly partition: Partition;
  readonly records: readonly FetchedRecord[];
  /** What the handler gets: a record or a list of them. Made anew for every try. */
  input: unknown;
  state: JobState = "running";
  /** Tries so far; those that were not let in do not count. */
  attempts = 0;
  /** How often in a row it was not let in. */
  refused = 0;
  /** Monotonic ms; while it waits. */
  dueAt = 0;
  /** What the handler threw at the last try. */
  error: unknown;
  /** Those of its records that the handler gets: all but those that cannot be decoded. */
  handed: readonly FetchedRecord[];
  /** Those that are to be dead letters. */
  letters: Array<{ record: FetchedRecord; cause: string }> | undefined;
  /** The handler is through with it; only dead letters are to be written. */
  over = false;

  constructor(partition: Partition, records: readonly FetchedRecord[]) {
    this.partition = partition;
    this.records = records;
    this.handed = records;
  }

  get first(): FetchedRecord {
    return this.records[0]!;
  }
}
