/**
 * What a sink asks of the brokers beside Produce, and the connections that it goes over: of the client library the
 * connections and the codecs are used, not its producer. Nothing is tried twice and everything has a time limit; whoever
 * asks decides what a failure means. Questions have a connection of their own: a broker answers one request of a connection
 * after the other, and writing may take long.
 */
import * as kafka from "@platformatic/kafka";
import { type Api, brokerPool, negotiateApis } from "./broker_pool.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import { produce, type ProducedAnswer, type ProducedBatch } from "./produce_request.ts";

/** Who leads what. */
export interface Topic {
  /** Node of each partition; -1 for none. */
  readonly leaders: readonly number[];
  readonly brokers: ReadonlyMap<number, kafka.Broker>;
  /** `performance.now()` when it was asked for. */
  readonly at: number;
}

export interface ProducerClientOptions {
  readonly connection: ConnectionOptions;
  readonly topic: string;
  readonly acks: number;
  /** Longest wait of a leader for its followers. */
  readonly acksMs: number;
  /** Silence after which a connection is given up, with all that is asked over it. */
  readonly silenceMs: number;
  readonly connectMs: number;
}

type Metadata = {
  brokers: Array<kafka.Broker & { nodeId: number }>;
  topics: Array<{ errorCode: number; partitions: Array<{ partitionIndex: number; leaderId: number }> }>;
};
type Asked = "Metadata" | "InitProducerId";

/** Of a question that waits for nothing. */
const questionMs = 3000;
const closeMs = 1000;

export class ProducerClient {
  readonly #options: ProducerClientOptions;
  readonly #questions: kafka.ConnectionPool;
  readonly #writes: kafka.ConnectionPool;
  #versions: Promise<ReadonlyMap<string, Api>> | undefined;
  #topic: Topic | undefined;
  #refreshing: Promise<Topic> | undefined;
  /** Which broker is asked first: the next one after a failure, for one that hangs can be connected to. */
  #turn = 0;

  constructor(options: ProducerClientOptions) {
    this.#options = options;
    const { silenceMs } = options;
    this.#questions = this.#pool(Math.min(silenceMs, questionMs));
    this.#writes = this.#pool(silenceMs);
  }

  /** What was known last. */
  get topic(): Topic | undefined {
    return this.#topic;
  }

  /** Asks who leads, once for all who want to know now; makes the topic where the brokers allow that. */
  refresh(): Promise<Topic> {
    return this.#refreshing ??= this.#refresh().finally(() => this.#refreshing = undefined);
  }

  async #refresh(): Promise<Topic> {
    let response: Metadata;
    try {
      response = await this.#ask("Metadata", [this.#options.topic], true, false);
    } catch (error) {
      // That one partition has no leader does not concern the others.
      const partial = (error as { response?: Partial<Metadata> }).response;
      if (partial?.topics?.[0]?.errorCode !== 0) throw error;
      response = partial as Metadata;
    }
    const leaders: number[] = [];
    for (const { partitionIndex, leaderId } of response.topics[0]!.partitions) {
      leaders[partitionIndex] = leaderId;
    }
    const brokers = new Map<number, kafka.Broker>();
    for (const { nodeId, host, port } of response.brokers) brokers.set(nodeId, { host, port });
    return this.#topic = {
      leaders: Array.from(leaders, (leader) => leader ?? -1),
      brokers,
      at: performance.now(),
    };
  }

  /** A producer that nobody else is. */
  async newProducer(): Promise<{ producerId: bigint; producerEpoch: number }> {
    const { producerId, producerEpoch } = await this.#ask("InitProducerId", null, 60_000, -1n, -1);
    return { producerId, producerEpoch };
  }

  /** See {@link produce}. */
  async produce(node: number, batches: readonly ProducedBatch[]): Promise<Map<number, ProducedAnswer>> {
    const { topic, acks, acksMs } = this.#options;
    const broker = this.#topic?.brokers.get(node);
    if (!broker) throw new Error(`Broker ${node} is not known`);
    const { version } = await this.#api("Produce");
    return await produce(await this.#writes.get(broker), batches, {
      version,
      topic,
      acks,
      timeoutMs: acksMs,
    });
  }

  /** Never rejects; what is on its way ends. `flush` waits up to a second for what was not written to the sockets yet. */
  async close(flush: boolean): Promise<void> {
    await Promise.all([shut(this.#questions, false), shut(this.#writes, flush)]);
  }

  #pool(silenceMs: number): kafka.ConnectionPool {
    const { connection, connectMs } = this.#options;
    return brokerPool(connection, { connectTimeout: connectMs, requestTimeout: silenceMs });
  }

  // deno-lint-ignore no-explicit-any -- the codecs of the library check what they read
  async #ask(name: Asked, ...values: unknown[]): Promise<any> {
    const api = await this.#api(name);
    return await this.#answered((connection) => api.async(connection, ...values));
  }

  async #answered<T>(question: (connection: kafka.Connection) => Promise<T>): Promise<T> {
    const known = [...this.#options.connection.brokers, ...this.#topic?.brokers.values() ?? []];
    const first = this.#turn % known.length;
    try {
      const order = [...known.slice(first), ...known.slice(0, first)];
      return await question(await this.#questions.getFirstAvailable(order));
    } catch (error) {
      this.#turn++;
      throw error;
    }
  }

  async #api(name: Asked | "Produce"): Promise<Api> {
    const versions = this.#versions ??= negotiateApis((api, ...values) =>
      this.#answered((connection) => api.async(connection, ...values))
    );
    try {
      const api = (await versions).get(name);
      if (!api) throw new Error(`The brokers do not know the request ${name} as it is known here`);
      return api;
    } catch (error) {
      if (this.#versions === versions) this.#versions = undefined;
      throw error;
    }
  }
}

async function shut(pool: kafka.ConnectionPool, flush: boolean): Promise<void> {
  const connections = [...pool].map(([, connection]) => connection);
  // One that is not connected yet would stay until it is.
  const lost = connections.filter((connection) => !flush || !connection.isConnected());
  const closed = pool.close().catch(() => {});
  for (const { socket } of lost) socket?.destroy();
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([closed, new Promise<void>((resolve) => timer = setTimeout(resolve, closeMs))]);
  clearTimeout(timer);
  for (const { socket } of connections) socket?.destroy();
}
