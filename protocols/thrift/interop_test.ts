/**
 * Thrift against implementations that nobody here wrote, as client and as server, in both transports and protocols, with
 * every version of tracking. Prints a table of all cells.
 */
import assert from "node:assert/strict";
import { run } from "../../mod.ts";
import { connects, freePorts } from "../../tests/provision.ts";
import { type PeerCommand, type PeerName, preparePeers } from "./testdata/peers/peers.ts";

const range = { from: 27_100, to: 27_700 };
const here = new URL("./testdata/", import.meta.url).pathname;
const rpc = {
  protocol: "thrift",
  listen: "127.0.0.1:0",
  idl: `${here}everything.thrift`,
  service: "Test",
  handler: `${here}handler.ts`,
};
const quiet = { logs: { level: "fatal" as const }, meta: false as const };

const transports = ["buffered", "framed"] as const;
/** What each can do; `tracked` is the version of tracking it speaks. */
const peers: Record<PeerName, { protocols: readonly string[]; tracked: number }> = {
  thriftpy: { protocols: ["binary", "compact", "unstrict"], tracked: 1 },
  thriftpy2: { protocols: ["binary", "compact", "unstrict"], tracked: 2 },
  apache: { protocols: ["binary", "compact", "unstrict"], tracked: 0 },
  node: { protocols: ["binary", "compact"], tracked: 0 },
};

interface Cell {
  readonly peer: PeerName;
  readonly transport: string;
  readonly protocol: string;
  readonly tracking: "native" | "tracked";
}

const cells: Cell[] = Object.entries(peers).flatMap(([peer, { protocols, tracked }]) =>
  transports.flatMap((transport) =>
    protocols.flatMap((protocol) =>
      (tracked > 0 ? ["native", "tracked"] as const : ["native"] as const).map((tracking) => ({
        peer: peer as PeerName,
        transport,
        protocol,
        tracking,
      }))
    )
  )
);
const nameOf = ({ peer, transport, protocol, tracking }: Cell) =>
  `${peer} ${tracking} ${transport} ${protocol}`;

