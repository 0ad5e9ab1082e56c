/** `deno task bench <name> [--rounds 5] [--seconds 5] …`: the comparisons, each one command. */
import { parseArgs } from "node:util";

/** What every module of a bench exports as `bench`. */
export interface Bench {
  /** One sentence. */
  readonly about: string;
  /** Measures and prints its tables. Resolves with false where something that has to hold does not. */
  run(options: BenchOptions): Promise<boolean | void>;
}

/** The arguments every bench takes. */
export interface BenchOptions {
  /** How often every contender is measured. */
  readonly rounds: number;
  /** How long one measurement lasts. */
  readonly seconds: number;
  /** How long one of those lasts that take their time. */
  readonly minutes: number;
  /** How many messages, where a bench counts them; undefined: as many as it says itself. */
  readonly count: number | undefined;
  /** Measure only contenders whose name contains one of these; all where empty. */
  readonly only: readonly string[];
  /** Processes of each server; 0: as many as there are cores. */
  readonly processes: number;
  /** Cores of the servers and of the load, as `taskset -c` takes them; undefined: the scheduler decides. */
  readonly serverCpus: string | undefined;
  readonly loadCpus: string | undefined;
  /** First of the 20 ports it may use. */
  readonly port: number;
}

/** The comparisons with others: each exports a {@link Bench}. */
const comparisons: Readonly<Record<string, string>> = {
  http: "./http.ts",
  frames: "./frames.ts",
  redis: "./redis.ts",
  "kafka-clients": "./kafka_clients.ts",
  zmq: "./zmq.ts",
  "zmq-stress": "./zmq_stress.ts",
  gateway: "./gateway.ts",
  thrift: "./thrift.ts",
  overload: "./overload.ts",
  pool: "./pool_listener.ts",
  start: "./start.ts",
  splitter: "./splitter.ts",
  lifecycle: "./lifecycle.ts",
  hang: "./hang.ts",
  faults: "./faults.ts",
  "stream-latency": "./stream_latency.ts",
  "stream-kills": "./stream_kills.ts",
  "stream-outage": "./stream_outage.ts",
  shipper: "./shipper.ts",
  consumer: "./consumer.ts",
  sim: "./sim/mod.ts",
  slow: "./slow.ts",
  soak: "./soak.ts",
  spool: "./spool.ts",
};

/** Measurements of single parts: programs with arguments of their own. */
const programs: Readonly<Record<string, string>> = {
  dispatch: "./pool.ts",
  stats: "./stats.ts",
  fuzz: "./fuzz.ts",
};

async function main(args: string[]): Promise<number> {
  if (Object.hasOwn(programs, args[0] ?? "")) return await runProgram(programs[args[0]], args.slice(1));
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "5" },
      minutes: { type: "string", default: "10" },
      count: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      processes: { type: "string", default: "0" },
      "server-cpus": { type: "string" },
      "load-cpus": { type: "string" },
      port: { type: "string", default: "26400" },
    },
  });
  const [name] = positionals;
  if (!Object.hasOwn(comparisons, name ?? "")) {
    console.error(
      `deno task bench <${
        Object.keys(comparisons).join("|")
      }> [--rounds 5] [--seconds 5] [--minutes 10] [--count n] [--only name]… [--processes n] ` +
        `[--server-cpus list] [--load-cpus list] [--port 26400]\n       deno task bench <${
          Object.keys(programs).join("|")
        }>`,
    );
    return 2;
  }
  const { bench }: { bench: Bench } = await import(comparisons[name]);
  const cores = navigator.hardwareConcurrency;
  console.log(`${name}: ${bench.about}`);
  console.log(
    `Deno ${Deno.version.deno}, ${cores} cores, ${Deno.osRelease()}, ${new Date().toISOString()}\n`,
  );
  const holds = await bench.run({
    rounds: positive(values.rounds, "--rounds"),
    seconds: positive(values.seconds, "--seconds"),
    minutes: positive(values.minutes, "--minutes"),
    count: values.count === undefined ? undefined : positive(values.count, "--count"),
    only: values.only,
    processes: Number(values.processes) || cores,
    serverCpus: values["server-cpus"],
    loadCpus: values["load-cpus"],
    port: positive(values.port, "--port"),
  });
  return holds === false ? 1 : 0;
}

async function runProgram(script: string, args: readonly string[]): Promise<number> {
  const path = new URL(script, import.meta.url).pathname;
  const { code } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", path, ...args] }).spawn()
    .status;
  return code;
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new RangeError(`${name} must be a number above 0, not ${text}`);
  }
  return value;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
