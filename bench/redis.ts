/**
 * GET from many concurrent callers over one connection: this project's client, bare and with the whole stack of an
 * upstream, beside ioredis with automatic pipelining and node-redis, on the same runtime and on Node. Every client is a
 * process of its own with the same load in it; the server is one redis-server that all of them use in turn.
 * `deno task bench redis --rounds 5 --seconds 3`
 */
import { alternate } from "./alternate.ts";
import { prepareNode } from "./prepare.ts";
import { runToEnd, startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { ratioTable } from "./table.ts";

const callers = 256;
const packages = ["ioredis@6.0.0", "@redis/client@6.3.1"];

interface Figures {
  perSecond: number;
  /** Of the client's process. */
  cpuMicroseconds: number;
}

interface Client {
  readonly name: string;
  measure(redisPort: number, options: BenchOptions): Promise<Figures>;
}

const peers = new URL("peers/", import.meta.url).pathname;
const deno = [Deno.execPath(), "run", "-A", "--unstable-net"];

/** The first one is what the others are compared to: the fastest of the known ones. */
const clients: readonly Client[] = [
  known("ioredis on Deno", "ioredis", deno),
  known("node-redis on Deno", "nodeRedis", deno),
  known("ioredis on Node", "ioredis"),
  known("node-redis on Node", "nodeRedis"),
  {
    name: "Weir, ctx.upstream",
    measure: inHandler,
  },
  {
    name: "Weir, bare session",
    measure: (port, options) => program([...deno, `${peers}redis_session.ts`], { port }, options),
  },
];

export const bench: Bench = {
  about: `GET of 64 bytes from ${callers} concurrent callers over one connection`,
  async run(options) {
    const { port, serverCpus } = options;
    const command = ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--save", ""];
    await using _server = await startProgram({ command, url: () => connects(port), cpus: serverCpus });
    const contenders = clients
      .filter(({ name }) =>
        options.only.length === 0 ||
        options.only.some((part) => name.toLowerCase().includes(part.toLowerCase()))
      )
      .map(({ name, measure }) => ({ name, measure: () => measure(port, options) }));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    const show = (unit: string, pick: (figures: Figures) => number) => {
      const samples = [...figures].map(([name, rounds]) => [name, rounds.map(pick)] as const);
      console.log(ratioTable("GET", unit, new Map(samples)) + "\n");
    };
    show("calls/s", ({ perSecond }) => perSecond);
    show("µs of processor per call", ({ cpuMicroseconds }) => cpuMicroseconds);
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

/** `runtime` is Node unless given. */
function known(name: string, client: string, runtime?: readonly string[]): Client {
  return {
    name,
    async measure(port, options) {
      const { folder, node } = await prepareNode("redis", packages);
      const command = [...runtime ?? [node], `${peers}redis_client.mjs`];
      return await program(command, { client, port, folder }, options);
    },
  };
}

async function program(
  command: readonly string[],
  told: Record<string, unknown>,
  { seconds, loadCpus }: BenchOptions,
): Promise<Figures> {
  const pinned = loadCpus === undefined ? [] : ["taskset", "-c", loadCpus];
  return JSON.parse(
    await runToEnd([...pinned, ...command, JSON.stringify({ ...told, callers, seconds })], { cwd: peers }),
  );
}

/** The same load where a handler would make its calls. */
async function inHandler(redisPort: number, { port, seconds, loadCpus }: BenchOptions): Promise<Figures> {
  const url = `http://127.0.0.1:${port + 1}/`;
  await using _service = await startProgram({
    command: [...deno, new URL("../mod.ts", import.meta.url).pathname, `${peers}redis_weir.yaml`],
    env: { PORT: `${port + 1}`, REDIS_PORT: `${redisPort}` },
    url,
    cpus: loadCpus,
  });
  const load = encodeURIComponent(JSON.stringify({ callers, seconds }));
  const response = await fetch(`${url}?load=${load}`);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return await response.json();
}

async function connects(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
