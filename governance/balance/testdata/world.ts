/**
 * A world for simulations: time that jumps from event to event, chance from a seed, endpoints that answer as a test says.
 * Everything in it happens in one call of {@link World.run}, the same way every time.
 */
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/context.ts";
import { Endpoint, type EndpointSpec } from "../../../core/endpoint.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { Health, Outcome, PolicyHost, Selector } from "../../../core/upstream/contract.ts";

/** A clock that stands where it was set, and chance that is the same every time (mulberry32). */
export class SeededClock implements Clock {
  time = 1_000_000;
  #state: number;

  constructor(seed = 1) {
    this.#state = seed;
  }

  now = (): number => this.time;
  epoch = (): number => this.time;
  random = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  after(): () => void {
    throw new TypeError("Cannot set a timer: policies have none");
  }
  every(): () => void {
    throw new TypeError("Cannot set a timer: policies have none");
  }
}

/** A line that was logged. */
export interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** What a policy gets, and what it left behind. */
export interface TestHost extends PolicyHost {
  readonly clock: SeededClock;
  readonly lines: Line[];
  /** Counters and gauges by `name{label=value,…}`. */
  readonly numbers: Map<string, number>;
}

/** Defaults of the manifest as far as balancing and health look at them. */
const defaults = {
  balance: "p2c",
  health: {
    probe: null,
    eject: { consecutive: 5, base: 10_000, max: 300_000, share: 0.5 },
    slowStart: 10_000,
    panic: 0.5,
  },
};

/** A host with the defaults of the manifest, `balance` and `health` overlaid. */
export function testHost(
  options: { balance?: unknown; health?: Record<string, unknown>; seed?: number } = {},
): TestHost {
  const lines: Line[] = [];
  const numbers = new Map<string, number>();
  const nameOf = (name: string, labels: Record<string, string> = {}) =>
    `${name}{${Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",")}}`;
  const line = (level: string) => (message: string, fields: Record<string, unknown> = {}) =>
    void lines.push({ level, message, fields });
  const log: Log = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: () => log,
  };
  const plan = {
    ...defaults,
    ...(options.balance ? { balance: options.balance } : {}),
    health: { ...defaults.health, ...options.health },
  };
  return {
    name: "users",
    plan: plan as unknown as UpstreamPlan,
    clock: new SeededClock(options.seed),
    log,
    lines,
    numbers,
    stats: {
      counter: (name, labels) => ({
        add: (n = 1) => void numbers.set(nameOf(name, labels), (numbers.get(nameOf(name, labels)) ?? 0) + n),
      }),
      gauge: (name, labels) => ({ set: (value) => void numbers.set(nameOf(name, labels), value) }),
      histogram: () => ({ record() {} }),
    },
    shared: undefined as never,
  };
}

let ids = 0;

/** An endpoint; its address is made up unless given. */
export function endpointOf(spec: Partial<EndpointSpec> = {}): Endpoint {
  const id = ids++;
  return new Endpoint(id, {
    address: `10.0.${(id >> 8) & 255}.${id & 255}:${1 + (id >> 16)}`,
    weight: 1,
    role: null,
    priority: 0,
    ...spec,
  });
}

/** As many endpoints as there are specs. */
export function endpointsOf(...specs: Partial<EndpointSpec>[]): Endpoint[] {
  return specs.map(endpointOf);
}

/** What an endpoint does with an attempt at `now`; chance is that of the world. */
export type Behaviour = (now: number, random: () => number) => { ms: number; ok?: boolean };

/** Answers in `ms` on average, between half and one and a half times that. */
export function answers(ms: number): Behaviour {
  return (_now, random) => ({ ms: ms * (0.5 + random()) });
}

/** How the calls of one run ended. */
export interface Told {
  /** Attempts, by endpoint. */
  readonly picks: Map<Endpoint, number>;
  calls: number;
  errors: number;
  /** When calls failed. */
  readonly errorsAt: number[];
  /** Calls nobody was picked for, or that recovery refused. */
  nobody: number;
  refused: number;
}

