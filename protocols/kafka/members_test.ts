/** Consumer groups of several members, each a worker process of its own, against a real broker that all steps share. */
import assert from "node:assert/strict";
import { Admin, Consumer } from "@platformatic/kafka";
import { type RunningKafka, startKafka } from "../../tests/kafka.ts";
import { WeirProcess } from "../../tests/system/weir_process.ts";
import { control } from "./testdata/handlers.ts";
import { KafkaService, produce, range, until } from "./testdata/service.ts";

const written = new URL("./testdata/written.ts", import.meta.url).pathname;

/** One record that was done. */
interface Line {
  pid: number;
  partition: number;
  n: number;
  begun: number;
  ended: number;
}

/** A topic with numbered records, and the file where those that are done are listed. */
class Work implements AsyncDisposable {
  readonly kafka: RunningKafka;
  readonly topic: string;
  readonly folder: string;
  readonly file: string;

  constructor(kafka: RunningKafka, topic: string, folder: string) {
    this.kafka = kafka;
    this.topic = topic;
    this.folder = folder;
    this.file = `${folder}/done`;
  }

  static async make(kafka: RunningKafka, topic: string, partitions: number): Promise<Work> {
    await kafka.createTopic(topic, { partitions });
    const work = new Work(kafka, topic, await Deno.makeTempDir());
    await Deno.writeTextFile(work.file, "");
    return work;
  }

  async send(
    count: number,
    partitions: number,
    values: Record<string, unknown>,
    held?: number,
  ): Promise<void> {
    const { file, folder } = this;
    const records = Array.from({ length: count }, (_, n) => ({
      partition: n % partitions,
      value: { n, file, ...values, ...(n === held ? { until: `${folder}/go` } : {}) },
    }));
    await produce(this.kafka.brokers, this.topic, records);
  }

