/**
 * The requests that a member of a consumer group sends, and the connections they go over. Of the
 * library the connections, the codecs of the protocol and the compressions are used, not its consumer, which
 * rejoins a group by itself before anybody could end what is in flight. Everything has a time limit, nothing is tried
 * twice: whoever asks decides what a failure means. Waiting fetches have connections of their own.
 */
import * as kafka from "@platformatic/kafka";
import { Buffer } from "node:buffer";
import { type Api, brokerPool, negotiateApis } from "./broker_pool.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import {
  ClientError,
  clientErrorOf,
  type ClientFailure,
  failureNamed,
  isAnswer,
  memberIdOf,
  responseOf,
} from "./client_error.ts";

/** What a member is made with. */
export interface ClientOptions {
  /** How brokers are reached, and under which name. */
  readonly connection: ConnectionOptions;
  readonly topic: string;
  readonly group: string;
  readonly sessionMs: number;
  /** Longest that the others wait for a member that ends its calls. */
  readonly rebalanceMs: number;
}

/** Where the partitions of topics are led: by topic, by partition; -1 for none. */
export type Leaders = ReadonlyMap<string, readonly number[]>;

/** A place in a group. */
export interface Membership {
  readonly memberId: string;
  readonly generation: number;
  readonly protocol: string;
  /** What the members subscribed to; of the leader only, else empty. */
  readonly members: ReadonlyArray<{ memberId: string; metadata: Uint8Array }>;
}

/** A record as it stands on a broker. */
export interface FetchedRecord {
  readonly offset: bigint;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: ReadonlyArray<readonly [Uint8Array | null, Uint8Array | null]>;
  /** Epoch ms. */
  readonly timestamp: number;
}

/** What a fetch brought of one partition. */
export interface Fetched {
  readonly partition: number;
  readonly failure: ClientFailure | undefined;
  /** Records from the asked offset on; those of aborted transactions are left out. */
  readonly records: readonly FetchedRecord[];
  /** Where to go on; the asked offset where nothing came. */
  readonly next: bigint;
  readonly highWatermark: bigint;
}

/** What is wanted of one partition. */
export interface Wanted {
  readonly partition: number;
  readonly offset: bigint;
  readonly maxBytes: number;
}

type FetchResponse = Awaited<ReturnType<kafka.Consumer["fetch"]>>;
type FetchedPartition = FetchResponse["responses"][number]["partitions"][number];

/** Longest wait for the answer to a request that does not wait for anything itself. */
const requestMs = 10_000;
const connectMs = 5000;
/** Sessionless: every fetch says all it wants. */
const noSession = [0, -1] as const;
const readCommitted = 1;

