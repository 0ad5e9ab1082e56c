/**
 * Chooses the endpoint of an attempt, in this order: role → priority and panic (group.ts) → who is usable and how much
 * it weighs (tier.ts) → balancer. Changes cost a constant time each; what follows from them is worked out at the next pick.
 */
import type { Endpoint } from "../../core/endpoint.ts";
import type { Scope } from "../../core/scope.ts";
import type { Outcome, Picking, PolicyHost, Selector } from "../../core/upstream/contract.ts";
import { makeBalancer } from "./balancer.ts";
import { Group, type GroupOptions } from "./group.ts";
import { Latency } from "./latency.ts";

/** Makes the selector of one upstream; see core/upstream/contract.ts. */
export function makeSelector(host: PolicyHost, _scope: Scope): Selector {
  return new RoleSelector(host);
}

/** Roles of the endpoints that calls without a role go to. */
function isMain(role: string | null): boolean {
  return role === null || role === "master" || role === "primary";
}

class RoleSelector implements Selector {
  readonly #host: PolicyHost;
  readonly #options: GroupOptions;
  readonly #latency = new Latency();
  readonly #endpoints = new Set<Endpoint>();
  /** Endpoints for calls without a role. */
  readonly #main: Group;
  readonly #byRole = new Map<string, Group>();
  /** All endpoints; only while no endpoint is for calls without a role. */
  #all: Group | undefined;
  readonly #panicGauge: { set(value: number): void };
  #stale = false;
  #panic = false;

  constructor(host: PolicyHost) {
    const { plan, clock, stats, name } = host;
    this.#host = host;
    this.#options = {
      clock,
      slowStartMs: plan.health.slowStart,
      panicShare: plan.health.panic,
      balancer: () => makeBalancer(plan.balance, clock, this.#latency),
    };
    this.#main = new Group(this.#options);
    this.#panicGauge = stats.gauge(
      "weir_upstream_panic",
      { upstream: name },
      "1 while so few endpoints are healthy that health is ignored",
    );
    this.#panicGauge.set(0);
  }

  get panic(): boolean {
    this.#settle();
    return this.#panic;
  }

  pick(picking: Picking, now: number): Endpoint | undefined {
    if (this.#stale) this.#settle();
    const main = this.#all ?? this.#main;
    if (picking.role === null) return main.pick(picking, now);
    const own = this.#byRole.get(picking.role);
    if (!own || !isAsked(own, main)) return main.pick(picking, now);
    const found = own.pick(picking, now);
    if (found && !picking.tried.includes(found)) return found;
    // None of the role, or all were tried: rather the others than the same again.
    const other = main.pick(picking, now);
    return other && !picking.tried.includes(other) ? other : found ?? other;
  }

  update(added: readonly Endpoint[], removed: readonly Endpoint[], changed: readonly Endpoint[]): void {
    const now = this.#host.clock.now();
    for (const endpoint of removed) this.#remove(endpoint);
    for (const endpoint of added) this.#add(endpoint, now);
    for (const endpoint of changed) this.#change(endpoint, now);
    if (this.#main.size > 0) this.#all = undefined;
    else if (!this.#all) {
      this.#all = new Group(this.#options);
      for (const endpoint of this.#endpoints) this.#all.add(endpoint, now);
    }
    this.#stale = true;
  }

  #add(endpoint: Endpoint, now: number): void {
    const { role } = endpoint.spec;
    this.#endpoints.add(endpoint);
    if (isMain(role)) this.#main.add(endpoint, now);
    this.#all?.add(endpoint, now);
    if (role === null) return;
    let group = this.#byRole.get(role);
    if (!group) this.#byRole.set(role, group = new Group(this.#options));
    group.add(endpoint, now);
  }

  #remove(endpoint: Endpoint): void {
    const { role } = endpoint.spec;
    this.#endpoints.delete(endpoint);
    this.#main.remove(endpoint);
    this.#all?.remove(endpoint);
    const group = role === null ? undefined : this.#byRole.get(role);
    group?.remove(endpoint);
    if (group?.size === 0) this.#byRole.delete(role!);
  }

  #change(endpoint: Endpoint, now: number): void {
    const { role } = endpoint.spec;
    this.#main.changed(endpoint, now);
    this.#all?.changed(endpoint, now);
    if (role !== null) this.#byRole.get(role)?.changed(endpoint, now);
    this.#stale = true;
  }

  started(): void {}

  ended(endpoint: Endpoint, outcome: Outcome): void {
    this.#latency.observe(endpoint, outcome);
  }

  healthChanged(endpoint: Endpoint): void {
    this.#change(endpoint, this.#host.clock.now());
  }

  tick(): void {
    if (this.#stale) this.#settle();
    this.#main.tick();
    this.#all?.tick();
    for (const group of this.#byRole.values()) group.tick();
  }

  #settle(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const main = this.#all ?? this.#main;
    main.settle();
    let panicking = main.panic ? main : undefined;
    for (const group of this.#byRole.values()) {
      group.settle();
      if (group.panic && isAsked(group, main)) panicking ??= group;
    }
    this.#setPanic(panicking);
  }

  #setPanic(group: Group | undefined): void {
    if (this.#panic === (group !== undefined)) return;
    const { name, log } = this.#host;
    this.#panic = group !== undefined;
    this.#panicGauge.set(group ? 1 : 0);
    if (group) {
      const { healthy, counted } = group;
      log.warn("too few healthy endpoints: health is ignored", { upstream: name, healthy, of: counted });
    } else log.info("enough healthy endpoints: health counts again", { upstream: name });
  }
}

/** Whether calls for the role of `own` go there: also where nobody is usable, there or among the `main` ones. */
function isAsked(own: Group, main: Group): boolean {
  return own.healthy > 0 || main.healthy === 0;
}
