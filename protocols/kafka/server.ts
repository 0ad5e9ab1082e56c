/**
 * One kafka listener of one worker: a member of its consumer group. Its parts: the group (who owns which partitions), a
 * fetcher, calls of the handler, a committer. It starts and stays whether the brokers are there or not.
 *
 * ```
 * broker → fetcher → partition (bounded) → calls → handler
 *                        └ how far it is done → committer → broker
 * ```
 */
import type { SocketServer } from "../../core/protocol.ts";
import type { Service } from "../../core/service.ts";
import type { Codec } from "../codec/codec.ts";
import { Calls, type KafkaHost } from "./calls.ts";
import { Committer } from "./committer.ts";
import type { ConsumerClient } from "./consumer_client.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { Fetcher } from "./fetcher.ts";
import { Group } from "./group.ts";
import type { Job } from "./job.ts";
import type { Partition } from "./partition.ts";
import { KafkaSeries } from "./series.ts";
import { Trouble } from "./trouble.ts";
import { Waits } from "./waits.ts";

/** What a server is made with. */
export interface ServerSetup {
  readonly host: KafkaHost;
  readonly client: ConsumerClient;
  readonly service: Service<Job, undefined>;
  readonly codec: Codec;
  readonly pooled: boolean;
  readonly deadLetters: DeadLetters;
}

/** Gauges are set as often, ms. */
const showMs = 1000;
/** The end of a partition is asked for where no fetch has said it for so long, ms. */
const endMs = 5000;
/** Longest attempt to commit at the end, ms. */
const lastCommitMs = 3000;

/** See the module's header. */
export class KafkaServer implements SocketServer {
  readonly #host: KafkaHost;
  readonly #client: ConsumerClient;
  readonly #waits: Waits;
  readonly #series: KafkaSeries;
  readonly #calls: Calls;
  readonly #fetcher: Fetcher;
  readonly #committer: Committer;
  readonly #group: Group;
  #shownAt = 0;
  #askedAt = 0;
  #joined = 0;
  #over: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(setup: ServerSetup) {
    const { host, client, service, codec, pooled, deadLetters } = setup;
    const { plan, log } = host;
    const names = { topic: plan.topic, group: plan.group };
    this.#host = host;
    this.#client = client;
    const waits = this.#waits = new Waits(host.now);
    const series = this.#series = new KafkaSeries(host.stats, host.name);
    const calls = this.#calls = new Calls({
      ...{ host, service, codec, pooled, deadLetters, series },
      onDone: (partition, records) => {
        this.#committer.note(records);
        if (partition.room > 0) this.#fetcher.wake();
      },
    });
    const group = this.#group = new Group({
      ...{ client, waits, topic: plan.topic, start: plan.start },
      ...{ sessionMs: plan.session, maxBytes: plan.fetch.bytes, maxUncommitted: plan.commit.records },
      trouble: new Trouble(log, names),
      hold: () => this.#hold(true),
      resume: () => this.#resume(),
      flush: () => this.#committer.flush(),
      forget: (partition) => calls.forget(partition),
      onAssigned: (kept, lost, gained) => this.#assigned(kept, lost, gained),
      onDropped: (partitions, cause) => {
        series.assigned([]);
        log.warn("no member of the group any more; its partitions are given up", {
          ...names,
          partitions,
          cause,
        });
      },
    });
    this.#committer = new Committer({
      plan: plan.commit,
      ...{ client, partitions: group.partitions, membership: () => group.membership },
      onCommitted: () => {
        for (const partition of group.partitions.values()) calls.run(partition);
      },
      onTrouble: (error) => {
        log.debug("offsets were not committed", { ...names, cause: error.message });
        group.ask();
      },
    });
    this.#fetcher = new Fetcher({
      ...{ client, plan, waits, partitions: group.partitions },
      troubleOf: (node) => new Trouble(log, { ...names, broker: node }),
      onRecords: (partition) => calls.run(partition),
      onReset: (partition, from) =>
        log.warn("offsets of the group are gone from the topic", {
          ...{ ...names, partition: partition.index, wanted: String(partition.position), from: String(from) },
        }),
    });
  }

  open(): Promise<string[]> {
    this.#group.begin();
    const { topic, group } = this.#host.plan;
    return Promise.resolve([`kafka://${topic}@${group}`]);
  }

  tick(now: number): void {
    this.#waits.tick(now);
    this.#calls.tick(now);
    this.#fetcher.tick(now);
    this.#committer.tick(now);
    if (now - this.#shownAt < showMs) return;
    this.#shownAt = now;
    this.#series.show(this.#group.partitions.values());
    if (now - this.#askedAt < endMs) return;
    this.#askedAt = now;
    void this.#askEnds(now);
  }

  drain(): Promise<void> {
    return this.#over ??= this.#drain();
  }

  /** Does not wait for calls; commits what is done, for a moment. Never rejects. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #drain(): Promise<void> {
    this.#group.stop();
    this.#hold(true);
    while (this.#group.running > 0) await pause(5);
    await this.close();
  }

  async #close(): Promise<void> {
    this.#group.stop();
    this.#hold(true);
    this.#fetcher.stop();
    await within(lastCommitMs, this.#committer.flush());
    this.#waits.close();
    await this.#group.leave();
    this.#series.assigned([]);
    await this.#client.close();
  }

  #hold(held: boolean): void {
    this.#calls.held = held;
    this.#fetcher.held = held;
  }

  #resume(): void {
    if (this.#closing || this.#over) return;
    this.#hold(false);
    this.#committer.note(0);
    for (const partition of this.#group.partitions.values()) this.#calls.run(partition);
  }

  #assigned(kept: number, lost: number, gained: number): void {
    if (this.#joined++ > 0) this.#series.rebalanced();
    this.#series.assigned(this.#group.partitions.values());
    const { topic, group } = this.#host.plan;
    this.#host.log.info("partitions are assigned", { topic, group, kept, lost, gained });
  }

  /** Partitions that are full, or wait, are not read; how far behind they are is to be known all the same. */
  async #askEnds(now: number): Promise<void> {
    const old = new Map<number, Partition[]>();
    for (const partition of this.#group.partitions.values()) {
      if (now - partition.heardAt < endMs || partition.leader < 0) continue;
      old.set(partition.leader, [...old.get(partition.leader) ?? [], partition]);
    }
    for (const [node, partitions] of old) {
      try {
        const ends = await this.#client.offsets(node, partitions.map(({ index }) => index), "latest");
        for (const partition of partitions) {
          partition.highWatermark = ends.get(partition.index) ?? partition.highWatermark;
        }
      } catch {
        // The fetcher says what is wrong.
      }
    }
  }
}

/** Resolves with `work`, or when the time is over. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
