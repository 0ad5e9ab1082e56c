/**
 * Endpoints from ZooKeeper: the children of a node, each with its content (node_endpoints.ts), watched one by one and as
 * a list. Every connection is a new session that reads everything anew, so that an expired session, a restart or another
 * server of the list are all the same thing.
 */
import type { Scope } from "../../core/scope.ts";
import { mostEndpoints } from "../../core/upstream/endpoint_feed_source.ts";
import { background, type Discovery, type DiscoveryHost } from "./discovery.ts";
import { NodeEndpoints } from "./node_endpoints.ts";
import { NodePublisher } from "./node_publisher.ts";
import { RetryDelay } from "./retry_delay.ts";
import { EventType, openZookeeper, type ZookeeperSession } from "./zookeeper_session.ts";

/** How ZooKeeper is asked. */
export interface ZookeeperSourceOptions {
  /** Time of a session: a server that is silent for two thirds of it is left. */
  timeoutMs?: number;
}

/** `discover: { zookeeper: … }`. */
export function zookeeperDiscovery({ timeoutMs = 6000 }: ZookeeperSourceOptions = {}): Discovery {
  return {
    kind: "discovery",
    name: "zookeeper",
    make: (host, scope) => background(host, scope, follow(host, scope, timeoutMs)),
  };
}

/** Session after session until `scope` closes. */
async function follow(host: DiscoveryHost, scope: Scope, timeoutMs: number): Promise<void> {
  const servers = host.plan.zookeeper!.connect.split(",").map((text) => {
    const colon = text.lastIndexOf(":");
    return {
      hostname: text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
      port: Number(text.slice(colon + 1)),
    };
  });
  const delay = new RetryDelay(host.clock);
  const closed = new AbortController();
  scope.defer(() => closed.abort());
  for (let turn = Math.floor(host.clock.random() * servers.length); !scope.closed; turn++) {
    try {
      await oneSession(host, servers[turn % servers.length]!, timeoutMs, closed.signal, () => delay.reset());
    } catch (error) {
      if (!scope.closed) host.fail(error);
    }
    await delay.wait(closed.signal);
  }
}

async function oneSession(
  host: DiscoveryHost,
  server: { hostname: string; port: number },
  timeoutMs: number,
  signal: AbortSignal,
  onGood: () => void,
): Promise<void> {
  const { path, auth } = host.plan.zookeeper!;
  const nodes = new NodeEndpoints();
  const publisher = new NodePublisher(host, nodes, `${path} has no children`);
  const events: Array<[type: number, path: string]> = [];
  let wake = () => {};
  const session = await openZookeeper({
    ...server,
    auth,
    timeoutMs,
    clock: host.clock,
    // At most one per node and watch can wait here, so it is as bounded as the set.
    onEvent(type, path) {
      events.push([type, path]);
      wake();
    },
  }, signal);
  let ended: unknown;
  session.ended.catch((error) => {
    ended = error;
    wake();
  });
  try {
    let there = await list(session, path, nodes);
    onGood();
    for (;;) {
      if (there) publisher.changed();
      else host.fail(`there is no node ${path}`);
      if (events.length === 0 && ended === undefined) await new Promise<void>((resolve) => (wake = resolve));
      if (ended !== undefined) throw ended;
      there = await obey(session, path, nodes, events.splice(0)) ?? there;
    }
  } finally {
    publisher.close();
    session.close();
  }
}

/** Reads what these events say has changed; tells whether the node is there, where it looked. */
async function obey(
  session: ZookeeperSession,
  path: string,
  nodes: NodeEndpoints,
  events: ReadonlyArray<[type: number, path: string]>,
): Promise<boolean | undefined> {
  const changed: string[] = [];
  for (const [type, where] of events) {
    if (type === EventType.dataChanged && where !== path) changed.push(where);
    // It may be back by now, with another content and without a watch of ours.
    else if (type === EventType.deleted) nodes.delete(where);
  }
  await Promise.all(changed.map((where) => read(session, where, nodes)));
  // Anything else concerns the list: children came or went, or the node itself did.
  if (changed.length < events.length) return await list(session, path, nodes);
}

/** The children, and the content of those that are new. False where the node is not there; a watch waits for it then. */
async function list(session: ZookeeperSession, path: string, nodes: NodeEndpoints): Promise<boolean> {
  const names = await session.children(path);
  if (names === undefined) {
    nodes.keepOnly(new Set());
    // Somebody made it just now, or its watch will tell.
    return await session.exists(path) ? await list(session, path, nodes) : false;
  }
  if (names.length > mostEndpoints) {
    throw new Error(`${path} has ${names.length} children, more than ${mostEndpoints}`);
  }
  const paths = names.map((name) => path === "/" ? `/${name}` : `${path}/${name}`);
  nodes.keepOnly(new Set(paths));
  await Promise.all(paths.filter((one) => !nodes.has(one)).map((one) => read(session, one, nodes)));
  return true;
}

async function read(session: ZookeeperSession, path: string, nodes: NodeEndpoints): Promise<void> {
  const value = await session.data(path);
  if (value === undefined) nodes.delete(path);
  else nodes.set(path, value);
}
