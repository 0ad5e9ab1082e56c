/**
 * Membership of a consumer group, by the classic protocol (JoinGroup, SyncGroup, Heartbeat): keeps joining for as long as
 * it takes, heartbeats by a rhythm of its own however long handlers take, and when the group makes a new assignment ends
 * what is in flight and commits before it agrees. Partitions that stay with it go on where they are; those of a member
 * that was thought dead are dropped without a commit.
 */
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from "./assignment.ts";
import { assign, type Subscription } from "./assignment.ts";
import { ClientError } from "./client_error.ts";
import type { ConsumerClient, Leaders, Membership } from "./consumer_client.ts";
import { Partition } from "./partition.ts";
import type { Trouble } from "./trouble.ts";
import type { Waits } from "./waits.ts";

/** What a group is made with. */
export interface GroupSetup {
  readonly client: Pick<
    ConsumerClient,
    "leaders" | "join" | "sync" | "heartbeat" | "committed" | "offsets" | "leave"
  >;
  readonly topic: string;
  readonly start: "earliest" | "latest";
  readonly sessionMs: number;
  /** Of one partition. */
  readonly maxBytes: number;
  /** As maxUncommitted of Partition. */
  readonly maxUncommitted: number;
  readonly waits: Waits;
  readonly trouble: Trouble;
  /** Begin nothing more. */
  readonly hold: () => void;
  /** Partitions have changed; begin. */
  readonly resume: () => void;
  /** Commits what is done. */
  readonly flush: () => Promise<unknown>;
  readonly forget: (partition: Partition) => void;
  readonly onAssigned: (kept: number, lost: number, gained: number) => void;
  readonly onDropped: (partitions: number, cause: string) => void;
}

/** Names of assignors that other clients know too, so that they may be members of the same group. */
const protocols = ["roundrobin", "range"];
const longestHeartbeatMs = 3000;
/** After a failure, doubling. */
const backoffMs = { first: 250, longest: 3000 };
/** How often the leader of the group looks whether the topic has got more partitions. */
const metadataMs = 60_000;
/** Ticks are not more frequent. */
const stepMs = 5;

/** See the module's header. */
export class Group {
  /** Those that this member owns, by number. */
  readonly partitions = new Map<number, Partition>();
  readonly #setup: GroupSetup;
  #memberId = "";
  #membership: Membership | undefined;
  /** Whether partitions of `#membership` were assigned. */
  #synced = false;
  #stopping = false;
  #over: Promise<void> | undefined;
  #beatAt = 0;
  #beatNow = false;
  /** Partitions of the topics of the group, where this member leads it. */
  #counts: ReadonlyMap<string, number> | undefined;

  constructor(setup: GroupSetup) {
    this.#setup = setup;
  }

  /** As whom to commit; undefined while it owns nothing. */
  get membership(): Membership | undefined {
    return this.#synced ? this.#membership : undefined;
  }

  /** Calls of its partitions that run. */
  get running(): number {
    let running = 0;
    for (const partition of this.partitions.values()) running += partition.running;
    return running;
  }

  /** Joins, and stays for as long as it is not stopped. */
  begin(): void {
    this.#over = this.#run();
  }