const tickMs = 20;

/** Callers, a selector, health where there is one, and endpoints. */
export class World {
  readonly host: TestHost;
  readonly selector: Selector;
  readonly health: Health | undefined;
  readonly behaviour = new Map<Endpoint, Behaviour>();
  /** How a probe of an endpoint ends; good unless said. */
  readonly probe = new Map<Endpoint, (now: number) => boolean>();
  key: () => string | undefined = () => undefined;
  role: string | null = null;
  #due: Array<{ at: number; endpoint: Endpoint; ms: number; ok: boolean }> = [];
  #tickAt = 0;

  constructor(host: TestHost, selector: Selector, health?: Health) {
    this.host = host;
    this.selector = selector;
    this.health = health;
  }

  add(endpoints: readonly Endpoint[], behaviour: Behaviour = answers(5)): void {
    for (const endpoint of endpoints) this.behaviour.set(endpoint, behaviour);
    this.selector.update(endpoints, [], []);
    this.health?.update(endpoints, []);
  }

  /** Calls arrive for `durationMs`, `rate` of them per second, at random times (Poisson). */
  run(durationMs: number, rate: number): Told {
    const { clock } = this.host;
    const end = clock.time + durationMs;
    const told: Told = { picks: new Map(), calls: 0, errors: 0, errorsAt: [], nobody: 0, refused: 0 };
    let callAt = clock.time + this.#gap(rate);
    for (;;) {
      const dueAt = this.#due[0]?.at ?? Infinity;
      const at = Math.min(callAt, dueAt, this.#tickAt);
      if (at > end) break;
      clock.time = Math.max(clock.time, at);
      if (at === this.#tickAt) this.#tick();
      else if (at === dueAt) this.#end(told);
      else {
        callAt += this.#gap(rate);
        this.#call(told);
      }
    }
    clock.time = end;
    return told;
  }

  #gap(rate: number): number {
    return -Math.log(1 - this.host.clock.random()) * 1000 / rate;
  }

  #call(told: Told): void {
    const { clock } = this.host;
    told.calls++;
    if (this.health && !this.health.admits(clock.time)) return void told.refused++;
    const endpoint = this.selector.pick({ role: this.role, key: this.key(), tried: [] }, clock.time);
    if (!endpoint) return void told.nobody++;
    told.picks.set(endpoint, (told.picks.get(endpoint) ?? 0) + 1);
    endpoint.inflight++;
    this.selector.started(endpoint, clock.time);
    const { ms, ok = true } = this.behaviour.get(endpoint)!(clock.time, clock.random);
    const due = { at: clock.time + ms, endpoint, ms, ok };
    let at = this.#due.length;
    while (at > 0 && this.#due[at - 1]!.at > due.at) at--;
    this.#due.splice(at, 0, due);
  }

  #end(told: Told): void {
    const { endpoint, ms, ok } = this.#due.shift()!;
    const { now } = this.host.clock;
    endpoint.inflight--;
    if (!ok) {
      told.errors++;
      told.errorsAt.push(now());
    }
    const outcome: Outcome = {
      ok,
      failure: ok ? undefined : "status",
      status: ok ? 200 : 500,
      latencyMs: ms,
      now: now(),
    };
    this.selector.ended(endpoint, outcome);
    this.health?.ended(endpoint, outcome);
  }

  #tick(): void {
    const { clock } = this.host;
    this.#tickAt = clock.time + tickMs;
    this.selector.tick(clock.time);
    if (!this.health) return;
    this.health.tick(clock.time);
    for (const endpoint of this.health.probes.splice(0)) {
      const good = this.probe.get(endpoint)?.(clock.time) ?? true;
      this.health.probed(endpoint, good, good ? "" : "connect");
    }
  }
}

/** Share of the attempts that went to `endpoint`. */
export function shareOf(told: Told, endpoint: Endpoint): number {
  let sum = 0;
  for (const picks of told.picks.values()) sum += picks;
  return (told.picks.get(endpoint) ?? 0) / sum;
}
