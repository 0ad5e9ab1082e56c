/**
 * `ringHash`: the same key goes to the same endpoint, in every worker and on every host. Endpoints have points on a ring
 * of 2^32 places, a few by weight; a key is hashed to 21 places, and of the points that come next after them the nearest
 * wins (multi-probe consistent hashing, Appleton & O'Reilly 2015: as even as hundreds of points per endpoint). A point
 * that joins takes keys from all others evenly, one that leaves gives its keys to all others evenly.
 *
 * Loads are bounded (Mirrokni, Thorup & Zadimoghaddam 2016): who has more than 1.25 times its share in flight is passed
 * over, which leaves the next nearest of the key's other places and so not always the same neighbour. In the same way
 * an endpoint in slow start gets a part of its keys first, and each of them once. Without a key the pick is random.
 */
import type { Clock } from "../../core/clock.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import { type Balancer, isTried } from "./balancer.ts";
import { hashText, mix, rehash } from "./hash.ts";
import type { Member } from "./member.ts";
import { RandomPick } from "./random_pick.ts";
import { RingPoints } from "./ring_points.ts";

/** Places of a key. */
const probes = 21;
/** Further places, for keys of which all those are full. */
const moreProbes = 43;
/** Members looked at where those are full too. */
const lastLooks = 64;
/** In flight at most, in relation to the mean by weight. */
const loadFactor = 1.25;
/** So much in flight is never too much: a key asked for twice at once stays where it is. */
const loadFloor = 2;
/** Members whose count is corrected per tick: this many, and this part of all. */
const sweep = 64;
const sweepPart = 1 / 16;

/** See the module's header. */
export class RingHash implements Balancer {
  readonly #clock: Clock;
  readonly #random: RandomPick;
  readonly #ring = new RingPoints();
  #members: readonly Member[] = [];
  /** Whether any member is in slow start. */
  #ramping = false;
  /**
   * Attempts in flight, as far as seen: raised at every pick, lowered when somebody looks at the member again. Never too
   * low but for attempts of others, so the bound is never too tight.
   */
  #inflight = 0;
  #swept = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#random = new RandomPick(clock);
  }

  rebuild(usable: readonly Member[], all: readonly Member[]): void {
    this.#members = usable;
    this.#ring.rebuild(usable, all);
    this.#random.rebuild(usable);
    this.#inflight = 0;
    this.#ramping = false;
    for (const member of usable) {
      member.seen = member.endpoint.inflight;
      this.#inflight += member.seen;
      if (member.ramp < 1) this.#ramping = true;
    }
  }

  pick(picking: Picking): Member {
    const { key, tried } = picking;
    if (this.#members.length === 1) return this.#members[0]!;
    if (key === undefined) return this.#picked(this.#random.pick(picking));
    return this.#picked(this.#owner(hashText(key), tried));
  }

  #owner(hash: number, tried: Picking["tried"]): Member {
    let best: Member | undefined;
    let nearest = Infinity;
    for (let i = 0; i < probes; i++) {
      const place = rehash(hash, i);
      const point = this.#ring.after(place);
      const distance = this.#ring.distance(place, point);
      if (distance >= nearest) continue;
      const member = this.#members[this.#ring.owner(point)]!;
      if (!this.#takes(member, hash, tried)) continue;
      best = member;
      nearest = distance;
    }
    if (best) return best;
    for (let i = probes; i < probes + moreProbes; i++) {
      const member = this.#members[this.#ring.owner(this.#ring.after(rehash(hash, i)))]!;
      if (this.#takes(member, hash, tried)) return member;
    }
    return this.#leastLoaded(tried);
  }

  #takes(member: Member, hash: number, tried: Picking["tried"]): boolean {
    if (isTried(tried, member)) return false;
    if (this.#ramping && member.ramp < 1 && mix(hash ^ member.hash) >= member.ramp * 2 ** 32) return false;
    this.#look(member);
    const most = loadFactor * (this.#inflight + 1) * member.share / this.#members.length;
    return member.seen < loadFloor || member.seen < Math.ceil(most);
  }

  #leastLoaded(tried: Picking["tried"]): Member {
    const members = this.#members;
    const start = (this.#clock.random() * members.length) | 0;
    let best: Member | undefined;
    for (let i = 0; i < Math.min(lastLooks, members.length); i++) {
      const member = members[(start + i) % members.length]!;
      if (isTried(tried, member)) continue;
      this.#look(member);
      if (!best || member.seen / member.share < best.seen / best.share) best = member;
    }
    return best ?? members[start]!;
  }

  #look(member: Member): void {
    this.#inflight += member.endpoint.inflight - member.seen;
    member.seen = member.endpoint.inflight;
  }

  #picked(member: Member): Member {
    this.#inflight += member.endpoint.inflight + 1 - member.seen;
    member.seen = member.endpoint.inflight + 1;
    return member;
  }

  tick(): void {
    const members = this.#members;
    const looks = Math.min(members.length, Math.max(sweep, Math.ceil(members.length * sweepPart)));
    for (let i = 0; i < looks; i++) {
      if (this.#swept >= members.length) this.#swept = 0;
      this.#look(members[this.#swept++]!);
    }
  }
}