  manifest(service: string, workers: number, keys: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      service,
      workers: { count: workers, drain: "20s" },
      logs: {
        sinks: { access: { file: "./access.log" } },
        routes: [{ match: "access.*", to: ["access"], only: true }],
      },
      listeners: {
        events: {
          ...{ protocol: "kafka", brokers: this.kafka.brokers, topic: this.topic, group: this.topic },
          ...{ handler: written, session: "6s", deadLetters: `${this.folder}/dead`, ...keys },
        },
      },
    };
  }

  lines(): Line[] {
    return Deno.readTextFileSync(this.file).split("\n").filter(Boolean).map((line) => {
      const [pid, partition, n, begun, ended] = line.split(" ").map(Number);
      return { pid: pid!, partition: partition!, n: n!, begun: begun!, ended: ended! };
    });
  }

  numbers(): Set<number> {
    return new Set(this.lines().map(({ n }) => n));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function committed({ brokers }: RunningKafka, group: string, partitions: number): Promise<number[]> {
  const consumer = new Consumer({ groupId: group, clientId: "test", bootstrapBrokers: [...brokers] });
  try {
    const topics = [{ topic: group, partitions: Array.from({ length: partitions }, (_, i) => i) }];
    return (await consumer.listCommittedOffsets({ topics })).get(group)!.map(Number);
  } finally {
    await consumer.close();
  }
}

async function members({ brokers }: RunningKafka, group: string): Promise<string[]> {
  const admin = new Admin({ clientId: "test", bootstrapBrokers: [...brokers] });
  try {
    return [...(await admin.describeGroups({ groups: [group] })).get(group)!.members.keys()];
  } finally {
    await admin.close();
  }
}

const steps: Record<string, (kafka: RunningKafka) => Promise<void>> = {
  async "members come and leave: everything is done once, in order, and nothing is left uncommitted"(kafka) {
    await using work = await Work.make(kafka, "comers", 4);
    await work.send(1600, 4, { ms: 10 });
    await using first = await WeirProcess.start({ manifest: work.manifest("first", 1) });
    await until("the first begins", () => work.lines().length > 50);
    await using second = await WeirProcess.start({ manifest: work.manifest("second", 2) });
    await until("three processes work", () => new Set(work.lines().map(({ pid }) => pid)).size === 3);
    assert.equal(await second.stop(), 0);
    await until("everything is done", () => work.numbers().size === 1600);
    assert.equal(await first.stop(), 0);
    const lines = work.lines();
    assert.equal(lines.length, 1600);
    for (let partition = 0; partition < 4; partition++) {
      const own = lines.filter((line) => line.partition === partition).map(({ n }) => n);
      assert.deepEqual(own, own.toSorted((a, b) => a - b));
    }
    assert.deepEqual(await committed(kafka, "comers", 4), [400, 400, 400, 400]);
    assert.deepEqual(await members(kafka, "comers"), []);
  },

  async "a member that is killed: the others do its records, once more only what it had not committed"(
    kafka,
  ) {
    await using work = await Work.make(kafka, "killed", 4);
    await work.send(2000, 4, { ms: 10 });
    await using weir = await WeirProcess.start({ manifest: work.manifest("killed", 2) });
    const pids = () => [...new Set(work.lines().map(({ pid }) => pid))];
    await until("two processes work", () => pids().length === 2);
    await until("some is committed", async () => (await committed(kafka, "killed", 4)).every((n) => n > 100));
    const [victim] = pids();
    const at = Date.now();
    Deno.kill(victim!, "SIGKILL");
    await until("everything is done", () => work.numbers().size === 2000, 120_000);
    await weir.stop();
    const lines = work.lines();
    const seen = new Map<number, Line[]>();
    for (const line of lines) seen.set(line.n, [...seen.get(line.n) ?? [], line]);
    const repeated = [...seen.values()].filter(({ length }) => length > 1);
    for (const [one] of repeated) {
      // A commit a second; a busy machine may take as long for it.
      assert.ok(one!.pid === victim && one!.ended > at - 5000, JSON.stringify(one));
    }
    assert.ok(repeated.every(({ length }) => length === 2));
    assert.deepEqual(await committed(kafka, "killed", 4), [500, 500, 500, 500]);
  },

  async "with concurrency, a killed member's successor goes on with the first record that was not done"(
    kafka,
  ) {
    await using work = await Work.make(kafka, "prefix", 1);
    await work.send(40, 1, { ms: 0 }, 7);
    const manifest = work.manifest("prefix", 1, { concurrency: 4 });
    await using weir = await WeirProcess.start({ manifest });
    await until("all but one are done", () => work.lines().length === 39);
    await until("those before it are committed", async () => (await committed(kafka, "prefix", 1))[0] === 7);
    const before = work.lines();
    Deno.kill(before[0]!.pid, "SIGKILL");
    await Deno.writeTextFile(`${work.folder}/go`, "");
    await until("everything is done", () => work.numbers().size === 40);
    await until("all is committed", async () => (await committed(kafka, "prefix", 1))[0] === 40);
    const after = work.lines().slice(before.length).map(({ n }) => n).sort((a, b) => a - b);
    assert.deepEqual(after, Array.from({ length: 33 }, (_, i) => i + 7));
    await weir.stop();
  },

  async "a drain waits for the call that runs, commits it and leaves the group"(kafka) {
    await using work = await Work.make(kafka, "drained", 1);
    await work.send(10, 1, { ms: 0 }, 4);
    await using weir = await WeirProcess.start({ manifest: work.manifest("drained", 1) });
    await until("it waits", () => work.lines().length === 4);
    weir.signal("SIGTERM");
    await weir.until("it drains", async () => {
      const { children } = await weir.status();
      return children.some(({ role, state }) => role === "worker" && state === "draining");
    });
    await Deno.writeTextFile(`${work.folder}/go`, "");
    assert.equal((await weir.ended()).code, 0);
    assert.equal(work.lines().length, 5);
    assert.deepEqual(await committed(kafka, "drained", 1), [5]);
    assert.deepEqual(await members(kafka, "drained"), []);
  },

  async "a member that the group has put out commits nothing of what it had, and comes back"(kafka) {
    await kafka.createTopic("put-out");
    await produce(kafka.brokers, "put-out", [{ value: 1 }, { value: 2 }]);
    const keys = { brokers: kafka.brokers, topic: "put-out", group: "put-out" };
    await using service = await KafkaService.start(keys);
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    control.work = () => opened;
    await until("it works", () => control.running === 1);
    const [memberId] = await members(kafka, "put-out");
    const admin = new Admin({ clientId: "test", bootstrapBrokers: [...kafka.brokers] });
    await admin.removeMembersFromConsumerGroup({
      groupId: "put-out",
      members: [{ memberId: memberId! }] as never,
    });
    await admin.close();
    await until("it is back under another name", async () => {
      const now = await members(kafka, "put-out");
      return now.length === 1 && now[0] !== memberId && control.running === 2;
    });
    assert.ok((await committed(kafka, "put-out", 1))[0]! <= 0);
    open();
    await until("both are done", () => control.seen.length === 3);
    await service.stop();
    assert.deepEqual(control.seen.map(({ records: [one] }) => one!.value), [1, 1, 2]);
    assert.deepEqual(await committed(kafka, "put-out", 1), [2]);
  },
};

Deno.test("members of a kafka group", async (test) => {
  await using kafka = await startKafka({ range });
  for (const [title, step] of Object.entries(steps)) await test.step(title, () => step(kafka));
});