/** See the module's header. Every method rejects with {@link ClientError}. */
export class ConsumerClient {
  readonly #options: ClientOptions;
  #control: kafka.ConnectionPool;
  #fetches: kafka.ConnectionPool;
  #apis: Map<string, Api> | undefined;
  #brokers = new Map<number, kafka.Broker>();
  #topicId = "";
  #coordinator: kafka.Broker | undefined;
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#control = this.#pool();
    this.#fetches = this.#pool();
  }

  /** Partitions of `topics` and who leads them. Rejects with `trouble` where the listener's own topic does not exist. */
  async leaders(topics: readonly string[]): Promise<Leaders> {
    const response = await this.#ask("Metadata", this.#anyBroker(), requestMs, [...topics], false, false);
    this.#brokers = new Map(
      response.brokers.map(({ nodeId, host, port }: kafka.Broker & { nodeId: number }) => [
        nodeId,
        { host, port },
      ]),
    );
    const leaders = new Map<string, number[]>();
    for (const { name, topicId, partitions } of response.topics) {
      if (name === this.#options.topic) this.#topicId = topicId;
      const row: number[] = new Array(partitions.length).fill(-1);
      for (const { partitionIndex, leaderId } of partitions) row[partitionIndex] = leaderId;
      leaders.set(name, row);
    }
    return leaders;
  }

  /**
   * Joins; waits until all members have, or the time for it is over. An empty id asks for a new one. Rejects with
   * `lost` where the group does not know that id any more.
   */
  async join(
    memberId: string,
    protocols: ReadonlyArray<{ name: string; metadata: Uint8Array }>,
  ): Promise<Membership> {
    const { group, sessionMs, rebalanceMs } = this.#options;
    const offers = protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }));
    for (let id = memberId;;) {
      const coordinator = await this.#findCoordinator();
      try {
        const response = await this.#ask(
          "JoinGroup",
          coordinator,
          rebalanceMs + requestMs,
          ...[group, sessionMs, rebalanceMs, id, null, "consumer", offers, null],
        );
        return {
          memberId: response.memberId,
          generation: response.generationId,
          protocol: response.protocolName ?? "",
          members: response.leader === response.memberId ? response.members : [],
        };
      } catch (error) {
        const given = memberIdOf(error);
        if (given === "" || id !== "") throw error;
        id = given;
      }
    }
  }

  /** Resolves with this member's assignment; `assignments` are the leader's. */
  async sync(
    { memberId, generation, protocol }: Membership,
    assignments: ReadonlyArray<{ memberId: string; assignment: Uint8Array }>,
  ): Promise<Uint8Array> {
    const { group, rebalanceMs } = this.#options;
    const coordinator = await this.#findCoordinator();
    const given = assignments.map((one) => ({
      memberId: one.memberId,
      assignment: Buffer.from(one.assignment),
    }));
    const response = await this.#ask(
      "SyncGroup",
      coordinator,
      rebalanceMs + requestMs,
      ...[group, generation, memberId, null, "consumer", protocol, given],
    );
    return response.assignment;
  }

  async heartbeat({ memberId, generation }: Membership): Promise<void> {
    const coordinator = await this.#findCoordinator();
    await this.#ask(
      "Heartbeat",
      coordinator,
      this.#promptMs,
      this.#options.group,
      generation,
      memberId,
      null,
    );
  }

  /** Commits as this member of this generation: brokers refuse it from one that is no longer. */
  async commit(
    { memberId, generation }: Membership,
    offsets: ReadonlyArray<{ partition: number; offset: bigint }>,
  ): Promise<void> {
    const { group, topic: name } = this.#options;
    const coordinator = await this.#findCoordinator();
    const partitions = offsets.map(({ partition, offset }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    }));
    const topics = [{ name, partitions }];
    await this.#ask("OffsetCommit", coordinator, this.#promptMs, group, generation, memberId, null, topics);
  }

  /** Committed offsets; -1 where there is none. Waits for transactions that are about to commit some. */
  async committed(partitions: readonly number[]): Promise<Map<number, bigint>> {
    const { group: groupId, topic: name } = this.#options;
    const coordinator = await this.#findCoordinator();
    const group = {
      groupId,
      memberId: null,
      memberEpoch: -1,
      topics: [{ name, partitionIndexes: [...partitions] }],
    };
    const response = await this.#ask("OffsetFetch", coordinator, requestMs, [group], false);
    const rows = (response.groups?.[0] ?? response).topics[0]?.partitions ?? [];
    return new Map(
      rows.map((row: { partitionIndex: number; committedOffset: bigint }) => [
        row.partitionIndex,
        row.committedOffset,
      ]),
    );
  }

  /** The first offset of partitions that `node` leads, or the one after the last. */
  async offsets(
    node: number,
    partitions: readonly number[],
    which: "earliest" | "latest",
  ): Promise<Map<number, bigint>> {
    const timestamp = which === "earliest" ? -2n : -1n;
    const wanted = partitions.map((partitionIndex) => ({
      partitionIndex,
      currentLeaderEpoch: -1,
      timestamp,
    }));
    const topics = [{ name: this.#options.topic, partitions: wanted }];
    const response = await this.#ask(
      "ListOffsets",
      this.#broker(node),
      requestMs,
      -1,
      readCommitted,
      topics,
    );
    const rows = response.topics[0]?.partitions ?? [];
    return new Map(
      rows.map((row: { partitionIndex: number; offset: bigint }) => [row.partitionIndex, row.offset]),
    );
  }

  /** Waits up to `waitMs` for something to come. */
  async fetch(node: number, wanted: readonly Wanted[], waitMs: number): Promise<Fetched[]> {
    const partitions = wanted.map(({ partition, offset, maxBytes }) => ({
      ...{ partition, fetchOffset: offset, partitionMaxBytes: maxBytes },
      ...{ currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
    }));
    const maxBytes = wanted.reduce((sum, one) => sum + one.maxBytes, 0);
    const api = await this.#api("Fetch");
    const topicId = api.version <= 12 ? this.#options.topic : this.#topicId;
    let response: FetchResponse;
    try {
      response = await this.#send(
        this.#fetches,
        api,
        this.#broker(node),
        waitMs + requestMs,
        ...[waitMs, 1, Math.min(maxBytes, 2 ** 31 - 1), readCommitted, ...noSession],
        ...[[{ topicId, partitions }], [], ""],
      );
    } catch (error) {
      // What one partition lacks does not concern the others.
      response = responseOf(error) as FetchResponse;
      if (!response?.responses?.length) throw error;
    }
    const offsets = new Map(wanted.map(({ partition, offset }) => [partition, offset]));
    return response.responses.flatMap((topic) => topic.partitions)
      .filter(({ partitionIndex }) => offsets.has(partitionIndex))
      .map((part) => fetchedOf(part, offsets.get(part.partitionIndex)!));
  }

  /** The others need not wait for this member to fall silent. Never rejects. */
  async leave({ memberId }: Pick<Membership, "memberId">): Promise<void> {
    if (!this.#coordinator) return;
    try {
      await this.#ask("LeaveGroup", this.#coordinator, 2000, this.#options.group, [{
        ...{ memberId, groupInstanceId: null, reason: null },
      }]);
    } catch {
      // They find out when the session is over.
    }
  }

  /** Begins anew with connections and with what is known of the brokers. */
  reset(): void {
    if (this.#closed) return;
    void this.#control.close().catch(() => {});
    void this.#fetches.close().catch(() => {});
    this.#control = this.#pool();
    this.#fetches = this.#pool();
    this.#apis = undefined;
    this.#coordinator = undefined;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([this.#control.close(), this.#fetches.close()]);
  }

  // ------------------------------------------------------------------------------------------ requests

  /** Longest wait for what must not outlast the session. */
  get #promptMs(): number {
    return Math.min(requestMs, this.#options.sessionMs / 2);
  }

  #pool(): kafka.ConnectionPool {
    const { connection, rebalanceMs } = this.#options;
    // What waits shorter has a limit of its own.
    return brokerPool(connection, {
      connectTimeout: connectMs,
      requestTimeout: rebalanceMs + 2 * requestMs,
    });
  }

  async #findCoordinator(): Promise<kafka.Broker> {
    if (this.#coordinator) return this.#coordinator;
    const { group } = this.#options;
    const api = await this.#api("FindCoordinator");
    const key = api.version < 4 ? group : [group];
    const response = await this.#send(this.#control, api, this.#anyBroker(), requestMs, 0, key);
    const { host, port } = response.coordinators?.[0] ?? response;
    return this.#coordinator = { host, port };
  }

  #anyBroker(): readonly kafka.Broker[] {
    const known = [...this.#options.connection.brokers];
    for (const broker of this.#brokers.values()) {
      if (!known.some(({ host, port }) => host === broker.host && port === broker.port)) known.push(broker);
    }
    return known;
  }

  #broker(node: number): kafka.Broker {
    const broker = this.#brokers.get(node);
    if (!broker) throw new ClientError("leader", "The leader of the partition is not known");
    return broker;
  }

  async #ask(
    name: string,
    broker: kafka.Broker | readonly kafka.Broker[],
    limitMs: number,
    ...values: unknown[]
    // deno-lint-ignore no-explicit-any
  ): Promise<any> {
    return await this.#send(this.#control, await this.#api(name), broker, limitMs, ...values);
  }

  async #send(
    pool: kafka.ConnectionPool,
    api: Api,
    broker: kafka.Broker | readonly kafka.Broker[],
    limitMs: number,
    ...values: unknown[]
    // deno-lint-ignore no-explicit-any
  ): Promise<any> {
    const work = (async () => {
      const connection =
        await (Array.isArray(broker)
          ? pool.getFirstAvailable(broker as kafka.Broker[])
          : pool.get(broker as kafka.Broker));
      return await api.async(connection, ...values);
    })();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new ClientError("trouble", `A broker did not answer within ${limitMs} ms`)),
        limitMs,
      );
    });
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      // What did not answer in time holds up whatever comes after it.
      if (error instanceof ClientError && pool !== undefined) this.reset();
      const known = clientErrorOf(error);
      if (known.failure === "coordinator" || !isAnswer(error)) this.#coordinator = undefined;
      throw known;
    } finally {
      clearTimeout(timer);
      work.catch(() => {});
    }
  }

  /** The newest version that both sides know. */
  async #api(name: string): Promise<Api> {
    this.#apis ??= await negotiateApis((api, ...values) =>
      this.#send(this.#control, api, this.#anyBroker(), requestMs, ...values)
    );
    const api = this.#apis.get(name);
    if (!api) throw new ClientError("trouble", `The brokers do not know the request ${name}`);
    return api;
  }
}

