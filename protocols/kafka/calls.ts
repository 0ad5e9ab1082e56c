/**
 * Runs the handler: takes records from partitions, tries again what failed, makes dead letters of what fails too often.
 * Order, per partition, is kept by beginning nothing while a call waits for its next try. Not being let in (admission,
 * rate, pool) is no failure; the partition waits.
 */
import { Refusal } from "../../core/errors.ts";
import type { KafkaListenerPlan } from "../../core/manifest/plan.ts";
import type { ListenerHost, MessageSource } from "../../core/protocol.ts";
import { passingReasons, type Reason } from "../../core/reasons.ts";
import type { Service } from "../../core/service.ts";
import type { Codec } from "../codec/codec.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { decoded, type Undecodable } from "./decode.ts";
import type { Job } from "./job.ts";
import type { Partition } from "./partition.ts";
import type { KafkaSeries } from "./series.ts";

/** The host of a kafka listener. */
export type KafkaHost = SomeHost & Required<Pick<SomeHost, "stats" | "member">>;
type SomeHost = ListenerHost<KafkaListenerPlan, Job, undefined>;

/** What calls are made with. */
export interface CallSetup {
  readonly host: KafkaHost;
  readonly service: Service<Job, undefined>;
  readonly codec: Codec;
  /** The handler runs on a pool, which decodes by itself. */
  readonly pooled: boolean;
  readonly deadLetters: DeadLetters;
  readonly series: KafkaSeries;
  /** Called whenever records of a partition are done. */
  readonly onDone: (partition: Partition, records: number) => void;
}

const nowhere: MessageSource = { address: "", client: "" };
/** Handlers that answer at once are called no longer than this in one turn of the loop. */
const turnMs = 5;
/** Waits before a call that was not let in is tried again, doubling. */
const refusedMs = { first: 50, longest: 1000 };
/** Wait before dead letters that could not be written are tried again. */
const unburiedMs = 2000;

/** See the module's header. */
export class Calls {
  readonly #setup: CallSetup;
  readonly #host: KafkaHost;
  readonly #plan: KafkaListenerPlan;
  /** Partitions that have more to do when the loop has turned. */
  #later = new Set<Partition>();
  #scheduled = false;
  readonly #waiting = new Set<Job>();
  #held = false;
  #unwritable = false;

  constructor(setup: CallSetup) {
    this.#setup = setup;
    this.#host = setup.host;
    this.#plan = setup.host.plan;
  }

  /** While held, nothing begins; what runs goes on. */
  set held(held: boolean) {
    this.#held = held;
  }

  /** Begins what may begin. */
  run(partition: Partition): void {
    if (this.#later.has(partition)) return;
    const { concurrency, batch } = this.#plan;
    let now: number | undefined;
    let until = 0;
    while (!this.#held && partition.ready(concurrency)) {
      this.#begin(partition.begin(batch), now);
      now = this.#host.now;
      if (until === 0) until = now + turnMs;
      else if (now >= until) {
        this.#later.add(partition);
        return this.#schedule();
      }
    }
  }

  /** Tries again what is due. */
  tick(now: number): void {
    if (this.#held || this.#waiting.size === 0) return;
    for (const job of this.#waiting) {
      if (job.dueAt > now) continue;
      this.#waiting.delete(job);
      job.partition.waiting--;
      if (job.partition.detached) continue;
      if (job.over) this.#bury(job);
      else this.#begin(job, undefined);
      this.run(job.partition);
    }
  }

  /** Of a partition that belongs to another member now. */
  forget(partition: Partition): void {
    this.#later.delete(partition);
    for (const job of this.#waiting) {
      if (job.partition === partition) this.#waiting.delete(job);
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const later = this.#later;
      this.#later = new Set();
      for (const partition of later) this.run(partition);
    });
  }

  #begin(job: Job, now: number | undefined): void {
    const { partition } = job;
    job.state = "running";
    partition.running++;
    if (!this.#prepare(job)) return;
    job.attempts++;
    const text = `${this.#plan.topic}-${partition.index}-${job.first.offset}`;
    const answer = this.#host.take(nowhere, job, text, this.#setup.service, now);
    if (!(answer instanceof Promise)) return this.#settled(job, answer);
    answer.then((late) => {
      this.#settled(job, late);
      this.run(partition);
    });
  }

  /** Decodes; false where nothing is left to call the handler with. */
  #prepare(job: Job): boolean {
    if (this.#setup.pooled) return true;
    const { topic, batch } = this.#plan;
    const { values, bad } = decoded(job.handed, topic, job.partition.index, this.#setup.codec);
    if (bad.length > 0) this.#leaveOut(job, bad);
    job.input = batch === 1 ? values[0] : values;
    if (values.length > 0) return true;
    this.#end(job);
    return false;
  }

  /** What cannot be decoded is not tried again. */
  #leaveOut(job: Job, bad: readonly Undecodable[]): void {
    const without = new Set(bad.map(({ record }) => record));
    job.handed = job.handed.filter((record) => !without.has(record));
    (job.letters ??= []).push(...bad);
    for (const { record } of bad) {
      this.#host.refuse(
        nowhere,
        "bad_request",
        `${this.#plan.topic}-${job.partition.index}-${record.offset}`,
      );
    }
  }

