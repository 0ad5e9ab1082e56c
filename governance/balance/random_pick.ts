/** `random`: by weight, and by nothing else. */
import type { Clock } from "../../core/clock.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import { type Balancer, isTried, untriedFrom } from "./balancer.ts";
import type { Member } from "./member.ts";
import { WeightedDraw } from "./weighted_draw.ts";

/** Draws that may come out as tried endpoints before one is searched for. */
const triedDraws = 8;

/** See the module's header. */
export class RandomPick implements Balancer {
  readonly #clock: Clock;
  readonly #draw: WeightedDraw;
  #members: readonly Member[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#draw = new WeightedDraw(clock);
  }

  rebuild(usable: readonly Member[]): void {
    this.#members = usable;
    this.#draw.rebuild(usable);
  }

  pick({ tried }: Picking): Member {
    const members = this.#members;
    for (let i = 0; i < triedDraws; i++) {
      const member = members[this.#draw.first()]!;
      if (!isTried(tried, member)) return member;
    }
    const untried = untriedFrom((this.#clock.random() * members.length) | 0, members, tried);
    return members[untried < 0 ? this.#draw.first() : untried]!;
  }
}
