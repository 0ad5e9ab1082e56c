/**
 * A real Apache Kafka for tests: one to three brokers, each a controller too, on free ports of loopback with data in a
 * folder that is removed at the end. `KAFKA_BROKERS=host:port,…` takes a cluster that runs already; then brokers cannot
 * be stopped. A Kafka that cannot be had is a failed test with a clear message, never a skipped one.
 */
import { join } from "node:path";
import { installKafka, type KafkaProgram, run } from "./kafka_install.ts";
import { type KafkaRecord, livingBrokers, makeTopic, readTopic } from "./kafka_records.ts";
import { makeCertificates } from "./make_certificates.ts";
import { connects, freePorts } from "./provision.ts";

export type { KafkaRecord } from "./kafka_records.ts";

/** Options of {@link startKafka}. */
export interface KafkaOptions {
  /** 1 to 3; 1 unless given. */
  brokers?: number;
  /** Clients come by TLS; `ca` of the cluster is the file of its authority. */
  tls?: boolean;
  /** Clients say who they are: `user` and `password` of the cluster. */
  sasl?: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  /** Settings of all brokers, beside and instead of those written here. */
  settings?: Record<string, string | number | boolean>;
  /** Where free ports are looked for; below the ephemeral range. */
  range?: { from: number; to: number };
  /** Niceness of the brokers, for measurements in which they stand for another machine; 0 unless given. */
  nice?: number;
  /** Longest wait for the cluster. */
  startMs?: number;
}

/** Topic settings of Kafka's (`max.message.bytes`) beside these. */
export interface TopicOptions {
  /** 1 unless given. */
  partitions?: number;
  /** As many as there are brokers unless given. */
  replicas?: number;
  [setting: string]: string | number | undefined;
}

/** A cluster that runs until it is disposed. */
export interface RunningKafka extends AsyncDisposable {
  /** `host:port` for clients, by TLS and SASL where asked for. */
  readonly brokers: readonly string[];
  /** The same brokers in the clear, for what a test looks at itself. */
  readonly plainBrokers: readonly string[];
  /** PEM file; empty without TLS. */
  readonly ca: string;
  readonly user: string;
  readonly password: string;
  createTopic(topic: string, options?: TopicOptions): Promise<void>;
  /** All records of a topic, ordered by partition and offset. */
  records(topic: string): Promise<KafkaRecord[]>;
  /** Names of the compressions that the topic's batches have. */
  compressions(topic: string): Promise<string[]>;
  /** SIGKILL; resolves when the process is gone. */
  kill(index: number): Promise<void>;
  /** SIGTERM; resolves when the process is gone. Partitions move to others first. */
  stop(index: number): Promise<void>;
  /** Starts it again with the same ports and data; resolves when it answers and, where there is a quorum, takes part. */
  start(index: number): Promise<void>;
  /** SIGSTOP: connections stay, nothing answers. */
  pause(index: number): void;
  /** SIGCONT. */
  resume(index: number): void;
}

const user = "weir";
const password = "pencil of the tests";

/** Starts a cluster and waits until all brokers take part. Throws Error with what is missing or what a broker said. */
export async function startKafka(options: KafkaOptions = {}): Promise<RunningKafka> {
  const given = Deno.env.get("KAFKA_BROKERS");
  if (given) return foreign(given.split(","), options);
  const count = options.brokers ?? 1;
  const program = await installKafka();
  const secured = options.tls === true || options.sasl !== undefined;
  const perBroker = secured ? 3 : 2;
  const ports = freePorts(count * perBroker, options.range ?? { from: 22_000, to: 32_000 });
  const folder = await Deno.makeTempDir({ prefix: "weir-kafka-" });
  const nodes = Array.from(
    { length: count },
    (_, i) =>
      new KafkaNode(
        program,
        i + 1,
        join(folder, `${i + 1}`),
        ports.slice(i * perBroker, (i + 1) * perBroker),
        options.nice ?? 0,
      ),
  );
  const plainBrokers = nodes.map(({ ports: [port] }) => `127.0.0.1:${port}`);
  const startMs = options.startMs ?? 60_000;
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node.end("SIGKILL")));
    await Deno.remove(folder, { recursive: true });
  };
  try {
    if (options.tls) await Deno.rename(await makeCertificates(["server"]), join(folder, "tls"));
    await format(program, nodes, options, folder);
    for (const node of nodes) node.spawn();
    await takePart(nodes, plainBrokers, startMs);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    brokers: secured ? nodes.map(({ ports }) => `127.0.0.1:${ports[2]}`) : plainBrokers,
    plainBrokers,
    ca: options.tls ? join(folder, "tls", "ca.pem") : "",
    ...{ user, password },
    ...topicsOf(plainBrokers, count),
    kill: (index) => nodes[index]!.end("SIGKILL"),
    stop: (index) => nodes[index]!.end("SIGTERM"),
    async start(index) {
      nodes[index]!.spawn();
      await takePart(nodes.filter(({ running }) => running), plainBrokers, startMs, count);
    },
    pause: (index) => nodes[index]!.signal("SIGSTOP"),
    resume: (index) => nodes[index]!.signal("SIGCONT"),
    [Symbol.asyncDispose]: dispose,
  };
}

