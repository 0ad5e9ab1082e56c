/**
 * `p2c`: the default. Of two members the one with the lower expected latency, which is its peak EWMA (latency.ts) times
 * what is in flight there (Finagle), and dearer the more of its attempts fail (go-zero). A member nothing is known of counts as typical, so that it is tried like the others
 * and not flooded: what is in flight makes it dearer until it answers.
 */
import type { Clock } from "../../core/clock.ts";
import { failureFactor, type Latency } from "./latency.ts";
import type { Member } from "./member.ts";
import { TwoChoices } from "./two_choices.ts";

/** See the module's header. */
export class PeakEwma extends TwoChoices {
  readonly #latency: Latency;
  /** Latencies of equal endpoints differ by chance. */
  protected readonly tolerance = 1.25;
  /** Otherwise nothing would ever be learned of one that has become fast again. */
  protected readonly forces = true;

  constructor(clock: Clock, latency: Latency) {
    super(clock);
    this.#latency = latency;
  }

  protected cost({ endpoint }: Member, load: number): number {
    return (endpoint.ewmaMs || this.#latency.typicalMs) * (load + 1) * failureFactor(endpoint);
  }
}