function peerProcess(command: PeerCommand, role: string, port: number, cell: Cell): Deno.ChildProcess {
  const { transport, protocol, tracking } = cell;
  return new Deno.Command(command.program, {
    args: [...command.args, role, `${port}`, transport, protocol, tracking],
    env: { ...command.env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs `work` on all of `items`, two at a time. */
async function twoAtATime<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const one = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all([one(), one()]);
}

/** One line per peer and kind of tracking, one column per transport and protocol. */
function table(title: string, outcomes: ReadonlyMap<string, Record<string, string>>): void {
  const columns = transports.flatMap((transport) =>
    ["binary", "compact", "unstrict"].map((p) => `${transport} ${p}`)
  );
  console.log(`\n${title.padEnd(20)}${columns.map((column) => column.padEnd(18)).join("")}`);
  for (const row of [...new Set([...outcomes.keys()].map((name) => name.split(" ").slice(0, 2).join(" ")))]) {
    const texts = columns.map((column) => {
      const results = outcomes.get(`${row} ${column}`);
      if (!results) return "-";
      const all = Object.values(results);
      const good = all.filter((text) => text === "ok").length;
      return `${good === all.length ? "ok" : "FAILED"} ${good}/${all.length}`;
    });
    console.log(`${row.padEnd(20)}${texts.map((text) => text.padEnd(18)).join("")}`);
  }
}

function judged(outcomes: ReadonlyMap<string, Record<string, string>>, count: number): void {
  const failed = [...outcomes].flatMap(([name, results]) =>
    Object.entries(results).filter(([, text]) => text !== "ok").map(([what, text]) =>
      `${name}: ${what}: ${text}`
    )
  );
  assert.deepEqual(failed, []);
  assert.equal(outcomes.size, count);
}

Deno.test("thrift interoperates with clients and servers of others", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "weir-thrift-" });
  try {
    const commands = await preparePeers(folder);
    await t.step("their clients call a listener", () => theirClients(commands, true));
    await t.step(
      "their tracked clients call a listener without tracking",
      () => theirClients(commands, false),
    );
    await t.step("an upstream calls their servers, and a listener", () => theirServers(commands));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function theirClients(commands: Record<PeerName, PeerCommand>, tracking: boolean): Promise<void> {
  await using service = await run(
    { service: "interop", listeners: { rpc: { ...rpc, tracking } }, ...quiet },
    {
      inProcess: true,
    },
  );
  await service.ready;
  const port = Number(service.addresses.rpc![0]!.split(":")[1]);
  const outcomes = new Map<string, Record<string, string>>();
  const tried = tracking
    ? cells
    : cells.filter((cell) => cell.tracking === "tracked" && cell.protocol === "binary");
  for (const cell of tried) outcomes.set(nameOf(cell), {});
  await twoAtATime(tried, async (cell) => {
    const child = peerProcess(commands[cell.peer], "client", port, cell);
    const { stdout, stderr } = await child.output();
    const text = new TextDecoder();
    let results: Record<string, string>;
    try {
      results = JSON.parse(text.decode(stdout));
    } catch {
      results = { start: text.decode(stderr).slice(-600) || "it said nothing" };
    }
    // Nothing of tracking is there to be seen.
    if (!tracking) delete results.tracking;
    outcomes.set(nameOf(cell), results);
  });
  table(tracking ? "their clients" : "without tracking", outcomes);
  judged(outcomes, tried.length);
}

async function theirServers(commands: Record<PeerName, PeerCommand>): Promise<void> {
  // An upstream writes versions.
  const served = cells.filter(({ protocol }) => protocol !== "unstrict");
  const ports = freePorts(served.length, range);
  const children = served.map((cell, index) =>
    peerProcess(commands[cell.peer], "server", ports[index]!, cell)
  );
  const outputs = children.map((child) => child.output());
  try {
    await Promise.all(served.map((cell, index) => answering(nameOf(cell), ports[index]!)));
    await using ours = await run({ service: "callee", listeners: { rpc }, ...quiet }, { inProcess: true });
    await ours.ready;
    const own = Number(ours.addresses.rpc![0]!.split(":")[1]);
    const upstreamOf = (port: number, transport: string, protocol: string, tracking: boolean) => ({
      protocol: "thrift",
      discover: { static: [`127.0.0.1:${port}`] },
      thrift: { idl: `${here}more.thrift`, transport, protocol, tracking },
      timeouts: { connect: "5s", attempt: "20s", total: "20s" },
      // Node's server answers a connection's calls as they are done, the others one after the other.
      pool: { connections: 2, wait: "10s" },
    });
    const upstreams: Record<string, unknown> = {};
    const tracked = new Map<string, number>();
    const names = new Map<string, string>();
    const add = (
      title: string,
      port: number,
      transport: string,
      protocol: string,
      version: number,
      tracking = true,
    ) => {
      const name = `u${names.size}`;
      names.set(name, title);
      upstreams[name] = upstreamOf(port, transport, protocol, tracking);
      tracked.set(name, version);
    };
    for (const [index, cell] of served.entries()) {
      const version = cell.tracking === "tracked" ? peers[cell.peer].tracked : 0;
      add(nameOf(cell), ports[index]!, cell.transport, cell.protocol, version);
    }
    for (const transport of transports) {
      for (const protocol of ["binary", "compact"]) {
        add(`weir tracked ${transport} ${protocol}`, own, transport, protocol, 2);
        add(`weir native ${transport} ${protocol}`, own, transport, protocol, 0, false);
      }
    }
    await using caller = await run({
      service: "interop",
      listeners: {
        web: { protocol: "http", listen: "127.0.0.1:0", handler: `${here}battery.ts`, deadline: "60s" },
      },
      upstreams,
      ...quiet,
    }, { inProcess: true });
    await caller.ready;
    const outcomes = new Map<string, Record<string, string>>();
    await twoAtATime([...names], async ([name, title]) => {
      const version = tracked.get(name)!;
      const url = `http://${caller.addresses.web![0]}/?upstream=${name}&tracked=${version}&peer=${
        title.split(" ")[0]
      }`;
      const response = await fetch(url, {
        headers: { "x-request-id": `id-of-${name}`, baggage: "tenant=seven" },
      });
      outcomes.set(title, await response.json());
    });
    table("their servers", outcomes);
    judged(outcomes, names.size);
  } finally {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    await Promise.all(outputs);
  }
}

async function answering(name: string, port: number): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!await connects(port)) {
    if (performance.now() > limit) throw new Error(`${name} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
