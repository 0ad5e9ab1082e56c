/**
 * Calls of a trivial method over Thrift, binary protocol, buffered transport: this project with its whole service around
 * one worker, thriftpy2's threaded server, a pre-fork server with thriftpy2 as gunicorn_thrift has one, Apache Thrift's
 * for Node; then the same with tracking, version 2, where a server knows it. Servers have one core with all their
 * processes, the load another. Beside calls per second it shows the processor time that a server takes per call.
 * `deno task bench thrift --rounds 5 --seconds 5`
 */
import { nodePackages, pythonPackages } from "../protocols/thrift/interop/provision_peers.ts";
import { alternate } from "./alternate.ts";
import { haveCommand } from "./loads.ts";
import { prepareNode, preparePython } from "./prepare.ts";
import { type Program, type ProgramOptions, runToEnd, startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { ratioTable, type Samples, shareTable } from "./table.ts";
import type { ThriftLoad, ThriftLoadReport } from "./thrift_load.ts";

const connections = 16;
const atLeast = 1.5;
/** A contender that is measured in two ways is measured in turns, so that the machine is the same for both. */
const turns = 4;
const kinds = ["native", "tracking"] as const;
type Kind = typeof kinds[number];

interface Figures {
  perSecond: number;
  /** Of all processes of the server. */
  cpuMicroseconds: number;
  /** Share of its core that the load needed; near 1 it is what was measured. */
  loadBusy: number;
}

interface Contender {
  readonly name: string;
  readonly kinds: readonly Kind[];
  program(port: number, folder: string): Promise<Omit<ProgramOptions, "url" | "cpus">>;
}

const peers = new URL("peers/", import.meta.url).pathname;
const main = new URL("../mod.ts", import.meta.url).pathname;

/** The first one is what the others are compared to. */
const contenders: readonly Contender[] = [
  { name: "Weir, everything on", kinds, program: weir },
  {
    name: "thriftpy2 TThreadedServer",
    kinds: ["native"],
    program: (port) => python("thrift_threaded.py", { PORT: String(port) }),
  },
  {
    name: "thriftpy2 TThreadedServer, tracking",
    kinds: ["tracking"],
    program: (port) => python("thrift_threaded.py", { PORT: String(port), TRACKING: "1" }),
  },
  {
    name: "thriftpy2 pre-fork",
    kinds: ["native"],
    // A process per connection: it serves one at a time until that ends.
    program: (port) => python("thrift_prefork.py", { PORT: String(port), WORKERS: String(connections) }),
  },
  { name: "Apache Thrift on Node", kinds: ["native"], program: node },
];

type Measured = ReadonlyMap<string, ReadonlyArray<Partial<Record<Kind, Figures>>>>;

export const bench: Bench = {
  about: `a trivial method over Thrift, ${connections} connections, servers on one core`,
  async run(options) {
    const wanted = contenders.filter(({ name }) =>
      options.only.length === 0 ||
      options.only.some((part) => name.toLowerCase().includes(part.toLowerCase()))
    );
    const { figures, failures } = await alternate(
      wanted.map((contender) => ({ name: contender.name, measure: () => measure(contender, options) })),
      options.rounds,
      (text) => console.error(text),
    );
    show(figures);
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

function show(figures: Measured): void {
  const pick = (kind: Kind, of: (figures: Figures) => number): Samples =>
    new Map(
      [...figures].map(([name, rounds]) =>
        [name, rounds.flatMap((round) => round[kind] ?? []).map(of)] as const
      )
        .filter(([, values]) => values.length > 0),
    );
  const [[first] = [""]] = figures;
  const targets = new Map([...figures.keys()].map((name) => [name, name === first ? undefined : atLeast]));
  for (const kind of kinds) {
    const title = kind === "tracking" ? "with tracking, version 2" : "without tracking";
    console.log(shareTable(title, "calls/s", pick(kind, ({ perSecond }) => perSecond), targets) + "\n");
    const cpu = pick(kind, ({ cpuMicroseconds }) => cpuMicroseconds);
    console.log(shareTable(title, "µs of processor per call", cpu) + "\n");
    console.log(
      ratioTable("the load's own", "% of its core", pick(kind, ({ loadBusy }) => loadBusy * 100)) + "\n",
    );
  }
  const both = (of: (figures: Figures) => number) =>
    new Map(kinds.map((kind) => [kind, pick(kind, of).get(first) ?? []]));
  console.log(
    ratioTable(`${first}: tracking is to be >= 0.9`, "calls/s", both(({ perSecond }) => perSecond)) + "\n",
  );
  // Turned round, so that this, too, is what tracking leaves.
  const perCpu = both(({ cpuMicroseconds }) => 1e6 / cpuMicroseconds);
  console.log(ratioTable(`${first}: the same`, "calls per second of processor", perCpu) + "\n");
}

async function measure(
  contender: Contender,
  options: BenchOptions,
): Promise<Partial<Record<Kind, Figures>>> {
  const { port, seconds, serverCpus = "0", loadCpus = "1" } = options;
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  try {
    const started = await contender.program(port, folder);
    await using program = await startProgram({ ...started, url: () => connects(port), cpus: serverCpus });
    const load = (kind: Kind, seconds: number) =>
      generate({ port, connections, tracking: kind === "tracking", seconds }, loadCpus);
    // Compilers need a while; what is measured is a server that has been serving.
    for (const kind of contender.kinds) await load(kind, Math.min(2, seconds));
    const sums = new Map(
      contender.kinds.map((kind) => [kind, { calls: 0, cpuSeconds: 0, busy: 0, perSecond: 0 }]),
    );
    for (let turn = 0; turn < turns; turn++) {
      for (const [kind, sum] of sums) {
        const before = cpuSeconds(program);
        const { calls, perSecond, busy } = await load(kind, seconds / turns);
        sum.cpuSeconds += cpuSeconds(program) - before;
        sum.calls += calls;
        sum.perSecond += perSecond / turns;
        sum.busy += busy / turns;
      }
    }
    return Object.fromEntries(
      [...sums].map(([kind, { calls, cpuSeconds, busy, perSecond }]): [Kind, Figures] => [
        kind,
        { perSecond, cpuMicroseconds: cpuSeconds / calls * 1e6, loadBusy: busy },
      ]),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function generate(load: ThriftLoad, cpus: string): Promise<ThriftLoadReport> {
  const script = new URL("thrift_load.ts", import.meta.url).pathname;
  const command = ["taskset", "-c", cpus, Deno.execPath(), "run", "-A", script, JSON.stringify(load)];
  return JSON.parse(await runToEnd(command));
}

function weir(port: number): ReturnType<Contender["program"]> {
  return Promise.resolve({
    command: [Deno.execPath(), "run", "-A", main, `${peers}thrift_weir.yaml`],
    env: { PORT: String(port), META_PORT: String(port + 1) },
  });
}

async function python(script: string, env: Record<string, string>): ReturnType<Contender["program"]> {
  const bin = await preparePython("thrift", pythonPackages);
  return { command: [`${bin}/python`, `${peers}${script}`], env };
}

async function node(port: number, folder: string): ReturnType<Contender["program"]> {
  await haveCommand("thrift", "thrift-compiler");
  const { folder: packages, node } = await prepareNode("thrift-node", nodePackages);
  await runToEnd(["thrift", "-o", folder, "--gen", "js:node", `${peers}thrift_hello.thrift`]);
  return {
    command: [node, `${peers}thrift_node.cjs`],
    env: {
      PORT: String(port),
      GENERATED: folder,
      NODE_PATH: `${packages}/node_modules`,
      NODE_ENV: "production",
    },
  };
}

function cpuSeconds(program: Program): number {
  return program.processes().reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

async function connects(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
