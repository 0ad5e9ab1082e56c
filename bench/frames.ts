/**
 * Echo over framed TCP: what a declared protocol costs beside a bare echo of bytes, the same written by hand, and Node.
 * Every server is one process that serves; the load is a process of its own (this file, started as a program). Beside
 * frames per second it shows the processor time that a server takes per frame, which does not depend on how fast the
 * load is. `deno task bench frames --rounds 5 --seconds 2`
 */
import { alternate } from "./alternate.ts";
import { type Program, type ProgramOptions, runToEnd, startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { ratioTable } from "./table.ts";

const connections = 32;
const frameBytes = 64;
const pipelines = [1, 16] as const;
const kinds = ["prefixed", "lines"] as const;
type Kind = typeof kinds[number];

/** One load; what the program gets as its argument. */
interface Load {
  readonly port: number;
  readonly kind: Kind;
  /** Frames that are sent before their replies are awaited. */
  readonly pipeline: number;
  readonly seconds: number;
}

interface Figures {
  perSecond: number;
  /** Of all processes of the server. */
  cpuMicroseconds: number;
}

interface Server {
  readonly name: string;
  /** Whether one port serves both framings. */
  readonly anyFraming: boolean;
  program(port: number): Omit<ProgramOptions, "url">;
}

const peers = new URL("peers/", import.meta.url).pathname;
const deno = [Deno.execPath(), "run", "-A", "--unstable-net"];

const servers: readonly Server[] = [
  {
    name: "bare Deno.listen, bytes",
    anyFraming: true,
    program: (port) => ({ command: [...deno, `${peers}frames_bare.ts`], env: { PORT: String(port) } }),
  },
  {
    name: "Deno.listen, framed by hand",
    anyFraming: false,
    program: (port) => ({ command: [...deno, `${peers}frames_by_hand.ts`], env: { PORT: String(port) } }),
  },
  {
    name: "Node net, bytes",
    anyFraming: true,
    program: (port) => ({ command: ["node", `${peers}frames_node.mjs`], env: { PORT: String(port) } }),
  },
  {
    name: "Weir",
    anyFraming: false,
    program: (port) => ({
      command: [...deno, new URL("../mod.ts", import.meta.url).pathname, `${peers}frames_weir.yaml`],
      env: { PORT: String(port), LINES_PORT: String(port + 1), META_PORT: String(port + 2) },
    }),
  },
];

export const bench: Bench = {
  about: `echo of frames of ${frameBytes} bytes, ${connections} connections, one serving process`,
  async run(options) {
    const wanted = servers.filter(({ name }) =>
      options.only.length === 0 ||
      options.only.some((part) => name.toLowerCase().includes(part.toLowerCase()))
    );
    const contenders = wanted.map((server) => ({
      name: server.name,
      measure: () => measure(server, options),
    }));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    for (const [index, { kind, pipeline }] of loads().entries()) {
      const show = (unit: string, pick: (figures: Figures) => number) => {
        const samples = [...figures].map(([name, rounds]) =>
          [name, rounds.map((all) => pick(all[index]))] as const
        );
        console.log(ratioTable(`${kind}, pipelining ${pipeline}`, unit, new Map(samples)) + "\n");
      };
      show("frames/s", ({ perSecond }) => perSecond);
      show("server µs of processor per frame", ({ cpuMicroseconds }) => cpuMicroseconds);
    }
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

function loads(): Array<Pick<Load, "kind" | "pipeline">> {
  return kinds.flatMap((kind) => pipelines.map((pipeline) => ({ kind, pipeline })));
}

async function measure(server: Server, options: BenchOptions): Promise<Figures[]> {
  const { port, seconds, serverCpus, loadCpus } = options;
  const url = () => answers(port);
  await using program = await startProgram({ ...server.program(port), url, cpus: serverCpus });
  const figures: Figures[] = [];
  for (const { kind, pipeline } of loads()) {
    const at = kind === "lines" && !server.anyFraming ? port + 1 : port;
    // Compilers need a while; what is measured is a server that has been serving.
    await generate({ port: at, kind, pipeline, seconds: Math.min(1, seconds) }, loadCpus);
    const before = cpuSeconds(program);
    const frames = await generate({ port: at, kind, pipeline, seconds }, loadCpus);
    figures.push({
      perSecond: frames / seconds,
      cpuMicroseconds: (cpuSeconds(program) - before) / frames * 1e6,
    });
  }
  return figures;
}

/** Processor time of all processes of `program` so far. */
function cpuSeconds(program: Program): number {
  return program.processes().reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

async function generate(load: Load, cpus?: string): Promise<number> {
  const pinned = cpus === undefined ? [] : ["taskset", "-c", cpus];
  const output = await runToEnd([...pinned, ...deno, import.meta.filename!, JSON.stringify(load)]);
  return Number(output);
}

/** One frame there and back on a fresh connection. */
async function answers(port: number): Promise<boolean> {
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const frame = batchOf("prefixed", 1);
    await conn.write(frame);
    return await readBack(conn, frame, new Uint8Array(frame.length));
  } catch {
    return false;
  }
}

function batchOf(kind: Kind, count: number): Uint8Array {
  const frame = new Uint8Array(frameBytes + (kind === "lines" ? 1 : 4)).fill(0x61);
  if (kind === "lines") frame[frameBytes] = 0x0a;
  else new DataView(frame.buffer).setUint32(0, frameBytes);
  const batch = new Uint8Array(frame.length * count);
  for (let index = 0; index < count; index++) batch.set(frame, index * frame.length);
  return batch;
}

/** Reads as many bytes as `batch` has; with `check`, whether they are the same. Throws Error when the peer closes. */
async function readBack(
  conn: Deno.Conn,
  batch: Uint8Array,
  memory: Uint8Array,
  check = true,
): Promise<boolean> {
  let same = true;
  for (let at = 0; at < batch.length;) {
    const count = await conn.read(memory);
    if (count === null) throw new Error("the server closed the connection");
    for (let index = 0; check && same && index < count; index++) same = memory[index] === batch[at + index];
    at += count;
  }
  return same;
}

/** The load: prints how many frames came back. Throws Error when one is not what was sent. */
async function run({ port, kind, pipeline, seconds }: Load): Promise<void> {
  const batch = batchOf(kind, pipeline);
  let frames = 0;
  let until = 0;
  const conns = await Promise.all(
    Array.from({ length: connections }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  until = performance.now() + seconds * 1000;
  await Promise.all(conns.map(async (conn) => {
    conn.setNoDelay(true);
    const memory = new Uint8Array(batch.length);
    // To compare every byte would make the load the slower side.
    let checks = 10;
    while (performance.now() < until) {
      for (let at = 0; at < batch.length;) at += await conn.write(batch.subarray(at));
      if (!await readBack(conn, batch, memory, checks-- > 0)) throw new Error("a reply is not what was sent");
      frames += pipeline;
    }
    conn.close();
  }));
  console.log(frames);
}

if (import.meta.main) await run(JSON.parse(Deno.args[0]));
