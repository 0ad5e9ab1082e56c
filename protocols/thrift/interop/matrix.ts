/**
 * The matrix: every implementation with this project's as the other side, as client and as server, over every protocol,
 * transport and version of tracking. What an implementation cannot do by itself, and therefore is not asked, stands in
 * {@link cannot} with the reason.
 */
import { freePorts } from "../../../tests/provision.ts";
import { WeirProcess } from "../../../tests/system/weir_process.ts";
import { cases, categories } from "./cases.ts";
import { ask, type Configuration, implementations, type Outcome, type Peer, serve } from "./peer.ts";
import { type Peers, providePeers } from "./provision_peers.ts";

const ports = { from: 29_800, to: 30_600 };
const transports = ["buffered", "framed"] as const;
/** Version of tracking that this project speaks. */
const ours = 2;
const handler = new URL("./weir_service.ts", import.meta.url).pathname;
const caller = new URL("./weir_caller.ts", import.meta.url).pathname;

/** What a peer cannot do. */
interface Inability {
  readonly peer: string;
  readonly role?: "server" | "client";
  readonly protocol?: Configuration["protocol"];
  readonly category: string;
  readonly reason: string;
}

/** Found by asking the peer as client of itself and of the others. */
export const cannot: readonly Inability[] = [
  {
    peer: "Apache Node",
    category: "-0",
    reason: "writes -0 as 0",
  },
  {
    peer: "Apache Node",
    role: "server",
    category: "unknown",
    reason: "leaves out the type of a TApplicationException",
  },
  {
    peer: "Apache Node",
    protocol: "compact",
    category: "bools",
    reason: "reads every element of a list of bools as false",
  },
  ...["sparse", "order"].map((category): Inability => ({
    peer: "thriftpy",
    role: "client",
    protocol: "compact",
    category,
    reason:
      "leaves out the head of a bool field whose number is lower than the one before, or more than 15 higher",
  })),
  ...["sparse", "bool"].map((category): Inability => ({
    peer: "thriftpy",
    role: "server",
    protocol: "compact",
    category,
    reason: "the same; number 0, that of results, is lower",
  })),
];

/** A line of the table. */
export interface Row {
  readonly peer: string;
  /** Of the peer. */
  readonly role: "server" | "client";
  readonly configuration: Configuration;
  /** By category: what was wrong, of the cases that were asked. */
  readonly troubles: ReadonlyMap<string, readonly string[]>;
}

/** Asks everything. */
export async function runMatrix(): Promise<Row[]> {
  const peers = await providePeers();
  try {
    const rows: Row[] = [];
    for (const role of ["client", "server"] as const) {
      rows.push(...await (role === "client" ? asServer : asClient)(peers));
    }
    return rows;
  } finally {
    await Deno.remove(peers.folder, { recursive: true });
  }
}

/** What goes wrong where the peer of `one` asks itself exactly that. */
export async function troublesAmongThemselves(one: Inability): Promise<string[]> {
  const peers = await providePeers();
  try {
    const peer = implementations.find(({ name }) => name === one.peer)!;
    const configuration: Configuration = {
      name: "own",
      port: freePorts(1, ports)[0]!,
      protocol: one.protocol ?? "binary",
      transport: "framed",
      tracking: 0,
      theirs: 0,
      skip: [...cases.keys()].filter((index) => cases[index]!.category !== one.category),
    };
    await using _server = await serve(peer, peers, [configuration]);
    const outcomes = await ask(peer, peers, [configuration]);
    return outcomes.flatMap(({ trouble }) => trouble === null ? [] : [trouble]);
  } finally {
    await Deno.remove(peers.folder, { recursive: true });
  }
}

/** This project serves: two listeners, with tracking and without it. What clients speak, they find out. */
async function asServer(peers: Peers): Promise<Row[]> {
  const [tracking, native] = freePorts(2, ports) as [number, number];
  const listener = (port: number, tracking: boolean) => ({
    protocol: "thrift",
    listen: `127.0.0.1:${port}`,
    idl: `${peers.folder}/interop.thrift`,
    service: "Interop",
    handler,
    tracking,
  });
  await using _weir = await WeirProcess.start({
    manifest: {
      service: "interop",
      workers: { count: 1 },
      listeners: { tracking: listener(tracking, true), native: listener(native, false) },
    },
  });
  const all = await Promise.all(implementations.map(async (peer) => {
    const configurations = [
      ...configurationsOf(peer, "client", () => tracking, ours),
      ...configurationsOf(peer, "client", () => native, 0),
    ];
    return rowsOf(peer, "client", configurations, await ask(peer, peers, configurations));
  }));
  return all.flat();
}