const attribute = { transactional: 16, control: 32 };

/** Leaves out what was read already, marks of transactions, and records of those that were aborted (KIP-98). */
function fetchedOf(part: FetchedPartition, from: bigint): Fetched {
  const { partitionIndex: partition, errorCode, highWatermark } = part;
  if (errorCode !== 0) {
    const failure = failureNamed(new kafka.ProtocolError(errorCode).apiId);
    return { partition, failure, records: [], next: from, highWatermark: -1n };
  }
  const records: FetchedRecord[] = [];
  const aborts = [...part.abortedTransactions ?? []].sort((a, b) => a.firstOffset < b.firstOffset ? -1 : 1);
  const aborted = new Set<bigint>();
  let next = from;
  for (const batch of part.records ?? []) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
    while (aborts.length > 0 && aborts[0]!.firstOffset <= last) aborted.add(aborts.shift()!.producerId);
    if (last + 1n > next) next = last + 1n;
    if (batch.attributes & attribute.control) {
      // version int16, type int16: 0 is an abort
      if (batch.records[0]?.key?.readInt16BE(2) === 0) aborted.delete(batch.producerId);
      continue;
    }
    if (batch.attributes & attribute.transactional && aborted.has(batch.producerId)) continue;
    const firstTimestamp = Number(batch.firstTimestamp);
    for (const record of batch.records) {
      const offset = batch.firstOffset + BigInt(record.offsetDelta);
      if (offset < from) continue;
      const timestamp = firstTimestamp + Number(record.timestampDelta);
      records.push({ offset, key: record.key, value: record.value, headers: record.headers, timestamp });
    }
  }
  return { partition, failure: undefined, records, next, highWatermark };
}
