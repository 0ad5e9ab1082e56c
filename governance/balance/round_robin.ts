/**
 * `roundRobin`: everybody in turn, the heavier the more often, evenly spread. In constant time by classes of weight:
 * between the classes (of which there are a few dozen at most, since each spans a factor of two) turns go by nginx's
 * smooth weighted round robin; within a class everybody's turn comes around, and who weighs less than the heaviest of
 * it saves up its turns, two rounds at most. Each worker begins elsewhere: the tier keeps its members shuffled.
 */
import type { Clock } from "../../core/clock.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import { type Balancer, isTried, untriedFrom } from "./balancer.ts";
import type { Member } from "./member.ts";

/** Members whose weights are within a factor of two. */
interface WeightClass {
  readonly members: Member[];
  /** Sum of the weights; heaviest. */
  weight: number;
  most: number;
  /** How much it is owed, by the smooth round robin. */
  current: number;
  next: number;
}

/** Turns of tried endpoints that are passed over before one is searched for. */
const triedTurns = 8;

/** See the module's header. */
export class RoundRobin implements Balancer {
  readonly #clock: Clock;
  #members: readonly Member[] = [];
  readonly #byExponent = new Map<number, WeightClass>();
  #classes: WeightClass[] = [];
  #weight = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  rebuild(usable: readonly Member[]): void {
    this.#members = usable;
    for (const one of this.#byExponent.values()) {
      one.members.length = 0;
      one.weight = one.most = 0;
    }
    this.#weight = 0;
    for (const member of usable) this.#add(member);
    this.#classes = [];
    for (const [exponent, one] of this.#byExponent) {
      if (one.members.length === 0) this.#byExponent.delete(exponent);
      else this.#classes.push(one);
    }
  }

  #add(member: Member): void {
    const exponent = Math.floor(Math.log2(member.weight));
    let one = this.#byExponent.get(exponent);
    if (!one) {
      // The first place is drawn too: after a rebuild nobody is always the first.
      one = { members: [], weight: 0, most: 0, current: 0, next: (this.#clock.random() * 2 ** 30) | 0 };
      this.#byExponent.set(exponent, one);
    }
    one.members.push(member);
    one.weight += member.weight;
    one.most = Math.max(one.most, member.weight);
    this.#weight += member.weight;
  }

  pick({ tried }: Picking): Member {
    for (let i = 0; i < triedTurns; i++) {
      const member = this.#turn();
      if (!isTried(tried, member)) return member;
    }
    const start = (this.#clock.random() * this.#members.length) | 0;
    const untried = untriedFrom(start, this.#members, tried);
    return untried < 0 ? this.#turn() : this.#members[untried]!;
  }

  #turn(): Member {
    const one = this.#classes.length === 1 ? this.#classes[0]! : this.#classTurn();
    const { members, most } = one;
    for (;;) {
      if (one.next >= members.length) one.next %= members.length;
      const member = members[one.next++]!;
      member.credit += member.weight / most;
      if (member.credit < 1) continue;
      member.credit -= 1;
      return member;
    }
  }

  #classTurn(): WeightClass {
    let best = this.#classes[0]!;
    for (const one of this.#classes) {
      one.current += one.weight;
      if (one.current > best.current) best = one;
    }
    best.current -= this.#weight;
    return best;
  }
}
