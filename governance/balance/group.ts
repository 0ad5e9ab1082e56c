/**
 * The endpoints that calls for one role choose from, by priority. Of its tiers the lowest number is asked that has
 * `panic` of its endpoints in use. Where no tier has, health is ignored (panic): what it says is then more likely to be
 * wrong, or the few to break down under the load of all, than the rest to be dead.
 */
import type { Endpoint } from "../../core/endpoint.ts";
import type { Clock } from "../../core/clock.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import type { Balancer } from "./balancer.ts";
import type { Member } from "./member.ts";
import { Tier } from "./tier.ts";

/** What groups are made with. */
export interface GroupOptions {
  readonly clock: Clock;
  readonly slowStartMs: number;
  /** Share of a tier that must be in use; 0 = one is enough, and there is no panic. */
  readonly panicShare: number;
  readonly balancer: () => Balancer;
}

/** See the module's header. */
export class Group {
  readonly #options: GroupOptions;
  readonly #members = new Map<Endpoint, Member>();
  /** By priority. */
  readonly #tiers: Tier[] = [];
  #active: Tier | undefined;

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#members.size;
  }

  /** What {@link settle} found: whether health is ignored, endpoints in use, those that count ({@link Tier.counted}). */
  panic = false;
  healthy = 0;
  counted = 0;

  add(endpoint: Endpoint, now: number): void {
    if (this.#members.has(endpoint)) return;
    this.#members.set(endpoint, this.#tier(endpoint.spec.priority).add(endpoint, now));
  }

  remove(endpoint: Endpoint): void {
    const member = this.#members.get(endpoint);
    if (!member) return;
    this.#members.delete(endpoint);
    member.tier.remove(member);
    if (member.tier.size === 0) this.#tiers.splice(this.#tiers.indexOf(member.tier), 1);
  }

  /** Health, weight or priority of `endpoint` has changed; of one that is not in this group it does nothing. */
  changed(endpoint: Endpoint, now: number): void {
    const member = this.#members.get(endpoint);
    if (!member) return;
    if (member.tier.priority === endpoint.spec.priority) return member.tier.changed(member);
    this.remove(endpoint);
    this.add(endpoint, now);
  }

  #tier(priority: number): Tier {
    const { clock, balancer, slowStartMs } = this.#options;
    let at = 0;
    while (at < this.#tiers.length && this.#tiers[at]!.priority < priority) at++;
    const found = this.#tiers[at];
    if (found?.priority === priority) return found;
    const tier = new Tier(priority, clock, balancer(), slowStartMs);
    this.#tiers.splice(at, 0, tier);
    return tier;
  }

  /** After changes: decides which tier is asked, and whether in panic. O(tiers). */
  settle(): void {
    const { panicShare } = this.#options;
    this.panic = false;
    this.healthy = this.counted = 0;
    for (const tier of this.#tiers) {
      this.healthy += tier.healthy;
      this.counted += tier.counted;
    }
    this.#active = this.#tiers.find(({ healthy, counted }) => healthy > 0 && healthy >= panicShare * counted);
    if (this.#active || panicShare === 0) return;
    this.#active = this.#tiers.find(({ healthy }) => healthy > 0) ??
      this.#tiers.find(({ counted }) => counted > 0);
    this.panic = this.#active !== undefined;
  }

  /** Where all of the tier were tried, one of another tier in use; a tried one only where there is no other. */
  pick(picking: Picking, now: number): Endpoint | undefined {
    if (!this.#active) return undefined;
    const found = this.#active.pick(picking, now, this.panic);
    const { tried } = picking;
    if (tried.length === 0 || this.#tiers.length === 1 || !found || !tried.includes(found)) return found;
    for (const tier of this.#tiers) {
      if (tier === this.#active || tier.healthy === 0) continue;
      const other = tier.pick(picking, now, false);
      if (other && !tried.includes(other)) return other;
    }
    return found;
  }

  tick(): void {
    for (const tier of this.#tiers) tier.tick();
  }
}
