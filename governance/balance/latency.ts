/**
 * How endpoints answer, as p2c judges it: peak EWMA of the latency (Finagle) and share of failures. A slower answer than
 * expected is taken at once, faster ones count the more the longer ago the last one was. A failure that comes fast says
 * nothing good: it counts as a failure alone, and as its latency only where that is worse than what is known.
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
/** Share of an answer that goes into the typical latency. */
const typicalShare = 1 / 64;
/** Share of an attempt that goes into the share of failures at least: with many per second they are counted. */
const leastShare = 1 / 16;
/** An endpoint counts as dearer by 1 / (share of successes)²; of those that always fail, as if one in 30 succeeded. */
const leastSuccess = 1 / 30;

/** Factor by which failures make `endpoint` dearer, 1 to 900. */
export function failureFactor({ failing }: Endpoint): number {
  const success = Math.max(leastSuccess, 1 - failing);
  return 1 / (success * success);
}

/** What is known of the latencies of one upstream. */
export class Latency {
  #typicalMs = 0;

  /** Latency of an answer that nothing else is known of: what endpoints without answers are taken for. */
  get typicalMs(): number {
    return this.#typicalMs || unknownMs;
  }

  /** An attempt ended: keeps `ewmaMs`, `ewmaAt` and `failing` of `endpoint`. */
  observe(endpoint: Endpoint, { ok, latencyMs, now }: Outcome): void {
    const ms = Math.max(latencyMs, 0.01);
    const known = endpoint.ewmaMs;
    const left = known === 0 ? 0 : Math.exp(-Math.max(0, now - endpoint.ewmaAt) / decayMs);
    if (ok) this.#typical(ms);
    if (ms >= known) endpoint.ewmaMs = ok ? ms : Math.max(ms, known || this.typicalMs);
    else if (ok) endpoint.ewmaMs = ms + (known - ms) * left;
    const share = Math.max(leastShare, 1 - left);
    if (!ok) endpoint.failing += (1 - endpoint.failing) * Math.min(share, 0.5);
    else if (endpoint.failing > 0) endpoint.failing *= 1 - share;
    endpoint.ewmaAt = now;
  }

  #typical(ms: number): void {
    if (this.#typicalMs === 0) this.#typicalMs = ms;
    else this.#typicalMs += (ms - this.#typicalMs) * typicalShare;
  }
}
