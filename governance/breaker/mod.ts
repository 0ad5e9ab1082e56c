/**
 * The breakers of one upstream: one, or one per method or endpoint. Their number is bounded: beyond it, one that nobody
 * has asked for a while makes room, and while there is none the rest share the breaker `other`. A breaker takes two of
 * the names of the host's shared table, which are never given back; where those are used up, a worker's further breakers
 * are its own.
 */
import type { Breaker, Breakers, PolicyHost } from "../../core/upstream/contract.ts";
import { sharedBlock } from "../retry/shared_block.ts";
import { BreakerMetrics } from "./breaker_metrics.ts";
import { SharedBreaker } from "./shared_breaker.ts";

const mostKeys = { upstream: 1, method: 64, endpoint: 256 };
const other = "other";
/** Nobody misses a breaker after this. */
const unusedMs = 600_000;

/** What a worker may know beside the host. */
export interface BreakerOptions {
  /** How many workers there are; probes are divided by it where workers do not share their numbers. */
  workers?: number;
}

/** The breakers of one upstream; undefined where its plan has none. */
export function makeBreakers(host: PolicyHost, options: BreakerOptions = {}): Breakers | undefined {
  return host.plan.breaker ? new BreakerSet(host, host.plan.breaker, options) : undefined;
}

class BreakerSet implements Breakers {
  readonly per: Breakers["per"];
  readonly #host: PolicyHost;
  readonly #plan: NonNullable<PolicyHost["plan"]["breaker"]>;
  readonly #probes: number;
  readonly #byKey = new Map<string, SharedBreaker>();
  readonly #only: SharedBreaker | undefined;
  #other: SharedBreaker | undefined;
  /** Not before this is it worth looking for one to replace. */
  #lookAt = -Infinity;

  constructor(host: PolicyHost, plan: NonNullable<PolicyHost["plan"]["breaker"]>, options: BreakerOptions) {
    this.per = plan.per;
    this.#host = host;
    this.#plan = plan;
    const workers = host.shared.acrossProcesses ? 1 : options.workers ?? 1;
    this.#probes = Math.max(1, Math.ceil(plan.probes / workers));
    if (plan.per === "upstream") this.#only = this.#make(host.name);
  }

  of(key: string): Breaker {
    return this.#only ?? this.#byKey.get(key) ?? this.#add(key);
  }

  list(): Breaker[] {
    if (this.#only) return [this.#only];
    return this.#other ? [...this.#byKey.values(), this.#other] : [...this.#byKey.values()];
  }

  #add(key: string): Breaker {
    if (key === "" || key === other) return this.#rest();
    if (this.#byKey.size >= mostKeys[this.per] && !this.#makeRoom()) return this.#rest();
    const breaker = this.#make(key);
    breaker.usedAt = this.#host.clock.now();
    this.#byKey.set(key, breaker);
    return breaker;
  }

  #rest(): Breaker {
    return this.#other ??= this.#make(other);
  }

  /** Drops the breakers that nobody has asked for long; the shared state stays, should somebody come back. */
  #makeRoom(): boolean {
    const now = this.#host.clock.now();
    if (now < this.#lookAt) return false;
    this.#lookAt = now + unusedMs / 100;
    for (const [key, { usedAt }] of this.#byKey) if (now - usedAt > unusedMs) this.#byKey.delete(key);
    const room = this.#byKey.size < mostKeys[this.per];
    if (!room && !this.#other) {
      const { name, log } = this.#host;
      log.warn("as many breakers as there may be: the rest share one", { upstream: name, per: this.per });
    }
    return room;
  }

  #make(key: string): SharedBreaker {
    const host = this.#host;
    return new SharedBreaker({
      key,
      plan: this.#plan,
      probes: this.#probes,
      callMs: host.plan.timeouts.total,
      clock: host.clock,
      blocks: [this.#block(0, key), this.#block(1, key)],
      metrics: new BreakerMetrics(host, key),
    });
  }
  /** Times are kept in units that follow from these: workers of an older plan must not share them. */
  #block(half: number, key: string): ReturnType<typeof sharedBlock> {
    const { window, open } = this.#plan;
    return sharedBlock(
      this.#host,
      "breaker",
      `${half} ${window} ${open} ${this.#host.plan.timeouts.total} ${key}`,
    );
  }
}
