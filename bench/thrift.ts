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

interface Figures {
  perSecond: number;
  /** Of all processes of the server. */
  cpuMicroseconds: number;
  /** Share of its core that the load needed; near 1 it is what was measured. */
  loadBusy: number;
}

interface Contender {
  readonly name: string;
  readonly tracking: boolean;
  readonly target?: number;
  program(port: number, folder: string): Promise<Omit<ProgramOptions, "url" | "cpus">>;
}

const peers = new URL("peers/", import.meta.url).pathname;
const main = new URL("../mod.ts", import.meta.url).pathname;

/** The first of each kind is what the others are compared to. */
const contenders: readonly Contender[] = [
  { name: "Weir, everything on", tracking: false, program: weir },
  {
    name: "thriftpy2 TThreadedServer",
    tracking: false,
    target: atLeast,
    program: (port) => python("thrift_threaded.py", { PORT: String(port) }),
  },
  {
    name: "thriftpy2 pre-fork",
    tracking: false,
    target: atLeast,
    // A process per connection: it serves one at a time until that ends.
    program: (port) => python("thrift_prefork.py", { PORT: String(port), WORKERS: String(connections) }),
  },
  { name: "Apache Thrift on Node", tracking: false, target: atLeast, program: node },
  { name: "Weir, tracking", tracking: true, program: weir },
  {
    name: "thriftpy2 TThreadedServer, tracking",
    tracking: true,
    target: atLeast,
    program: (port) => python("thrift_threaded.py", { PORT: String(port), TRACKING: "1" }),
  },
];

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
    const pick = (tracking: boolean | undefined, of: (figures: Figures) => number): Samples =>
      new Map(
        wanted.filter((one) => tracking === undefined || one.tracking === tracking).flatMap(({ name }) => {
          const rounds = figures.get(name);
          return rounds ? [[name, rounds.map(of)] as const] : [];
        }),
      );
    const targets = new Map(wanted.map(({ name, target }) => [name, target]));
    for (const tracking of [false, true]) {
      const title = tracking ? "with tracking, version 2" : "without tracking";
      console.log(shareTable(title, "calls/s", pick(tracking, ({ perSecond }) => perSecond), targets) + "\n");
      const cpu = pick(tracking, ({ cpuMicroseconds }) => cpuMicroseconds);
      console.log(shareTable(title, "µs of processor per call", cpu) + "\n");
    }
    const own = new Map(
      [...pick(undefined, ({ perSecond }) => perSecond)].filter(([name]) => /^Weir/.test(name)),
    );
    console.log(ratioTable("tracking beside none (to be >= 0.9)", "calls/s", own) + "\n");
    const busy = pick(undefined, ({ loadBusy }) => loadBusy * 100);
    console.log(ratioTable("the load's own", "% of its core", busy) + "\n");
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

async function measure(contender: Contender, options: BenchOptions): Promise<Figures> {
  const { port, seconds, serverCpus = "0", loadCpus = "1" } = options;
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  try {
    const started = await contender.program(port, folder);
    await using program = await startProgram({ ...started, url: () => connects(port), cpus: serverCpus });
    const { tracking } = contender;
    // Compilers need a while; what is measured is a server that has been serving.
    await generate({ port, connections, tracking, seconds: Math.min(2, seconds) }, loadCpus);
    const before = cpuSeconds(program);
    const { calls, perSecond, busy } = await generate({ port, connections, tracking, seconds }, loadCpus);
    return { perSecond, cpuMicroseconds: (cpuSeconds(program) - before) / calls * 1e6, loadBusy: busy };
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
