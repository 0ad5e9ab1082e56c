/**
 * An endpoint as one group of the selector sees it: its weight there, and what the balancers note on it. Written by the
 * tier and its balancer alone, so that picking needs no lookup.
 */
import type { Endpoint } from "../../core/endpoint.ts";
import { hashText } from "./hash.ts";
import type { Tier } from "./tier.ts";

/** How an endpoint stands. */
export const Standing = {
  usable: 0,
  /** Out of use, but panic may use it. */
  out: 1,
  /** Taken out by people: panic included. */
  operator: 2,
} as const;

/** A value of {@link Standing}. */
export type StandingValue = typeof Standing[keyof typeof Standing];

/** See the module's header. */
export class Member {
  readonly endpoint: Endpoint;
  readonly tier: Tier;
  /** Position in the tier. */
  at = 0;
  /** As the tier has counted it. */
  standing: StandingValue;
  /** Share of its weight that slow start lets it have now, 0.1..1. */
  ramp = 1;
  /** Weight by discovery × ramp. */
  weight = 1;
  /** Weight in relation to the mean of those it is picked among. */
  share = 1;
  /** Two choices: when it was picked last, by time and by the number of the pick. */
  pickedAt: number;
  pickedNo = 0;
  /** Round robin: turns it has saved up, 0..1. */
  credit: number;
  /** Ring hash: hash of its key; attempts in flight as they are in the ring's sum. */
  readonly hash: number;
  seen = 0;

  constructor(endpoint: Endpoint, tier: Tier, now: number, credit: number) {
    this.endpoint = endpoint;
    this.tier = tier;
    this.pickedAt = now;
    this.credit = credit;
    this.hash = hashText(endpoint.key);
    this.standing = standingOf(endpoint);
  }
}

/** How `endpoint` stands now. */
export function standingOf(endpoint: Endpoint): StandingValue {
  if (endpoint.healthy) return Standing.usable;
  return endpoint.why === "operator" ? Standing.operator : Standing.out;
}
