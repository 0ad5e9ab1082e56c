/** The other implementations of the matrix as processes: one for all configurations that it serves or asks. */
import { connects } from "../../../tests/provision.ts";
import { cases, structs } from "./cases.ts";
import type { Peers } from "./provision_peers.ts";

/** How two sides talk. */
export interface Configuration {
  readonly name: string;
  readonly port: number;
  /** accelerated: binary, by a library's second implementation. old: binary without a version. */
  readonly protocol: "binary" | "accelerated" | "old" | "compact";
  readonly transport: "buffered" | "framed";
  /** Version of tracking that the peer speaks, and the one that the other side does; 0 for none. */
  readonly tracking: number;
  readonly theirs: number;
  /** Cases that are not asked. */
  readonly skip: readonly number[];
}

/** What came of one case. */
export interface Outcome {
  readonly configuration: string;
  /** Index in {@link cases}. */
  readonly case: number;
  /** What was wrong; null where nothing was. */
  readonly trouble: string | null;
}

/** One implementation. */
export interface Peer {
  readonly name: string;
  /** Versions of tracking that it can be set to. */
  readonly tracking: readonly number[];
  readonly serves: ReadonlyArray<Configuration["protocol"]>;
  readonly calls: ReadonlyArray<Configuration["protocol"]>;
  command(peers: Peers, role: "server" | "client"): string[];
  readonly library?: string;
}

const programs = new URL("./peers/", import.meta.url).pathname;

/** All of them. */
export const implementations: readonly Peer[] = [
  {
    name: "thriftpy2",
    library: "thriftpy2",
    tracking: [0, 2],
    serves: ["binary", "compact"],
    calls: ["binary", "compact", "old"],
    command: ({ python }, role) => [...python, `${programs}${role}.py`],
  },
  {
    name: "thriftpy",
    library: "thriftpy",
    tracking: [0, 1],
    serves: ["binary", "compact"],
    calls: ["binary", "compact"],
    command: ({ debianPython }, role) => [...debianPython, `${programs}${role}.py`],
  },
  {
    name: "Apache Python",
    library: "apache",
    tracking: [0],
    serves: ["binary", "compact"],
    calls: ["binary", "compact", "accelerated", "old"],
    command: ({ python }, role) => [...python, `${programs}${role}.py`],
  },
  {
    name: "Apache Node",
    tracking: [0],
    serves: ["binary", "compact"],
    calls: ["binary", "compact"],
    command: ({ node }, role) => [...node, `${programs}${role}.cjs`],
  },
];

const startMs = 15_000;
const callMs = 40_000;

/** Serves all of `configurations` until it is disposed of. */
export async function serve(
  peer: Peer,
  peers: Peers,
  configurations: readonly Configuration[],
): Promise<AsyncDisposable> {
  const child = await spawn(peer, peers, "server", configurations);
  const output = child.output();
  let ended = false;
  output.then(() => ended = true);
  const input = child.stdin;
  const dispose = async () => {
    // The end of its input is the sign to go.
    await input.close().catch(() => undefined);
    const patience = setTimeout(() => ended || child.kill("SIGKILL"), 2000);
    await output;
    clearTimeout(patience);
  };
  const limit = performance.now() + startMs;
  for (const { port } of configurations) {
    while (!await connects(port)) {
      if (ended || performance.now() > limit) {
        await dispose();
        const said = new TextDecoder().decode((await output).stderr).slice(-1000);
        throw new Error(`Cannot start the server of ${peer.name}: ${said || "no answer"}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return { [Symbol.asyncDispose]: dispose };
}

/** Asks every case in each of `configurations`. */
export async function ask(
  peer: Peer,
  peers: Peers,
  configurations: readonly Configuration[],
): Promise<Outcome[]> {
  const child = await spawn(peer, peers, "client", configurations);
  const limit = setTimeout(() => child.kill("SIGKILL"), callMs);
  await child.stdin.close();
  const { stdout, stderr } = await child.output();
  clearTimeout(limit);
  const outcomes = new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"));
  const wanted = configurations.reduce((sum, { skip }) => sum + cases.length - skip.length, 0);
  if (outcomes.length !== wanted) {
    const said = new TextDecoder().decode(stderr).slice(-1000);
    throw new Error(`The client of ${peer.name} answered ${outcomes.length} of ${wanted} cases: ${said}`);
  }
  return outcomes.map((line) => JSON.parse(line));
}

async function spawn(
  peer: Peer,
  peers: Peers,
  role: "server" | "client",
  configurations: readonly Configuration[],
): Promise<Deno.ChildProcess> {
  const { folder, nodeModules } = peers;
  const file = `${folder}/${peer.name.replace(" ", "-")}-${role}.json`;
  const told = { library: peer.library, folder, structs, cases, configurations };
  await Deno.writeTextFile(file, JSON.stringify(told));
  const [program, ...args] = peer.command(peers, role);
  return new Deno.Command(program!, {
    args: [...args, file],
    env: { NODE_PATH: nodeModules, PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
