/**
 * ZeroMQ: what a message costs that goes through the whole stack of a listener, beside the loops that people write with
 * pyzmq and with the package zeromq on Node. One process receives, one sends (bench/peers/zmq_load.ts, blocking calls of
 * libzmq). `deno task bench zmq --rounds 5 --seconds 3`
 */
import { alternate } from "./alternate.ts";
import { prepareNode, preparePython } from "./prepare.ts";
import { type ProgramOptions, runToEnd, startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { shareTable } from "./table.ts";

const bytes = 11;
const inFlight = 64;
type Kind = "pull" | "router";

const titles: Readonly<Record<Kind, string>> = {
  pull: `PUSH to PULL, ${bytes} bytes, 1 connection`,
  router: `DEALER to ROUTER and back, ${bytes} bytes, ${inFlight} in flight`,
};

interface Figures {
  perSecond: number;
  /** Of the receiving process, its I/O thread included. */
  cpuMicroseconds: number;
}

interface Receiver {
  readonly name: string;
  program(kind: Kind, port: number): Promise<Omit<ProgramOptions, "url">>;
}

const peers = new URL("peers/", import.meta.url).pathname;
const weir = "Weir, handler";
const python = "pyzmq, loop";
const node = "zeromq on Node, loop";

/** What ours is to be at least, by kind. */
const targets: Readonly<Record<Kind, ReadonlyMap<string, number>>> = {
  pull: new Map([[python, 1], [node, 3]]),
  router: new Map([[python, 1], [node, 1]]),
};

const receivers: readonly Receiver[] = [
  {
    name: weir,
    program(kind, port) {
      const ports = kind === "pull" ? [port, port + 1] : [port + 1, port];
      return Promise.resolve({
        command: [
          Deno.execPath(),
          "run",
          "-A",
          new URL("../mod.ts", import.meta.url).pathname,
          `${peers}zmq_weir.yaml`,
        ],
        env: { PORT: `${ports[0]}`, ROUTER_PORT: `${ports[1]}` },
      });
    },
  },
  {
    name: python,
    async program(kind, port) {
      const bin = await preparePython("zmq", ["pyzmq==27.1.0"]);
      return { command: [`${bin}/python`, `${peers}zmq_loop.py`], env: { KIND: kind, PORT: `${port}` } };
    },
  },
  {
    name: node,
    async program(kind, port) {
      const { folder, node } = await prepareNode("zmq", ["zeromq@6.8.0"]);
      return {
        command: [node, `${peers}zmq_loop.mjs`],
        env: { KIND: kind, PORT: `${port}`, FOLDER: folder },
      };
    },
  },
];

export const bench: Bench = {
  about: "messages through a listener, beside pyzmq and zeromq on Node",
  async run(options) {
    for (const kind of ["pull", "router"] as const) await compare(kind, options);
  },
};

async function compare(kind: Kind, options: BenchOptions): Promise<void> {
  const contenders = receivers
    .filter(({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)))
    .map((receiver) => ({ name: receiver.name, measure: () => measure(receiver, kind, options) }));
  const { figures, failures } = await alternate(
    contenders,
    options.rounds,
    (text) => console.error(`${kind}: ${text}`),
  );
  const samples = (pick: (figures: Figures) => number) =>
    new Map([...figures].map(([name, rounds]) => [name, rounds.map(pick)] as const));
  console.log(
    shareTable(titles[kind], "messages/s", samples(({ perSecond }) => perSecond), targets[kind]) + "\n",
  );
  const cpu = samples(({ cpuMicroseconds }) => cpuMicroseconds);
  console.log(shareTable(titles[kind], "µs of processor per message", cpu) + "\n");
  for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
}

async function measure(receiver: Receiver, kind: Kind, options: BenchOptions): Promise<Figures> {
  const { port, seconds, serverCpus, loadCpus } = options;
  await using program = await startProgram({
    ...await receiver.program(kind, port),
    url: () => connects(port),
    cpus: serverCpus,
  });
  const cpuOf = () => program.processes().reduce((sum, one) => sum + one.cpuSeconds, 0);
  const before = cpuOf();
  const pinned = loadCpus === undefined ? [] : ["taskset", "-c", loadCpus];
  const load = [Deno.execPath(), "run", "-A", `${peers}zmq_load.ts`];
  const told = JSON.stringify({ kind, port, seconds, bytes, inFlight });
  const perSecond = JSON.parse(await runToEnd([...pinned, ...load, told], { timeoutMs: 60_000 }));
  // The warm-up is as fast as the rest.
  return { perSecond, cpuMicroseconds: (cpuOf() - before) / (perSecond * (seconds + 0.5)) * 1e6 };
}

async function connects(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