  #settled(job: Job, answer: undefined | Refusal): void {
    const { partition } = job;
    if (partition.detached) {
      partition.running--;
      return;
    }
    if (!(answer instanceof Refusal)) return this.#end(job);
    const { reason, retryAfterMs } = answer;
    if (passingReasons.has(reason)) {
      job.attempts--;
      const ms = Math.min(refusedMs.longest, refusedMs.first * 2 ** Math.min(job.refused++, 10));
      return this.#wait(job, Math.max(ms, Math.min(retryAfterMs, refusedMs.longest)));
    }
    job.refused = 0;
    if (reason === "bad_request") return this.#makesNoSense(job);
    const { attempts, backoff, max } = this.#plan.retry;
    if (job.attempts >= attempts) return this.#condemn(job, reason);
    this.#setup.series.count("retried", job.handed.length);
    this.#wait(job, Math.min(max, backoff * 2 ** Math.min(job.attempts - 1, 30)));
  }

  /** A pool could not decode something, or the handler says that there is no sense in trying again. */
  #makesNoSense(job: Job): void {
    if (this.#setup.pooled) {
      const { topic } = this.#plan;
      const { bad } = decoded(job.handed, topic, job.partition.index, this.#setup.codec);
      if (bad.length > 0) {
        this.#leaveOut(job, bad);
        if (job.handed.length === 0) return this.#end(job);
        job.attempts--;
        return this.#wait(job, 0);
      }
    }
    this.#condemn(job, "bad_request");
  }

  #condemn(job: Job, reason: Reason): void {
    const cause = this.#causeOf(job, reason);
    (job.letters ??= []).push(...job.handed.map((record) => ({ record, cause })));
    this.#end(job);
  }

  #end(job: Job): void {
    job.over = true;
    if (job.letters) this.#bury(job);
    else this.#finish(job);
  }

  #causeOf({ error }: Job, reason: Reason): string {
    if (error === undefined) return reason;
    return `${reason}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
  }

  #wait(job: Job, ms: number): void {
    const { partition } = job;
    partition.running--;
    partition.waiting++;
    job.state = "waiting";
    job.dueAt = this.#host.now + ms;
    this.#waiting.add(job);
  }

  /** Writes its dead letters; until that is done it counts as running. */
  #bury(job: Job): void {
    const { partition } = job;
    if (job.state === "waiting") {
      job.state = "running";
      partition.running++;
    }
    const at = Date.now();
    const letters = job.letters!.map(({ record, cause }) => ({
      ...{ topic: this.#plan.topic, partition: partition.index, record, cause, at },
      attempts: job.attempts,
    }));
    this.#setup.deadLetters.write(letters).then(
      () => this.#buried(job),
      (error) => this.#notBuried(job, error),
    );
  }

  #buried(job: Job): void {
    const { partition } = job;
    this.#unwritable = false;
    this.#setup.series.count("dead", job.letters!.length);
    this.#host.log.error("records are dead letters", {
      topic: this.#plan.topic,
      partition: partition.index,
      offset: String(job.letters![0]!.record.offset),
      records: job.letters!.length,
      attempts: job.attempts,
    });
    if (partition.detached) {
      partition.running--;
      return;
    }
    this.#finish(job);
    this.run(partition);
  }

  #notBuried(job: Job, error: unknown): void {
    if (!this.#unwritable) {
      this.#host.log.error("cannot write dead letters; their partitions wait", {
        path: this.#setup.deadLetters.path,
        error,
      });
    }
    this.#unwritable = true;
    if (job.partition.detached) job.partition.running--;
    else this.#wait(job, unburiedMs);
  }

  #finish(job: Job): void {
    const { partition, records, letters } = job;
    const done = records.length - (letters?.length ?? 0);
    partition.running--;
    partition.settle(job);
    if (done > 0) this.#setup.series.count("done", done);
    this.#setup.onDone(partition, records.length);
  }
}
