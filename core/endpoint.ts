/**
 * An endpoint is one address that an upstream can be reached at. Discovery says which there are ({@link EndpointSpec});
 * a worker makes one {@link Endpoint} of each, and balancer, health, pool and statistics all look at that one object.
 */
import type { FailureKind } from "./upstream_error.ts";

/** What discovery knows of one endpoint. Two specs with the same `address` and `role` are the same endpoint. */
export interface EndpointSpec {
  /** `host:port`, `[::1]:port` or `unix:/absolute/path`. */
  readonly address: string;
  /** Share of the traffic in relation to the others; > 0. */
  readonly weight: number;
  /** Role such as `replica`; null where it has none. */
  readonly role: string | null;
  /** Endpoints of the lowest number that has usable ones are used; 0 unless said. */
  readonly priority: number;
  /** Name that its TLS certificate carries, where that is not the host of the address (SRV targets, DNS names). */
  readonly serverName?: string;
}

/** What changed in a set of endpoints. An endpoint whose weight or priority differs stands in `changed`. */
export interface EndpointChange {
  readonly added: readonly EndpointSpec[];
  readonly removed: readonly EndpointSpec[];
  readonly changed: readonly EndpointSpec[];
}

/** Where the endpoints of an upstream come from, and how that goes; shown on the meta page. */
export interface EndpointSourceState {
  /** `static`, `dns users.internal`, `etcd /services/users/`, … */
  readonly source: string;
  /** Epoch ms of the last answer that was taken; 0 before the first. */
  readonly updatedAt: number;
  /** Why the last answer was not taken; empty where all is well. */
  readonly error: string;
  /** True while the set is the one that was kept on disk. */
  readonly cached: boolean;
}

/** The endpoints of this worker's upstreams as they come and go. */
export interface EndpointFeed {
  /** Calls back once with all that is known now (also when that is nothing), then with every change. */
  watch(upstream: string, onChange: (change: EndpointChange, state: EndpointSourceState) => void): () => void;
}

/** Identity of an endpoint within its upstream. */
export function endpointKey(spec: Pick<EndpointSpec, "address" | "role">): string {
  return spec.role === null ? spec.address : `${spec.address} ${spec.role}`;
}

/** Why an endpoint gets no traffic. */
export type OutOfUse = "ejected" | "unhealthy" | "operator" | "breaker";

/**
 * One endpoint of one upstream in this worker. Fields are plain and written by their one owner, named at each, because
 * balancers read them for every call.
 */
export class Endpoint {
  readonly key: string;
  /** Position that does not change while it lives; balancers may index by it. */
  readonly id: number;
  /** Owner: the endpoint set. */
  spec: EndpointSpec;
  /** Owner: the endpoint set. True once discovery has taken it away: its calls finish, new ones go elsewhere. */
  removed = false;
  /** Owner: the caller. Attempts that are not over, replies that still stream included. */
  inflight = 0;
  /** Owner: the caller. Totals since it was made. */
  attempts = 0;
  failures = 0;
  /** Owner: the balancer. Peak-EWMA of the attempts' latency, ms; 0 while unknown. */
  ewmaMs = 0;
  ewmaAt = 0;
  /** Owner: the balancer. Share of its attempts of late that failed, 0..1. */
  failing = 0;
  /** Owner: health. Whether calls may go to it, panic aside; `why` where not. */
  healthy = true;
  why: OutOfUse | "" = "";
  /** Owner: health. Monotonic ms until which it is out of use; Infinity until somebody says otherwise; 0 where it is not. */
  until = 0;
  /** Owner: health. Last cause, for people: "5 failures in a row, the last: connect". */
  cause = "";
  /** Owner: health. Monotonic ms since when it is in use (again); slow start counts from here; -Infinity: long ago. */
  since = -Infinity;
  /** Owner: health. How often it was ejected lately; the time aside grows with it. */
  ejections = 0;
  /** Owner: the caller. Last failure. */
  lastFailure: FailureKind | "" = "";

  constructor(id: number, spec: EndpointSpec) {
    this.id = id;
    this.spec = spec;
    this.key = endpointKey(spec);
  }
}
