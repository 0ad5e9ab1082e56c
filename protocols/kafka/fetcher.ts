/**
 * Reads: one fetch at a time per broker, for those of its partitions that have room. A partition that is slow, waits or
 * is full is left out and holds up no other; what is read ahead of the handler is bounded by `fetch.bytes`.
 */
import type { KafkaListenerPlan } from "../../core/manifest/plan.ts";
import { ClientError } from "./client_error.ts";
import type { ConsumerClient, Fetched, Leaders, Wanted } from "./consumer_client.ts";
import type { Partition } from "./partition.ts";
import type { Trouble } from "./trouble.ts";
import type { Waits } from "./waits.ts";

/** What a fetcher is made with. */
export interface FetcherSetup {
  readonly client: Pick<ConsumerClient, "fetch" | "leaders" | "offsets">;
  readonly plan: Pick<KafkaListenerPlan, "topic" | "fetch" | "start">;
  readonly partitions: ReadonlyMap<number, Partition>;
  readonly waits: Waits;
  readonly onRecords: (partition: Partition) => void;
  /** What is wrong with one broker. */
  readonly troubleOf: (node: number) => Trouble;
  /** Offsets that were asked for are gone; where it goes on. */
  readonly onReset: (partition: Partition, from: bigint) => void;
}

/** Wait of a broker while another partition of it will soon want more: the next fetch must not be late. */
const hurryMs = 20;
/** While nothing is wanted of a broker, ms. */
const idleMs = 1000;
/** After a failure, doubling. */
const backoffMs = { first: 100, longest: 2000 };
/** Leaders are asked for no more often, ms. */
const leadersMs = 500;

/** See the module's header. */
export class Fetcher {
  readonly #setup: FetcherSetup;
  readonly #loops = new Map<number, Promise<void>>();
  /** Loops that have nothing to ask for, and until when they rest. */
  readonly #idle = new Map<() => void, number>();
  #held = true;
  #stopped = false;
  #leadersAt = -Infinity;

  constructor(setup: FetcherSetup) {
    this.#setup = setup;
  }

  /** While held, no fetch begins. */
  set held(held: boolean) {
    this.#held = held;
    if (!held) this.start();
  }

  /** One loop for each broker that leads a partition. */
  start(): void {
    if (this.#stopped) return;
    for (const { leader } of this.#setup.partitions.values()) {
      if (this.#loops.has(leader)) continue;
      this.#loops.set(leader, this.#loop(leader).finally(() => this.#loops.delete(leader)));
    }
    this.wake();
  }

  /** A partition has room again. */
  wake(): void {
    if (this.#idle.size > 0) this.tick(Infinity);
  }

  /** Ends rests that are over. */
  tick(now: number): void {
    for (const [resume, until] of this.#idle) {
      if (until > now) continue;
      this.#idle.delete(resume);
      resume();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.wake();
  }

  async #loop(node: number): Promise<void> {
    const { client, plan, waits } = this.#setup;
    const trouble = this.#setup.troubleOf(node);
    for (let failed = 0; !this.#stopped;) {
      const own = [...this.#setup.partitions.values()].filter(({ leader }) => leader === node);
      if (own.length === 0) return;
      const asked = this.#held || node < 0 ? [] : own.filter((partition) => partition.room > 0);
      try {
        if (node < 0) await this.#findLeaders();
        if (asked.length === 0) {
          await this.#rest(node < 0 ? leadersMs : idleMs);
          continue;
        }
        const soon = own.length > asked.length &&
          own.some(({ room, waiting }) => room === 0 && waiting === 0);
        const wanted = asked.map(wantedOf);
        const fetched = await client.fetch(
          node,
          wanted,
          soon ? Math.min(hurryMs, plan.fetch.wait) : plan.fetch.wait,
        );
        failed = 0;
        trouble.over();
        for (const one of fetched) await this.#take(one, wanted, asked);
      } catch (error) {
        if (this.#stopped) return;
        trouble.report(asClientError(error));
        await waits.wait(Math.min(backoffMs.longest, backoffMs.first * 2 ** Math.min(failed++, 10)));
        await this.#findLeaders().catch(() => {});
      }
    }
  }

  async #take(fetched: Fetched, wanted: readonly Wanted[], asked: readonly Partition[]): Promise<void> {
    const at = wanted.findIndex(({ partition }) => partition === fetched.partition);
    const partition = asked[at]!;
    if (partition.detached || partition.position !== wanted[at]!.offset) return;
    if (fetched.failure === "offsets") return await this.#reset(partition);
    if (fetched.failure) throw new ClientError(fetched.failure, `Cannot read partition ${partition.index}`);
    partition.highWatermark = fetched.highWatermark;
    partition.heardAt = this.#setup.waits.now;
    if (fetched.next === partition.position) return;
    partition.add(fetched.records, fetched.next);
    this.#setup.onRecords(partition);
  }

  async #reset(partition: Partition): Promise<void> {
    const { client, plan: { start } } = this.#setup;
    const offset = (await client.offsets(partition.leader, [partition.index], start)).get(partition.index);
    if (offset === undefined || partition.detached) return;
    this.#setup.onReset(partition, offset);
    partition.position = offset;
  }

  /** Partitions move to other brokers; those get loops of their own. */
  async #findLeaders(): Promise<void> {
    const { client, plan: { topic }, partitions, waits } = this.#setup;
    if (waits.now - this.#leadersAt < leadersMs) return;
    this.#leadersAt = waits.now;
    const leaders: Leaders = await client.leaders([topic]);
    for (const partition of partitions.values()) {
      partition.leader = leaders.get(topic)?.[partition.index] ?? -1;
    }
    this.start();
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => this.#idle.set(resolve, this.#setup.waits.now + ms));
  }
}

function wantedOf({ index, position, room }: Partition): Wanted {
  return { partition: index, offset: position, maxBytes: room };
}

function asClientError(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  return new ClientError("trouble", error instanceof Error ? error.message : String(error), error);
}
