/**
 * Draws members by weight in constant time: an alias table (Walker 1977; built in one pass as Vose 1991 does). Where all
 * weigh the same there is no table.
 */
import type { Clock } from "../../core/clock.ts";
import type { Member } from "./member.ts";

/** Second draws that come out as the very same unit; then the neighbour is taken. */
const redraws = 8;

/** Units are no smaller than this share when load is spread over them: one in slow start must not make all look idle. */
const leastUnit = 0.5;

/** See the module's header. */
export class WeightedDraw {
  readonly #clock: Clock;
  #members: readonly Member[] = [];
  #equal = true;
  /** Lowest share of all. */
  #unit = 1;
  #keep = new Float64Array(0);
  #alias = new Int32Array(0);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on draws from `members`, by their `share` (of which the mean is 1). O(n). */
  rebuild(members: readonly Member[]): void {
    this.#members = members;
    let least = Infinity;
    let most = 0;
    for (const { share } of members) {
      if (share < least) least = share;
      if (share > most) most = share;
    }
    this.#unit = least;
    this.#equal = most - least <= 1e-9 * most;
    if (!this.#equal) this.#build();
  }

  #build(): void {
    const members = this.#members;
    const n = members.length;
    if (this.#keep.length < n) {
      this.#keep = new Float64Array(n + (n >> 2));
      this.#alias = new Int32Array(n + (n >> 2));
    }
    const keep = this.#keep;
    const alias = this.#alias;
    for (let i = 0; i < n; i++) {
      keep[i] = members[i]!.share;
      alias[i] = i;
    }
    // `light` and `heavy` walk over the columns below and above the mean; a heavy one that became light is next.
    let light = 0;
    let heavy = 0;
    while (light < n && keep[light]! >= 1) light++;
    let column = light;
    while (column < n) {
      while (heavy < n && keep[heavy]! < 1) heavy++;
      if (heavy === n) break;
      alias[column] = heavy;
      keep[heavy]! -= 1 - keep[column]!;
      if (keep[heavy]! < 1 && heavy < light) {
        column = heavy;
        continue;
      }
      light++;
      while (light < n && keep[light]! >= 1) light++;
      column = light;
    }
  }

  /**
   * What `amount` comes to for one unit of the member at random: an endpoint that stands for three units and has one
   * attempt in flight has a busy unit in one of three draws. Exact where all weigh the same.
   */
  perUnit(amount: number, { share }: Member): number {
    if (this.#equal || amount === 0) return amount;
    const each = amount * Math.max(this.#unit, leastUnit) / share;
    const whole = Math.floor(each);
    return this.#clock.random() < each - whole ? whole + 1 : whole;
  }

  /** An index by weight. */
  first(): number {
    const n = this.#members.length;
    const at = this.#clock.random() * n;
    const index = at | 0;
    if (this.#equal) return index;
    return at - index < this.#keep[index]! ? index : this.#alias[index]!;
  }

  /**
   * An index for comparing with `first`. An endpoint of weight 3 stands for three of weight 1, of which two different
   * ones are drawn: so both draws may come out as the same endpoint, except where all weigh the same. Each pair is as
   * likely as its reverse, which is what makes shares follow the weights.
   */
  second(first: number): number {
    const n = this.#members.length;
    if (n === 1) return first;
    if (this.#equal) return (first + 1 + ((this.#clock.random() * (n - 1)) | 0)) % n;
    for (let i = 0; i < redraws; i++) {
      const index = this.first();
      if (index !== first) return index;
      if (this.#clock.random() * this.#members[index]!.share >= this.#unit) return index;
    }
    return (first + 1) % n;
  }

  /** An index that is not `index`, by weight where that is quickly found; needs two members. */
  other(index: number): number {
    for (let i = 0; i < redraws; i++) {
      const other = this.first();
      if (other !== index) return other;
    }
    const n = this.#members.length;
    return (index + 1 + ((this.#clock.random() * (n - 1)) | 0)) % n;
  }
}
