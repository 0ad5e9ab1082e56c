/**
 * Many clients, each with the upstream stack of a worker, calling many simulated servers in virtual time. What is
 * simulated is network and servers; caller, pools, balancer, health, retry and breaker are the ones that workers run.
 */
import { Scope } from "../../core/scope.ts";
import { compile } from "../../core/manifest/mod.ts";
import type { Plan } from "../../core/manifest/plan.ts";
import type { FilterStats } from "../../core/server_filter.ts";
import { SharedInt32, type SharedNumbers } from "../../core/stats/mod.ts";
import { planFeed } from "../../core/upstream/plan_feed.ts";
import { Upstreams } from "../../core/upstream/upstreams.ts";
import type { UpstreamProtocol, Verdict } from "../../core/upstream/contract.ts";
import { policies } from "../../governance/policies.ts";
import { SimServer } from "./server.ts";
import type { UpstreamError } from "../../core/upstream_error.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** What is simulated. */
export interface CrowdOptions {
  clients: number;
  endpoints: number;
  /** Calls per second of each client. */
  rate: number;
  /** Mean service time in ms, requests at once and queue of each server. */
  serviceMs: number;
  atOnce: number;
  queue: number;
  /** Keys of the upstream in the manifest. */
  upstream: Record<string, unknown>;
}

/** What happened in a span of time. */
export class Tally {
  calls = 0;
  good = 0;
  attempts = 0;
  readonly latencies: number[] = [];
  /** Calls that were not good, by why: the failure, or the status that was answered. */
  readonly bad = new Map<string, number>();
}

const verdicts = new Map<number, Verdict>(
  [200, 500, 503].map((status) => [status, { ok: status === 200, status, retryAfterMs: 0 }]),
);

/** The protocol of simulated sessions: the reply is the status. */
const protocol: UpstreamProtocol<null, number, unknown> = {
  kind: "upstreamProtocol",
  name: "http",
  alpn: () => [],
  connect: () => {
    throw new TypeError("Cannot connect: sessions are simulated");
  },
  judge: (status) => verdicts.get(status)!,
  probe: () => ({ request: null, good: (status) => status === 200 }),
  handle: (caller) => caller,
};

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

const noStats: FilterStats = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ record() {} }),
};

/** Numbers shared by the workers of one host, and a client stands for a host. */
function ownNumbers(): SharedNumbers {
  const known = new Map<string, SharedInt32>();
  const int32 = (name: string) => {
    let one = known.get(name);
    if (!one) known.set(name, one = new SharedInt32(new Int32Array(1), 0));
    return one;
  };
  return { int32, acrossProcesses: true } as unknown as SharedNumbers;
}

/** See the module's header. */
export class Crowd {
  readonly clock: VirtualClock;
  readonly servers: SimServer[];
  tally = new Tally();
  readonly #options: CrowdOptions;
  readonly #scope = new Scope("crowd");

  constructor(clock: VirtualClock, options: CrowdOptions) {
    this.clock = clock;
    this.#options = options;
    this.servers = Array.from({ length: options.endpoints }, () => new SimServer(clock, options));
    const plan = planOf(options);
    const byAddress = new Map(this.servers.map((server, i) => [addressOf(i), server]));
    for (let i = 0; i < options.clients; i++) this.#addClient(plan, byAddress, i);
    this.#scope.defer(clock.every(1000, () => this.servers.forEach((server) => server.second())));
  }

  #addClient(plan: Plan, servers: ReadonlyMap<string, SimServer>, number: number): void {
    const { clock } = this;
    const upstreams = new Upstreams({
      plan,
      parts: { ...policies, protocols: [protocol] },
      feed: planFeed(plan, silent, clock),
      stats: noStats,
      shared: ownNumbers(),
      clock,
      logger: () => silent,
      open: (host) => servers.get(host.endpoint.spec.address)!.open(host),
    }, this.#scope.child(`client ${number}`));
    const caller = upstreams.caller("servers");
    const owner = { deadlineAt: Infinity, abandoned: false };
    const tickMs = 20;
    clock.after(clock.random() * tickMs, () => clock.every(tickMs, () => upstreams.tick(clock.now())));
    const meanMs = 1000 / this.#options.rate;
    const ask = () => {
      const at = clock.now();
      const { tally } = this;
      tally.calls++;
      const over = (end: string) => {
        if (end === "200") tally.good++;
        else tally.bad.set(end, (tally.bad.get(end) ?? 0) + 1);
        tally.latencies.push(clock.now() - at);
      };
      caller.call(null, owner, { idempotent: true }).then(
        (status) => over(String(status)),
        (error: UpstreamError) => over(error.failure),
      );
      clock.after(clock.exponential(meanMs), ask);
    };
    clock.after(clock.exponential(meanMs), ask);
  }

  /** Lets time pass until `end` and returns what happened meanwhile. */
  async until(end: number): Promise<Tally> {
    const tally = this.tally = new Tally();
    const before = this.servers.reduce((sum, server) => sum + server.received, 0);
    await this.clock.runUntil(end);
    tally.attempts = this.servers.reduce((sum, server) => sum + server.received, 0) - before;
    return tally;
  }

  async close(): Promise<void> {
    await this.#scope.close();
  }
}

function addressOf(i: number): string {
  return `10.1.${i >> 8}.${i & 255}:80`;
}

function planOf({ endpoints, upstream }: CrowdOptions): Plan {
  const { plan, diagnostics } = compile({
    service: "simulation",
    listeners: { web: { protocol: "http", listen: "127.0.0.1:0", routes: [{ upstream: "servers" }] } },
    upstreams: {
      servers: {
        protocol: "http",
        discover: { static: Array.from({ length: endpoints }, (_, i) => addressOf(i)) },
        ...upstream,
      },
    },
  });
  if (!plan) throw new TypeError(`Cannot simulate: ${diagnostics.map(({ message }) => message).join("; ")}`);
  return plan;
}
