/**
 * The points of a hash ring, in order, found in constant time: sorted by counting into about as many buckets as there
 * are points, by their high bits; a bucket holds one or two. Building is O(points), looking up O(1) on average.
 */
import { rehash } from "./hash.ts";
import type { Member } from "./member.ts";

/** Points of an endpoint of mean weight: this many to twice as many. Shares are then within some 8 % of what is due. */
const meanPoints = 32;
/** Of more endpoints than this each has fewer, so that a change costs little: some 15 % then. Passing it moves keys, once. */
const manyMembers = 1024;
const meanPointsOfMany = 8;
/** Points of one endpoint at most; one whose share is more than 64 times the mean gets less than its due. */
const mostPoints = 2048;

/** See the module's header. */
export class RingPoints {
  #points = new Uint32Array(0);
  #owners = new Uint32Array(0);
  #starts = new Uint32Array(2);
  #counts = new Uint32Array(0);
  #shift = 31;
  #size = 0;

  /**
   * Puts the points of `usable` in order. How many each has depends on the weights of `all`, usable or not, in powers of
   * two: neither a change of health nor a small one of a weight moves points of others.
   */
  rebuild(usable: readonly Member[], all: readonly Member[]): void {
    let sum = 0;
    for (const { endpoint } of all) sum += endpoint.spec.weight;
    const mean = 2 ** Math.floor(Math.log2(sum / Math.max(1, all.length)));
    const unit = mean / (all.length > manyMembers ? meanPointsOfMany : meanPoints);
    if (this.#counts.length < usable.length) this.#counts = new Uint32Array(usable.length);
    const counts = this.#counts;
    this.#size = 0;
    for (let i = 0; i < usable.length; i++) {
      const points = Math.round(usable[i]!.endpoint.spec.weight / unit);
      counts[i] = Math.max(1, Math.min(mostPoints, points));
      this.#size += counts[i]!;
    }
    this.#allocate();
    this.#count(usable);
    this.#place(usable);
    this.#order(usable);
  }

  #allocate(): void {
    const bits = Math.max(1, Math.min(24, Math.ceil(Math.log2(Math.max(1, this.#size)))));
    this.#shift = 32 - bits;
    const buckets = 2 ** bits;
    if (this.#starts.length === buckets + 1) this.#starts.fill(0);
    else this.#starts = new Uint32Array(buckets + 1);
    if (this.#points.length >= this.#size) return;
    this.#points = new Uint32Array(this.#size);
    this.#owners = new Uint32Array(this.#size);
  }

  #count(usable: readonly Member[]): void {
    const starts = this.#starts;
    for (let i = 0; i < usable.length; i++) {
      const { hash } = usable[i]!;
      for (let n = this.#counts[i]!; n > 0; n--) starts[(rehash(hash, n) >>> this.#shift) + 1]!++;
    }
    for (let bucket = 1; bucket < starts.length; bucket++) starts[bucket]! += starts[bucket - 1]!;
  }

  /** Fills the buckets from their starts, which thereby become their ends: then those are the starts of the next. */
  #place(usable: readonly Member[]): void {
    const starts = this.#starts;
    for (let i = 0; i < usable.length; i++) {
      const { hash } = usable[i]!;
      for (let n = this.#counts[i]!; n > 0; n--) {
        const point = rehash(hash, n);
        const at = starts[point >>> this.#shift]!++;
        this.#points[at] = point;
        this.#owners[at] = i;
      }
    }
    starts.copyWithin(1, 0, starts.length - 1);
    starts[0] = 0;
  }

  /** Insertion sort, which within buckets is next to nothing. Equal points are ordered alike everywhere. */
  #order(usable: readonly Member[]): void {
    const points = this.#points;
    const owners = this.#owners;
    for (let i = 1; i < this.#size; i++) {
      const point = points[i]!;
      const owner = owners[i]!;
      let at = i;
      for (; at > 0; at--) {
        const before = points[at - 1]!;
        if (before < point) break;
        if (before === point && usable[owners[at - 1]!]!.hash <= usable[owner]!.hash) break;
        points[at] = before;
        owners[at] = owners[at - 1]!;
      }
      points[at] = point;
      owners[at] = owner;
    }
  }

  /** The position of the first point at or after `place`. */
  after(place: number): number {
    let at = this.#starts[place >>> this.#shift]!;
    while (at < this.#size && this.#points[at]! < place) at++;
    return at < this.#size ? at : 0;
  }

  /** How far it is on the ring from `place` to the point at `position`. */
  distance(place: number, position: number): number {
    return (this.#points[position]! - place) >>> 0;
  }

  /** Index of the usable member that the point belongs to. */
  owner(position: number): number {
    return this.#owners[position]!;
  }
}
