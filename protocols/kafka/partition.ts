/**
 * One partition that this member owns: records that were read and not yet begun, calls that were begun, and how far
 * everything is done. Committed is what lies before the first record that is not done; so what was done out of order
 * comes again after a crash.
 */
import type { FetchedRecord } from "./consumer_client.ts";
import { Deque } from "./deque.ts";
import { Job } from "./job.ts";

/** What a record costs beside its bytes. */
const overheadBytes = 64;
/** Most calls behind one that is not done: what is done behind it comes again after a crash. */
const longestWindow = 10_000;

/** See the module's header. */
export class Partition {
  readonly index: number;
  /** Node that leads it; -1 while nobody does. */
  leader: number;
  /** Offset of the next fetch. */
  position: bigint;
  /** As far as the brokers know; -1 where they know nothing. */
  committed: bigint;
  /** -1 until a broker said so. */
  highWatermark = -1n;
  /** Monotonic ms when it was said. */
  heardAt = 0;
  /** This member does not own it any more: what its calls come to is of no interest. */
  detached = false;
  /** Of records that were read and are not done. */
  bytes = 0;
  /** Calls that run. */
  running = 0;
  /** Calls that wait for another try; while there are some, none begins. */
  waiting = 0;
  /** Records before {@link done} since this member owns it; as many of them as are committed. */
  passed = 0;
  passedCommitted = 0;
  readonly #maxBytes: number;
  readonly #maxUncommitted: number;
  readonly #queue = new Deque<FetchedRecord>();
  readonly #window = new Deque<Job>();

  constructor(
    index: number,
    position: bigint,
    options: { leader: number; committed: bigint; maxBytes: number; maxUncommitted: number },
  ) {
    this.index = index;
    this.position = position;
    this.leader = options.leader;
    this.committed = options.committed;
    this.#maxBytes = options.maxBytes;
    this.#maxUncommitted = options.maxUncommitted;
  }

  /** Records that were read and are not begun. */
  get queued(): number {
    return this.#queue.length;
  }

  /** How much may be read now; 0 while there is enough. */
  get room(): number {
    return this.bytes * 2 > this.#maxBytes ? 0 : this.#maxBytes - this.bytes;
  }

  /** What comes before it is done. */
  get done(): bigint {
    return this.#window.first?.first.offset ?? this.#queue.first?.offset ?? this.position;
  }

  /** Records that nobody has done yet; 0 where it is not known. */
  get lag(): number {
    return this.highWatermark < 0n ? 0 : Math.max(0, Number(this.highWatermark - this.done));
  }

  add(records: readonly FetchedRecord[], next: bigint): void {
    for (const record of records) {
      this.#queue.push(record);
      this.bytes += sizeOf(record);
    }
    this.position = next;
  }

  /** Whether another call may begin. */
  ready(concurrency: number): boolean {
    return this.running < concurrency && this.waiting === 0 && this.#queue.length > 0 && !this.detached &&
      this.#window.length < longestWindow && this.passed - this.passedCommitted < this.#maxUncommitted;
  }

  /** The next call, of up to `batch` records. Only when {@link ready}. */
  begin(batch: number): Job {
    const records = [this.#queue.shift()!];
    while (records.length < batch && this.#queue.length > 0) records.push(this.#queue.shift()!);
    const job = new Job(this, records);
    this.#window.push(job);
    return job;
  }

  /** Its records are done, or dead letters. */
  settle(job: Job): void {
    job.state = "done";
    job.input = job.error = undefined;
    for (const record of job.records) this.bytes -= sizeOf(record);
    while (this.#window.first?.state === "done") this.passed += this.#window.shift()!.records.length;
  }
}

function sizeOf({ key, value, headers }: FetchedRecord): number {
  let bytes = overheadBytes + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, text] of headers) bytes += (name?.length ?? 0) + (text?.length ?? 0);
  return bytes;
}