function topicsOf(brokers: readonly string[], count: number) {
  return {
    async createTopic(topic: string, options: TopicOptions = {}) {
      const { partitions = 1, replicas = count, ...given } = options;
      const inSync = { "min.insync.replicas": Math.min(2, replicas) };
      const configs = { ...inSync, ...given as Record<string, string | number> };
      await makeTopic(brokers, topic, { partitions, replicas, configs });
    },
    records: async (topic: string) => (await readTopic(brokers, topic)).records,
    compressions: async (topic: string) => (await readTopic(brokers, topic)).compressions,
  };
}

function foreign(brokers: string[], options: KafkaOptions): RunningKafka {
  if (options.tls || options.sasl) {
    throw new Error("Cannot run this test on KAFKA_BROKERS: it needs TLS or SASL of its own");
  }
  const cannot = (): never => {
    throw new Error("Cannot run this test on KAFKA_BROKERS: it stops and starts brokers");
  };
  return {
    ...{ brokers, plainBrokers: brokers, ca: "", user: "", password: "" },
    ...topicsOf(brokers, Math.min(brokers.length, 3)),
    ...{ kill: cannot, stop: cannot, start: cannot, pause: cannot, resume: cannot },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** One broker and controller: ports for brokers and tests, for controllers, for clients. */
class KafkaNode {
  readonly #program: KafkaProgram;
  readonly id: number;
  readonly folder: string;
  readonly ports: readonly number[];
  #child: Deno.ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  running = false;
  /** The end of what it said. */
  said = "";

  readonly #nice: number;

  constructor(program: KafkaProgram, id: number, folder: string, ports: readonly number[], nice: number) {
    this.#nice = nice;
    this.#program = program;
    this.id = id;
    this.folder = folder;
    this.ports = ports;
  }

  spawn(): void {
    if (this.running) throw new Error(`Cannot start broker ${this.id}: it runs`);
    const { java, arguments: args } = this.#program;
    this.#child = new Deno.Command("nice", {
      args: ["-n", String(this.#nice), java, ...args, "kafka.Kafka", join(this.folder, "broker.properties")],
      ...{ cwd: this.folder, stdin: "null", stdout: "piped", stderr: "piped" },
    }).spawn();
    this.running = true;
    this.said = "";
    const { stdout, stderr, status } = this.#child;
    this.#ended = Promise.all([
      this.#listen(stdout),
      this.#listen(stderr),
      status.then(() => {
        this.running = false;
      }),
    ]);
  }

  async #listen(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.said = (this.said + decoder.decode(chunk, { stream: true })).slice(-3000);
    }
  }

  signal(name: Deno.Signal): void {
    if (!this.running) throw new Error(`Cannot signal broker ${this.id}: it does not run`);
    this.#child!.kill(name);
  }

  /** A broker that does not stop within 20 s is killed: a lone controller waits for its quorum. */
  async end(name: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.running) this.#child!.kill(name);
    const patience = setTimeout(() => this.running && this.#child!.kill("SIGKILL"), 20_000);
    await this.#ended;
    clearTimeout(patience);
  }
}

