/**
 * When a second attempt starts beside a slow first one, and whether it may (the backup requests of "The Tail at Scale",
 * Dean and Barroso 2013; Finagle's `BackupRequestFilter`). It starts at a percentile of what first attempts took in the
 * last half minute, or after a fixed time, within a budget that is a share of the calls over all workers. Refuses to
 * judge by fewer than 100 observations; what a call may be sent twice is not decided here.
 */
import type { Hedge, PolicyHost } from "../../core/upstream/contract.ts";
import { ShareBudget } from "../retry/share_budget.ts";
import { sharedBlock } from "../retry/shared_block.ts";
import { LatencyWindow } from "./latency_window.ts";

const enough = 100;
/** Longer than the budget of retries: one per cent of few calls is less than one for long. */
const ttlMs = 30_000;

/** The hedging of one upstream; undefined where its plan has none. */
export function makeHedge(host: PolicyHost): Hedge | undefined {
  const { hedge } = host.plan;
  return hedge ? new BudgetedHedge(host, hedge) : undefined;
}

class BudgetedHedge implements Hedge {
  readonly #fixedMs: number;
  readonly #seen: LatencyWindow | undefined;
  readonly #budget: ShareBudget;
  readonly #taken: { add(n?: number): void };
  readonly #refused: { add(n?: number): void };

  constructor(host: PolicyHost, { after, budget }: NonNullable<PolicyHost["plan"]["hedge"]>) {
    this.#fixedMs = typeof after === "number" ? after : Infinity;
    this.#seen = typeof after === "number" ? undefined : new LatencyWindow(after.percentile);
    this.#budget = new ShareBudget(host.clock, sharedBlock(host, "hedge"), {
      share: budget,
      ttlMs,
      floorPerSecond: 0,
      workers: 1,
    });
    const labels = { upstream: host.name };
    this.#taken = host.stats.counter(
      "weir_upstream_hedges_total",
      labels,
      "Second attempts beside a slow first one",
    );
    this.#refused = host.stats.counter(
      "weir_upstream_hedges_refused_total",
      labels,
      "Slow first attempts that got no second one, as the budget had none left",
    );
  }

  deposit(now: number): void {
    this.#budget.deposit(now);
    this.#seen?.move(now);
  }

  delayMs(): number {
    if (!this.#seen) return this.#fixedMs;
    return this.#seen.count < enough ? Infinity : this.#seen.valueMs;
  }

  take(now: number): boolean {
    const may = this.#budget.take(now);
    (may ? this.#taken : this.#refused).add();
    return may;
  }

  observe(latencyMs: number): void {
    this.#seen?.record(latencyMs);
  }
}
