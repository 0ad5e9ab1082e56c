/**
 * The latency of endpoints as p2c judges it: peak EWMA (Finagle). A slower answer than expected is taken at once, faster
 * ones count the more the longer ago the last answer was.
 */
import type { Endpoint } from "../../core/endpoint.ts";
import type { Outcome } from "../../core/upstream/contract.ts";

/**
 * Time constant of the decay: of a spike, 37 % are left after it and 5 % after 10 s. Finagle takes 10 s for the constant
 * itself, but then an endpoint that was 200 ms slower than others of 5 ms has no equal share for most of a minute.
 */
const decayMs = 10_000 / 3;
/** Latency before any answer was seen (Envoy's default_rtt). */
const unknownMs = 10;
/** A failure counts as this many times the typical latency at least: who fails fast must not look attractive. */
const failureFactor = 4;
/** Share of an answer that goes into the typical latency. */
const typicalShare = 1 / 64;

/** What is known of the latencies of one upstream. */
export class Latency {
  #typicalMs = 0;

  /** Latency of an answer that nothing else is known of: what endpoints without answers are taken for. */
  get typicalMs(): number {
    return this.#typicalMs || unknownMs;
  }

  /** An attempt ended: keeps `ewmaMs` and `ewmaAt` of `endpoint`. */
  observe(endpoint: Endpoint, outcome: Outcome): void {
    let ms = Math.max(outcome.latencyMs, 0.01);
    if (!outcome.ok) ms = Math.max(ms, failureFactor * this.typicalMs);
    else if (this.#typicalMs === 0) this.#typicalMs = ms;
    else this.#typicalMs += (ms - this.#typicalMs) * typicalShare;
    const knownMs = endpoint.ewmaMs;
    if (knownMs === 0 || ms >= knownMs) endpoint.ewmaMs = ms;
    else {
      const agoMs = Math.max(0, outcome.now - endpoint.ewmaAt);
      endpoint.ewmaMs = ms + (knownMs - ms) * Math.exp(-agoMs / decayMs);
    }
    endpoint.ewmaAt = outcome.now;
  }
}
