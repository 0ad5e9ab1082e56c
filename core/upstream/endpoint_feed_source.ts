/**
 * Sources of endpoints as core knows them: what one has said ({@link EndpointSet}), its identity, and the function that
 * watches them, which is passed in because core knows no name service. Upstreams that ask the same thing share a source.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { EndpointSourceState, EndpointSpec } from "../endpoint.ts";
import type { Address, UpstreamPlan, ZmqAddress } from "../manifest/plan.ts";

/** `discover` of an upstream. */
export type DiscoverPlan = UpstreamPlan["discover"];

/** All that a source has to say at one moment. Empty specs: nothing was ever known. */
export interface EndpointSet {
  /** Another number for every other content, growing, restarts included. */
  readonly version: number;
  readonly state: EndpointSourceState;
  readonly specs: readonly EndpointSpec[];
}

/** Most endpoints that one source may have; an answer with more is not taken. */
export const mostEndpoints = 65_536;

/** What watching needs and whom it tells. */
export interface WatchHost {
  readonly clock: Clock;
  readonly log: Log;
  /** What was known of a source before this process: the beginning of its set. */
  known(key: string): EndpointSet | undefined;
  /** The set of a source, or its state, is another one now. */
  publish(key: string, set: EndpointSet): void;
}

/** Sources that are being watched. */
export interface WatchedSources {
  /** Watches what these upstreams need from now on, and nothing else; what goes on being needed is not interrupted. */
  watch(upstreams: Readonly<Record<string, { readonly discover: DiscoverPlan }>>): void;
  close(): Promise<void>;
}

/** Begins to watch: governance/discovery has it. */
export type WatchEndpoints = (host: WatchHost) => WatchedSources;

/** True where the endpoints have to be watched; static ones stand in the plan. */
export function isWatched(discover: DiscoverPlan): boolean {
  return discover.static === undefined && discover.listen === undefined;
}

/** True where an upstream of the plan has endpoints that have to be watched. */
export function needsWatching(plan: { upstreams: Record<string, { discover: DiscoverPlan }> }): boolean {
  return Object.values(plan.upstreams).some(({ discover }) => isWatched(discover));
}

/** Identity of a source: the same for upstreams that ask the same thing. A file name; tells no secret. */
export function sourceKey(discover: DiscoverPlan): string {
  const kind = Object.keys(discover)[0] ?? "none";
  const secrets = new Set(["password", "auth"]);
  const text = JSON.stringify(discover, (name, value) => secrets.has(name) ? null : value);
  return `${kind}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

/** A source as people see it: `dns users.internal`, `etcd /services/users/`. */
export function sourceText(discover: DiscoverPlan): string {
  if (discover.dns) return `dns ${discover.dns.srv ?? discover.dns.name}`;
  if (discover.file !== undefined) return `file ${discover.file}`;
  if (discover.etcd) return `etcd ${discover.etcd.prefix}`;
  if (discover.zookeeper) return `zookeeper ${discover.zookeeper.path}`;
  if (discover.registry !== undefined) return `registry ${discover.registry}`;
  if (discover.listen) return "listen";
  return "static";
}

/** The endpoints that stand in the plan itself; nothing for other sources. Those to listen on are written as `tcp://…`. */
export function staticSpecs({ static: written, listen }: DiscoverPlan): EndpointSpec[] {
  if (listen) {
    return listen.map((address) => ({ address: endpointText(address), weight: 1, role: null, priority: 0 }));
  }
  return (written ?? []).map(({ address, weight, role, priority }) => ({
    address: addressText(address),
    weight,
    role,
    priority,
  }));
}

/** `tcp://host:port`, `ipc:///path` or `inproc://name`. */
export function endpointText(address: ZmqAddress): string {
  if (address.transport === "inproc") return `inproc://${address.name}`;
  return address.transport === "unix" ? `ipc://${address.path}` : `tcp://${addressText(address)}`;
}

/** `host:port`, `[::1]:port` or `unix:/path`. */
export function addressText(address: Address): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