/** This project calls: an upstream for every configuration of every peer. */
async function asClient(peers: Peers): Promise<Row[]> {
  await using servers = new AsyncDisposableStack();
  const free = freePorts(64, ports);
  const served = implementations.map((peer) => ({
    peer,
    configurations: configurationsOf(peer, "server", () => free.pop()!, ours),
  }));
  for (const { peer, configurations } of served) servers.use(await serve(peer, peers, configurations));
  const upstreams: Record<string, unknown> = {};
  for (const { configurations } of served) {
    for (const { name, port, protocol, transport } of configurations) {
      for (const tracking of [true, false]) {
        upstreams[upstreamName(name, tracking)] = {
          protocol: "thrift",
          discover: { static: [`127.0.0.1:${port}`] },
          thrift: {
            idl: `${peers.folder}/interop.thrift`,
            service: "Further",
            protocol,
            transport,
            tracking,
          },
        };
      }
    }
  }
  const port = free.pop()!;
  await using _weir = await WeirProcess.start({
    manifest: {
      service: "interop",
      workers: { count: 1 },
      listeners: {
        calls: { protocol: "http", listen: `127.0.0.1:${port}`, deadline: "20s", handler: caller },
      },
      upstreams,
    },
  });
  const rows: Row[] = [];
  for (const { peer, configurations } of served) {
    for (const configuration of configurations) {
      for (const tracking of [true, false]) {
        const theirs = tracking ? ours : 0;
        const upstream = upstreamName(configuration.name, tracking);
        const version = Math.min(theirs, configuration.tracking);
        const headers = { "x-request-id": "rid-weir", baggage: "tenant=t1" };
        const response = await fetch(
          `http://127.0.0.1:${port}/?upstream=${upstream}&version=${version}&skip=${configuration.skip}`,
          {
            headers,
          },
        );
        const text = await response.text();
        if (!response.ok) throw new Error(`The caller of ${upstream} answered ${response.status}: ${text}`);
        const outcomes = (JSON.parse(text) as Array<string | null>).map((trouble, index): Outcome => ({
          configuration: configuration.name,
          case: index,
          trouble,
        }));
        rows.push(...rowsOf(peer, "server", [{ ...configuration, theirs }], outcomes));
      }
    }
  }
  return rows;
}

function upstreamName(name: string, tracking: boolean): string {
  return `${name}-${tracking ? "tracking" : "native"}`.toLowerCase();
}

function configurationsOf(
  peer: Peer,
  role: Row["role"],
  portOf: () => number,
  theirs: number,
): Configuration[] {
  return (role === "server" ? peer.serves : peer.calls).flatMap((protocol) =>
    transports.flatMap((transport) =>
      peer.tracking.map((tracking) => ({
        name: `${peer.name.replace(" ", "-")}-${protocol}-${transport}-${tracking}-${theirs}`,
        port: portOf(),
        protocol,
        transport,
        tracking,
        theirs,
        skip: [...cases.keys()].filter((index) =>
          inability(peer.name, role, protocol, cases[index]!.category) !== undefined
        ),
      }))
    )
  );
}

function rowsOf(
  peer: Peer,
  role: Row["role"],
  configurations: readonly Configuration[],
  outcomes: readonly Outcome[],
): Row[] {
  return configurations.map((configuration) => {
    const troubles = new Map<string, string[]>();
    for (const { configuration: name, case: index, trouble } of outcomes) {
      if (name !== configuration.name) continue;
      const { category, method, sent } = cases[index]!;
      const found = troubles.get(category) ?? [];
      troubles.set(category, found);
      if (trouble !== null) found.push(`${method}(${JSON.stringify(sent).slice(1, 80)}): ${trouble}`);
    }
    return { peer: peer.name, role, configuration, troubles };
  });
}

/** Why `peer` cannot do `category`; undefined where it can. */
export function inability(
  peer: string,
  role: Row["role"],
  protocol: Configuration["protocol"],
  category: string,
): string | undefined {
  return cannot.find((one) =>
    one.peer === peer && one.category === category && (one.role ?? role) === role &&
    (one.protocol ?? protocol) === protocol
  )?.reason;
}

/** The table: a line per configuration, a column per category. */
export function matrixTable(rows: readonly Row[]): string {
  const width = Math.max(...categories.map((name) => name.length));
  const heads = Array.from(
    { length: width },
    (_, line) => `${" ".repeat(55)}${categories.map((name) => name.padStart(width)[line]).join(" ")}`,
  );
  const lines = rows.map((row) => {
    const { protocol, transport, tracking, theirs } = row.configuration;
    const what = `${row.peer.padEnd(14)}${row.role.padEnd(8)}${protocol.padEnd(12)}${
      transport.padEnd(10)
    }v${tracking}, v${theirs}`;
    const cells = categories.map((category) => {
      if (inability(row.peer, row.role, protocol, category)) return "-";
      return (row.troubles.get(category) ?? ["not asked"]).length === 0 ? "+" : "X";
    });
    return `${what.padEnd(55)}${cells.join(" ")}`;
  });
  const head = "+ well, X not, - the peer cannot; versions of tracking: the peer's, this project's\n";
  return head + [...heads, ...lines].join("\n");
}
