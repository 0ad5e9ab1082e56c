/**
 * Whether a failed attempt is followed by another. Asked after every failure; refuses what is not listed in `retry.on`,
 * what may have been done already and must not be done twice, and what the budget of all workers has no room for.
 *
 * | `retry.on` | failures |
 * |---|---|
 * | `connect` | no connection came about, for whatever reason: resolve, connect, refused, tls |
 * | `refused` | refused alone |
 * | `reset` | reset, write |
 * | `timeout` | timeout |
 * | a number | an answer with that status |
 *
 * `protocol` and what ended in this worker (full, breaker, throttle, unavailable, …) are never tried again. Without
 * `retry` in the manifest: resolve, connect and refused, two attempts. That leaves out tls: a certificate that nobody
 * accepts is a mistake to be seen, not to be tried around, unless somebody says so.
 *
 * Waits are random between 0 and backoff × 2^n, at most ten times the first ("full jitter", AWS Architecture Blog 2015);
 * never shorter than what the upstream asked for, which is stretched by up to one half so that not all come back at once.
 */
import type { Clock } from "../../core/clock.ts";
import type { PolicyHost, Retry } from "../../core/upstream/contract.ts";
import type { FailureKind } from "../../core/upstream_error.ts";
import { ShareBudget } from "./share_budget.ts";
import { sharedBlock } from "./shared_block.ts";

const defaults = { attempts: 2, on: [] as readonly (string | number)[], budget: 0.2, backoff: 25 };
const defaultFailures: readonly FailureKind[] = ["resolve", "connect", "refused"];

const failuresOf: Readonly<Record<string, readonly FailureKind[]>> = {
  connect: ["resolve", "connect", "refused", "tls"],
  refused: ["refused"],
  reset: ["reset", "write"],
  timeout: ["timeout"],
};

/** Failures before anything could be sent: trying again is always safe. */
const nothingSent: ReadonlySet<FailureKind> = new Set(["resolve", "connect", "refused", "tls"]);

/** As Finagle: calls pay for 10 s, and 10 retries per second are free. */
const ttlMs = 10_000;
const freePerSecond = 10;
const longestAskedMs = 300_000;
const mostBackoff = 10;

/** Why a retry that was listed did not happen. `late`: the upstream asked for a longer pause than a call may take. */
type Cause = "budget" | "attempts" | "unsafe" | "late";

/** What a worker may know beside the host. */
export interface RetryOptions {
  /** How many workers there are; the free retries are divided by it where workers do not share their numbers. */
  workers?: number;
}

/** The retries of one upstream. */
export function makeRetry(host: PolicyHost, options: RetryOptions = {}): Retry {
  return new BudgetedRetry(host, options);
}

class BudgetedRetry implements Retry {
  readonly #host: PolicyHost;
  readonly #clock: Clock;
  readonly #attempts: number;
  readonly #backoffMs: number;
  readonly #totalMs: number;
  readonly #failures: ReadonlySet<FailureKind>;
  readonly #statuses: ReadonlySet<number>;
  readonly #budget: ShareBudget;
  readonly #retries: { add(n?: number): void };
  readonly #refused = new Map<Cause, { add(n?: number): void }>();

  constructor(host: PolicyHost, { workers = 1 }: RetryOptions) {
    const { attempts, on, budget, backoff } = host.plan.retry ?? defaults;
    this.#host = host;
    this.#clock = host.clock;
    this.#attempts = attempts;
    this.#backoffMs = backoff;
    this.#totalMs = host.plan.timeouts.total;
    this.#failures = new Set(
      host.plan.retry ? on.flatMap((term) => failuresOf[term] ?? []) : defaultFailures,
    );
    this.#statuses = new Set(on.filter((term) => typeof term === "number"));
    this.#budget = new ShareBudget(host.clock, sharedBlock(host, "retry"), {
      share: budget,
      ttlMs,
      floorPerSecond: freePerSecond,
      workers: host.shared.acrossProcesses ? 1 : workers,
    });
    this.#retries = host.stats.counter(
      "weir_upstream_retries_total",
      { upstream: host.name },
      "Attempts after the first one of a call",
    );
  }

  deposit(now: number): void {
    this.#budget.deposit(now);
  }

  next(
    failure: FailureKind,
    status: number,
    attempts: number,
    safe: boolean,
    retryAfterMs: number,
    now: number,
  ): number {
    const listed = failure === "status" ? this.#statuses.has(status) : this.#failures.has(failure);
    if (!listed) return -1;
    if (attempts >= this.#attempts) return this.#refuse("attempts");
    if (!safe && !nothingSent.has(failure)) return this.#refuse("unsafe");
    const waitMs = this.#waitMs(attempts, retryAfterMs);
    if (waitMs >= this.#totalMs) return this.#refuse("late");
    if (!this.#budget.take(now)) return this.#refuse("budget");
    this.#retries.add();
    return waitMs;
  }

  left(now: number): number {
    return this.#budget.left(now);
  }

  #waitMs(attempts: number, retryAfterMs: number): number {
    const backoffMs = this.#backoffMs * Math.min(mostBackoff, 2 ** (attempts - 1)) * this.#clock.random();
    if (!(retryAfterMs > 0)) return backoffMs;
    const askedMs = Math.min(longestAskedMs, retryAfterMs * (1 + this.#clock.random() / 2));
    return Math.max(backoffMs, askedMs);
  }

  #refuse(cause: Cause): -1 {
    let count = this.#refused.get(cause);
    if (!count) {
      count = this.#host.stats.counter(
        "weir_upstream_retries_refused_total",
        { upstream: this.#host.name, cause },
        "Failed attempts that could have been tried again and were not",
      );
      this.#refused.set(cause, count);
    }
    count.add();
    return -1;
  }
}
