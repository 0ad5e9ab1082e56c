/**
 * What a balancer is: it picks one of the members of a tier that may be picked now. It knows neither health nor roles
 * nor priorities. All implementations pass balancer_conformance_test.ts.
 */
import type { Clock } from "../../core/clock.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { Picking } from "../../core/upstream/contract.ts";
import type { UpstreamPlan } from "../../core/manifest/plan.ts";
import type { Latency } from "./latency.ts";
import { LeastRequests } from "./least_requests.ts";
import type { Member } from "./member.ts";
import { PeakEwma } from "./peak_ewma.ts";
import { RandomPick } from "./random_pick.ts";
import { RingHash } from "./ring_hash.ts";
import { RoundRobin } from "./round_robin.ts";

/** Picks members; made once per tier. */
export interface Balancer {
  /**
   * From now on picks among `usable`, whose `weight` and `share` are set; `all` are the tier's members, usable or not.
   * O(n). Both arrays are the tier's own and change only before the next call of this.
   */
  rebuild(usable: readonly Member[], all: readonly Member[]): void;
  /** One of the usable, which are at least one; not one of `tried` while there is another. O(1), allocates nothing. */
  pick(picking: Picking, now: number): Member;
  /** Every 10 to 50 ms. */
  tick?(): void;
}

/** Makes the balancer that `balance` of the manifest names. */
export function makeBalancer(balance: UpstreamPlan["balance"], clock: Clock, latency: Latency): Balancer {
  switch (balance) {
    case "p2c":
      return new PeakEwma(clock, latency);
    case "leastRequests":
      return new LeastRequests(clock);
    case "roundRobin":
      return new RoundRobin(clock);
    case "random":
      return new RandomPick(clock);
    default:
      return new RingHash(clock);
  }
}

/** Whether `member` was asked before. */
export function isTried(tried: readonly Endpoint[], member: Member): boolean {
  return tried.length > 0 && tried.includes(member.endpoint);
}

/**
 * The first from position `at` on that was not tried; -1 where all were. Looks at no more than one further than were
 * tried, since members are distinct.
 */
export function untriedFrom(at: number, members: readonly Member[], tried: readonly Endpoint[]): number {
  const n = members.length;
  const looks = Math.min(n, tried.length + 1);
  for (let i = 0; i < looks; i++) {
    const index = (at + i) % n;
    if (!tried.includes(members[index]!.endpoint)) return index;
  }
  return -1;
}
