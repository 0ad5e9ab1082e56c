/**
 * The power of two choices (Mitzenmacher 2001): draws two members by weight and takes the cheaper one. What cheap means
 * says the balancer built on it.
 *
 * Shares follow the weights because the draw does: an endpoint of weight 3 stands for three of weight 1 (weighted_draw.ts),
 * whose loads are compared, and while costs are about the same the first draw stands. With `(inflight + 1) / weight`
 * idle endpoints of weight 3 would always win against those of weight 1.
 */
import type { Clock } from "../../core/clock.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import { type Balancer, isTried, untriedFrom } from "./balancer.ts";
import type { Member } from "./member.ts";
import { WeightedDraw } from "./weighted_draw.ts";

/** Draws that may come out as tried endpoints before one is searched for. */
const triedDraws = 4;
/** Where both draws are the same endpoint, a third is taken if it is cheaper by this factor. */
const escapeFactor = 2;
/** A member that was not picked for this long is picked although it is the dearer one (go-zero) … */
const forceMs = 1000;
/** … and for this many times as many picks as it would get at its share: few calls a second must not be spent on it. */
const forceRounds = 8;

/** See the module's header. */
export abstract class TwoChoices implements Balancer {
  readonly #clock: Clock;
  readonly #draw: WeightedDraw;
  #members: readonly Member[] = [];
  #picks = 0;
  /** Costs count as the same up to this factor. */
  protected abstract readonly tolerance: number;
  /** Whether members that are not picked get a pick now and then. */
  protected abstract readonly forces: boolean;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#draw = new WeightedDraw(clock);
  }

  /** What it costs to ask `member` when `load` attempts are in flight per unit of it; > 0. */
  protected abstract cost(member: Member, load: number): number;

  #cost(member: Member): number {
    return this.cost(member, this.#draw.perUnit(member.endpoint.inflight, member));
  }

  rebuild(usable: readonly Member[]): void {
    this.#members = usable;
    this.#draw.rebuild(usable);
  }

  pick({ tried }: Picking, now: number): Member {
    const members = this.#members;
    this.#picks++;
    if (members.length === 1) return members[0]!;
    let at = this.#draw.first();
    if (tried.length > 0 && isTried(tried, members[at]!)) {
      at = this.#untried(tried);
      if (at < 0) return this.#picked(members[this.#draw.first()]!, now);
    }
    return this.#picked(this.#better(at, tried, now), now);
  }

  #better(at: number, tried: Picking["tried"], now: number): Member {
    const first = this.#members[at]!;
    const secondAt = this.#draw.second(at);
    let second = this.#members[secondAt]!;
    if (secondAt === at) {
      second = this.#members[this.#draw.other(at)]!;
      return isTried(tried, second) || this.#cost(second) * escapeFactor >= this.#cost(first)
        ? first
        : second;
    }
    if (isTried(tried, second)) return first;
    const cheaper = this.#cost(second) * this.tolerance < this.#cost(first) ? second : first;
    const dearer = cheaper === first ? second : first;
    return this.forces && this.#isDue(dearer, now) ? dearer : cheaper;
  }

  #isDue({ pickedAt, pickedNo, share }: Member, now: number): boolean {
    return now - pickedAt > forceMs &&
      this.#picks - pickedNo > forceRounds * this.#members.length / Math.min(1, share);
  }

  #picked(member: Member, now: number): Member {
    member.pickedAt = now;
    member.pickedNo = this.#picks;
    return member;
  }

  /** A draw that is none of the tried; -1 where all were tried. */
  #untried(tried: Picking["tried"]): number {
    for (let i = 0; i < triedDraws; i++) {
      const at = this.#draw.first();
      if (!isTried(tried, this.#members[at]!)) return at;
    }
    return untriedFrom((this.#clock.random() * this.#members.length) | 0, this.#members, tried);
  }
}
