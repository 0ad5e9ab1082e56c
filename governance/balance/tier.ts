/**
 * The endpoints of one priority within a group: who of them may be picked, and with which weight. Changes are counted
 * at once, in constant time; the list that the balancer works on is made anew at the next pick, however many there were.
 */
import type { Endpoint } from "../../core/endpoint.ts";
import type { Clock } from "../../core/clock.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import type { Balancer } from "./balancer.ts";
import { Member, Standing, standingOf } from "./member.ts";
import { rampOf } from "./slow_start.ts";

/** Slow start goes up in this many steps; of more than 5000 members in larger ones, each costs a rebuild. */
const rampSteps = 100;
const membersPerMs = 50;

/** See the module's header. */
export class Tier {
  readonly priority: number;
  readonly #clock: Clock;
  readonly #balancer: Balancer;
  readonly #slowStartMs: number;
  readonly #members: Member[] = [];
  readonly #usable: Member[] = [];
  /** How many stand how; index by standing. */
  readonly #standing = [0, 0, 0];
  #stale = true;
  #panic = false;
  /** When weights go up again; Infinity while nobody is in slow start. */
  #rampAt = Infinity;

  constructor(priority: number, clock: Clock, balancer: Balancer, slowStartMs: number) {
    this.priority = priority;
    this.#clock = clock;
    this.#balancer = balancer;
    this.#slowStartMs = slowStartMs;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Members in use. */
  get healthy(): number {
    return this.#standing[Standing.usable]!;
  }

  /** Members that count: those that people took out are not missed. */
  get counted(): number {
    return this.#members.length - this.#standing[Standing.operator]!;
  }

  /** Adds `endpoint` at a random place, so that every worker has its own order. */
  add(endpoint: Endpoint, now: number): Member {
    const member = new Member(endpoint, this, now, this.#clock.random());
    const at = (this.#clock.random() * (this.#members.length + 1)) | 0;
    member.at = this.#members.length;
    this.#members.push(member);
    this.#swap(at, member.at);
    this.#standing[member.standing]!++;
    this.#stale = true;
    return member;
  }

  remove(member: Member): void {
    this.#swap(member.at, this.#members.length - 1);
    this.#members.pop();
    this.#standing[member.standing]!--;
    this.#stale = true;
  }

  #swap(one: number, other: number): void {
    const a = this.#members[one]!;
    const b = this.#members[other]!;
    this.#members[one] = b;
    this.#members[other] = a;
    a.at = other;
    b.at = one;
  }

  /** Health or weight of `member` has changed. */
  changed(member: Member): void {
    this.#standing[member.standing]!--;
    member.standing = standingOf(member.endpoint);
    this.#standing[member.standing]!++;
    this.#stale = true;
  }

  /** One of those that may be picked; `panic`: of all that people did not take out. Undefined where there is none. */
  pick(picking: Picking, now: number, panic: boolean): Endpoint | undefined {
    if (this.#stale || panic !== this.#panic || now >= this.#rampAt) this.#rebuild(now, panic);
    return this.#usable.length === 0 ? undefined : this.#balancer.pick(picking, now).endpoint;
  }

  #rebuild(now: number, panic: boolean): void {
    const usable = this.#usable;
    const worst = panic ? Standing.out : Standing.usable;
    usable.length = 0;
    let sum = 0;
    let ramping = false;
    for (const member of this.#members) {
      if (member.standing > worst) continue;
      member.ramp = rampOf(member.endpoint, this.#slowStartMs, now);
      member.weight = member.endpoint.spec.weight * member.ramp;
      if (member.ramp < 1) ramping = true;
      sum += member.weight;
      usable.push(member);
    }
    for (const member of usable) member.share = member.weight * usable.length / sum;
    this.#stale = false;
    this.#panic = panic;
    this.#rampAt = ramping
      ? now + Math.max(this.#slowStartMs / rampSteps, usable.length / membersPerMs)
      : Infinity;
    if (usable.length > 0) this.#balancer.rebuild(usable, this.#members);
  }

  tick(): void {
    if (!this.#stale && this.#usable.length > 0) this.#balancer.tick?.();
  }
}
