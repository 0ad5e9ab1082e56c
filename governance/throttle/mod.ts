/**
 * Bounds the calls of this worker to one upstream: so many run, so many wait for at most so long, first in, first out,
 * the rest is refused at once. Knows nothing of other workers, and sets no timer: {@link Throttle.tick} sends away who
 * waited too long, and so does everybody who hands on a place.
 */
import type { Clock } from "../../core/clock.ts";
import type { PolicyHost, Throttle } from "../../core/upstream/contract.ts";

interface Waiter {
  readonly until: number;
  readonly settle: (turn: boolean) => void;
  next: Waiter | undefined;
}

/** The throttle of one upstream; undefined where its plan has none. */
export function makeThrottle(host: PolicyHost): Throttle | undefined {
  const { throttle } = host.plan;
  return throttle ? new CallThrottle(host, throttle) : undefined;
}

class CallThrottle implements Throttle {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #queue: number;
  readonly #waitMs: number;
  readonly #full: { add(n?: number): void };
  readonly #late: { add(n?: number): void };
  readonly #depth: { set(value: number): void };
  #head: Waiter | undefined;
  #tail: Waiter | undefined;
  #waiting = 0;
  #shown = 0;
  #inflight = 0;

  constructor(
    host: PolicyHost,
    { concurrency, queue, wait }: { concurrency: number; queue: number; wait: number },
  ) {
    this.#clock = host.clock;
    this.#concurrency = concurrency;
    this.#queue = wait > 0 ? queue : 0;
    this.#waitMs = wait;
    const refused = (cause: string) =>
      host.stats.counter(
        "weir_upstream_throttled_total",
        { upstream: host.name, cause },
        "Calls that found no place, or waited too long for one",
      );
    this.#full = refused("full");
    this.#late = refused("late");
    this.#depth = host.stats.gauge(
      "weir_upstream_throttle_waiting",
      { upstream: host.name },
      "Calls that wait for their turn",
    );
  }

  get inflight(): number {
    return this.#inflight;
  }

  get waiting(): number {
    return this.#waiting;
  }

  enter(now: number): boolean | Promise<boolean> {
    if (this.#inflight < this.#concurrency) {
      this.#inflight++;
      return true;
    }
    if (this.#waiting >= this.#queue) this.#expire(now);
    if (this.#waiting >= this.#queue) {
      this.#full.add();
      return false;
    }
    return new Promise((settle) => {
      const waiter = { until: now + this.#waitMs, settle, next: undefined };
      if (this.#tail) this.#tail.next = waiter;
      else this.#head = waiter;
      this.#tail = waiter;
      this.#waiting++;
    });
  }

  /** A place is free: it goes to the oldest that still waits. Nobody can wait while there are free places. */
  leave(): void {
    if (this.#head) {
      this.#expire(this.#clock.now());
      const waiter = this.#shift();
      if (waiter) return waiter.settle(true);
    }
    this.#inflight--;
  }

  tick(now: number): void {
    if (this.#head) this.#expire(now);
    if (this.#shown === this.#waiting) return;
    this.#depth.set(this.#waiting);
    this.#shown = this.#waiting;
  }

  #expire(now: number): void {
    while (this.#head && this.#head.until <= now) {
      this.#shift()!.settle(false);
      this.#late.add();
    }
  }

  #shift(): Waiter | undefined {
    const waiter = this.#head;
    if (!waiter) return undefined;
    this.#head = waiter.next;
    if (!this.#head) this.#tail = undefined;
    this.#waiting--;
    return waiter;
  }
}