/** Waits until all of `nodes` answer and, where they are a majority of `count`, the cluster lists them. */
async function takePart(
  nodes: readonly KafkaNode[],
  brokers: readonly string[],
  startMs: number,
  count = nodes.length,
): Promise<void> {
  const limit = performance.now() + startMs;
  const quorum = nodes.length > count / 2;
  while (performance.now() < limit) {
    const dead = nodes.find(({ running }) => !running);
    if (dead) {
      throw new Error(`Cannot start Kafka: broker ${dead.id} ended. It said: ${dead.said || "nothing"}`);
    }
    if (!quorum) {
      if ((await Promise.all(nodes.map(({ ports }) => connects(ports[1]!)))).every(Boolean)) return;
    } else if (await connects(nodes[0]!.ports[0]!)) {
      const living = await livingBrokers(nodes.map(({ ports: [port] }) => `127.0.0.1:${port}`));
      if (nodes.every(({ id }) => living.includes(brokers[id - 1]!))) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = nodes.map(({ id, said }) => `${id}: ${said || "nothing"}`).join("\n");
  throw new Error(`Cannot start Kafka: not all brokers take part within ${startMs} ms. They said: ${said}`);
}

/** Formats once and copies: what differs are the numbers of the nodes and of their folders. */
async function format(
  program: KafkaProgram,
  nodes: readonly KafkaNode[],
  options: KafkaOptions,
  folder: string,
): Promise<void> {
  for (const node of nodes) {
    await Deno.mkdir(join(node.folder, "data"), { recursive: true });
    await Deno.writeTextFile(
      join(node.folder, "broker.properties"),
      settingsOf(node, nodes, options, folder),
    );
  }
  const [first] = nodes;
  const scram = options.sasl?.startsWith("SCRAM")
    ? ["--add-scram", `${options.sasl}=[name=${user},password="${password}"]`]
    : [];
  const args = [
    ...[...program.arguments, "kafka.tools.StorageTool", "format", "-t", identifier()],
    ...["-c", join(first!.folder, "broker.properties"), ...scram],
  ];
  const trouble = await run(program.java, args, folder, 60_000);
  if (trouble) throw new Error(`Cannot start Kafka: StorageTool: ${trouble}`);
  const data = join(first!.folder, "data");
  const meta = await Deno.readTextFile(join(data, "meta.properties"));
  for (const node of nodes.slice(1)) {
    const own = meta.replace(/node\.id=.*/, `node.id=${node.id}`)
      .replace(/directory\.id=.*/, `directory.id=${identifier()}`);
    await Deno.writeTextFile(join(node.folder, "data", "meta.properties"), own);
    await Deno.copyFile(
      join(data, "bootstrap.checkpoint"),
      join(node.folder, "data", "bootstrap.checkpoint"),
    );
  }
}

/** As Kafka's `Uuid`: 16 random bytes; a leading hyphen would be taken for an option. */
function identifier(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0]! &= 0x3f;
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function settingsOf(
  node: KafkaNode,
  nodes: readonly KafkaNode[],
  options: KafkaOptions,
  folder: string,
): string {
  const [plain, controller, client] = node.ports;
  const replicas = nodes.length;
  const inSync = Math.min(2, replicas);
  const settings: Record<string, string | number | boolean> = {
    "process.roles": "broker,controller",
    "node.id": node.id,
    "controller.quorum.voters": nodes.map(({ id, ports }) => `${id}@127.0.0.1:${ports[1]}`).join(","),
    listeners: [
      `PLAINTEXT://127.0.0.1:${plain}`,
      `CONTROLLER://127.0.0.1:${controller}`,
      ...(client === undefined ? [] : [`CLIENT://127.0.0.1:${client}`]),
    ].join(","),
    "listener.security.protocol.map": `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:${
      options.sasl ? "SASL_" : ""
    }${options.tls ? "SSL" : "PLAINTEXT"}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(node.folder, "data"),
    "auto.create.topics.enable": false,
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.segment.bytes": 8 << 20,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.segment.bytes": 8 << 20,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    "share.coordinator.state.topic.num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    "log.segment.bytes": 32 << 20,
    "log.index.size.max.bytes": 1 << 20,
    "log.cleaner.dedupe.buffer.size": 4 << 20,
    "num.network.threads": 2,
    "num.io.threads": 3,
    // A dead broker is found out within seconds.
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 4000,
    "controlled.shutdown.max.retries": 1,
    ...(options.tls ? tls(folder) : {}),
    ...(options.sasl ? sasl(options.sasl) : {}),
    ...options.settings,
  };
  return Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join("");
}

function tls(folder: string): Record<string, string> {
  const authority = join(folder, "tls", "ca.pem");
  const pair = join(folder, "tls", "pair.pem");
  const read = (name: string) => Deno.readTextFileSync(join(folder, "tls", name));
  Deno.writeTextFileSync(pair, read("server.key") + read("server.pem"), { mode: 0o600 });
  return {
    "listener.name.client.ssl.keystore.type": "PEM",
    "listener.name.client.ssl.keystore.location": pair,
    "listener.name.client.ssl.truststore.type": "PEM",
    "listener.name.client.ssl.truststore.location": authority,
  };
}

function sasl(mechanism: string): Record<string, string> {
  const login = mechanism === "PLAIN"
    ? `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user}="${password}";`
    : `org.apache.kafka.common.security.scram.ScramLoginModule required;`;
  return {
    "listener.name.client.sasl.enabled.mechanisms": mechanism,
    [`listener.name.client.${mechanism.toLowerCase()}.sasl.jaas.config`]: login,
  };
}