  /** A commit failed: perhaps the group has something to say. */
  ask(): void {
    if (this.#beatNow) return;
    this.#beatNow = true;
    this.#setup.waits.wake();
  }

  /** Does not join any more; heartbeats go on until {@link leave}. */
  stop(): void {
    this.#stopping = true;
  }

  /** Gives up its partitions. Never rejects. */
  async leave(): Promise<void> {
    this.#stopping = true;
    const memberId = this.#memberId;
    this.#synced = false;
    this.#membership = undefined;
    this.#setup.waits.wake();
    if (memberId !== "") await this.#setup.client.leave({ memberId });
    this.#forgetAll();
  }

  /** Resolves when nothing of it runs any more; its client must be closed, or it has left. */
  get over(): Promise<void> {
    return this.#over ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    const { trouble, waits, sessionMs } = this.#setup;
    for (let failed = 0; !this.#stopping;) {
      try {
        await this.#join();
        failed = 0;
        trouble.over();
        await this.#stay();
      } catch (error) {
        if (this.#stopping) return;
        const known = error instanceof ClientError ? error : new ClientError("trouble", String(error), error);
        if (known.failure === "lost") this.#drop(known.message);
        else if (waits.now - this.#beatAt > sessionMs) this.#drop("no broker was heard for a session");
        if (known.failure === "rebalance") continue;
        if (known.failure !== "lost") trouble.report(known);
        await waits.wait(Math.min(backoffMs.longest, backoffMs.first * 2 ** Math.min(failed++, 10)));
      }
    }
  }

  async #join(): Promise<void> {
    const { client, topic, resume } = this.#setup;
    const leaders = await client.leaders([topic]);
    const metadata = encodeSubscription({
      topics: [topic],
      owned: new Map([[topic, [...this.partitions.keys()]]]),
    });
    const before = this.#synced ? this.#membership : undefined;
    const membership = await client.join(this.#memberId, protocols.map((name) => ({ name, metadata })));
    this.#synced = false;
    this.#membership = membership;
    this.#memberId = membership.memberId;
    this.#beatAt = this.#setup.waits.now;
    // An assignment was made without it: its partitions may have had another owner in between.
    if (!before || before.generation + 1 !== membership.generation) this.#forgetAll();
    const answer = await client.sync(membership, await this.#assignments(membership, leaders));
    if (this.#stopping && this.#membership !== membership) return;
    await this.#take(decodeAssignment(answer).get(topic) ?? [], leaders);
    this.#synced = true;
    this.#beatAt = this.#setup.waits.now;
    resume();
  }

  /** Of all members, where this one leads. */
  async #assignments(
    { members }: Membership,
    leaders: Leaders,
  ): Promise<Array<{ memberId: string; assignment: Uint8Array }>> {
    this.#counts = undefined;
    if (members.length === 0) return [];
    const wanted = new Map<string, Subscription>(
      members.map(({ memberId, metadata }) => [memberId, decodeSubscription(metadata)]),
    );
    const topics = new Set([...wanted.values()].flatMap((one) => one.topics));
    const known = topics.size === 1 ? leaders : await this.#setup.client.leaders([...topics]);
    this.#counts = new Map([...known].map(([topic, row]) => [topic, row.length]));
    return [...assign(wanted, this.#counts)].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(partitions),
    }));
  }

  /** Makes its partitions those of the new assignment. */
  async #take(assigned: readonly number[], leaders: Leaders): Promise<void> {
    const { topic, maxBytes, maxUncommitted, forget, onAssigned } = this.#setup;
    const lost = [...this.partitions.values()].filter(({ index }) => !assigned.includes(index));
    for (const partition of lost) {
      partition.detached = true;
      this.partitions.delete(partition.index);
      forget(partition);
    }
    const gained = assigned.filter((index) => !this.partitions.has(index));
    const row = leaders.get(topic) ?? [];
    const offsets = await this.#offsets(gained, row);
    for (const index of gained) {
      const { position, committed } = offsets.get(index)!;
      const leader = row[index] ?? -1;
      this.partitions.set(
        index,
        new Partition(index, position, { leader, committed, maxBytes, maxUncommitted }),
      );
    }
    onAssigned(assigned.length - gained.length, lost.length, gained.length);
  }

  /** Where partitions go on. */
  async #offsets(
    partitions: readonly number[],
    leaders: readonly number[],
  ): Promise<Map<number, { position: bigint; committed: bigint }>> {
    const { client, start } = this.#setup;
    const result = new Map<number, { position: bigint; committed: bigint }>();
    if (partitions.length === 0) return result;
    const committed = await client.committed(partitions);
    const unknown = new Map<number, number[]>();
    for (const index of partitions) {
      const position = committed.get(index) ?? -1n;
      if (position >= 0n) result.set(index, { position, committed: position });
      else {
        const leader = leaders[index] ?? -1;
        unknown.set(leader, [...unknown.get(leader) ?? [], index]);
      }
    }
    for (const [leader, indexes] of unknown) {
      const found = await client.offsets(leader, indexes, start);
      for (const index of indexes) {
        const position = found.get(index);
        if (position === undefined) throw new ClientError("leader", `Partition ${index} has no offsets`);
        // Less than any position: it is committed, so that nothing is left out after a restart before the first record.
        result.set(index, { position, committed: -1n });
      }
    }
    return result;
  }

  /** Heartbeats until the group wants a new assignment. */
  async #stay(): Promise<void> {
    const { client, waits, sessionMs, trouble } = this.#setup;
    const everyMs = Math.min(longestHeartbeatMs, sessionMs / 6);
    let lookAt = waits.now + metadataMs;
    for (let waitMs = everyMs; this.#membership;) {
      await waits.wait(waitMs);
      this.#beatNow = false;
      if (!this.#membership) return;
      try {
        await client.heartbeat(this.#membership);
        this.#beatAt = waits.now;
        waitMs = everyMs;
        trouble.over();
      } catch (error) {
        const { failure } = error as ClientError;
        if (!this.#membership) return;
        if (failure === "rebalance") return await this.#revoke();
        if (failure === "lost") throw error;
        if (waits.now - this.#beatAt > sessionMs) {
          throw new ClientError("lost", "No coordinator was heard for a session", error);
        }
        trouble.report(error as ClientError);
        waitMs = Math.min(everyMs, 500);
      }
      if (this.#counts && waits.now > lookAt && !this.#stopping) {
        lookAt = waits.now + metadataMs;
        if (await this.#grown()) return await this.#revoke();
      }
    }
  }

  /** Whether a topic of the group has other partitions than it was assigned with. */
  async #grown(): Promise<boolean> {
    try {
      const leaders = await this.#setup.client.leaders([...this.#counts!.keys()]);
      return [...this.#counts!].some(([topic, count]) => (leaders.get(topic)?.length ?? count) !== count);
    } catch {
      return false;
    }
  }

  /** Ends what is in flight, no longer than a session, and commits. */
  async #revoke(): Promise<void> {
    const { hold, flush, waits, sessionMs } = this.#setup;
    hold();
    const end = waits.now + sessionMs;
    for (let beatAt = waits.now + sessionMs / 6; this.running > 0 && waits.now < end;) {
      await waits.wait(stepMs);
      if (!this.#membership) return;
      if (waits.now < beatAt) continue;
      beatAt = waits.now + sessionMs / 6;
      await this.#beat();
    }
    await flush();
  }

  /** While it ends its calls: rejects only where it is no member any more. */
  async #beat(): Promise<void> {
    try {
      await this.#setup.client.heartbeat(this.#membership!);
    } catch (error) {
      if ((error as ClientError).failure === "lost") throw error;
    }
    this.#beatAt = this.#setup.waits.now;
  }

  /** It is no member any more, so nothing of its partitions may be committed. */
  #drop(cause: string): void {
    if (this.partitions.size > 0) this.#setup.onDropped(this.partitions.size, cause);
    this.#memberId = "";
    this.#membership = undefined;
    this.#synced = false;
    this.#setup.hold();
    this.#forgetAll();
  }

  #forgetAll(): void {
    for (const partition of this.partitions.values()) {
      partition.detached = true;
      this.#setup.forget(partition);
    }
    this.partitions.clear();
  }
}
