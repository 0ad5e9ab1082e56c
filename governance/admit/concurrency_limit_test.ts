import assert from "node:assert/strict";
import fc from "fast-check";
import { adaptiveLimit, type ConcurrencyLimit, fixedLimit } from "./concurrency_limit.ts";

Deno.test("fixedLimit() never changes", () => {
  const limit = fixedLimit(7);
  for (let i = 0; i < 1000; i++) limit.sample(10_000, 7);
  assert.equal(limit.current, 7);
});

/** What one second of load on a backend came to. */
interface Second {
  goodput: number;
  refused: number;
  latencyMs: number;
  limit: number;
}

/**
 * A backend that serves `capacity` requests per second, each in `baseMs` while no more run than it has places for;
 * beyond that they share it, and every request in excess costs it some of its capacity (`thrash`). In steps of 1 ms.
 */
class Backend {
  #running: number[] = [];
  #credit = 0;

  constructor(
    readonly limit: ConcurrencyLimit,
    readonly capacity: number,
    readonly baseMs: number,
    readonly thrash = 0.002,
  ) {}

  /** `deadlineMs`: what takes longer is no goodput. */
  second(offered: number, deadlineMs = 500, capacity = this.capacity, baseMs = this.baseMs): Second {
    const result: Second = { goodput: 0, refused: 0, latencyMs: 0, limit: 0 };
    const places = Math.max(1, capacity * baseMs / 1000);
    let done = 0;
    for (let ms = 0; ms < 1000; ms++) {
      this.#credit += offered / 1000;
      for (; this.#credit >= 1; this.#credit--) {
        if (this.#running.length < this.limit.current) this.#running.push(0);
        else result.refused++;
      }
      const excess = Math.max(0, this.#running.length - places);
      const speed = this.#running.length === 0
        ? 0
        : Math.min(1, places / this.#running.length) / (1 + this.thrash * excess) / baseMs;
      const count = this.#running.length;
      const left: number[] = [];
      for (const progress of this.#running) {
        // The whole part is progress in units of the work, what is behind the point its age in seconds.
        const [work, ageMs] = [Math.floor(progress / 1e6) / 1e6 + speed, progress % 1e6 + 1];
        if (work < 1 - 1e-9) left.push(Math.floor(work * 1e6) * 1e6 + ageMs);
        else {
          this.limit.sample(ageMs, count);
          done++;
          result.latencyMs += ageMs;
          if (ageMs <= deadlineMs) result.goodput++;
        }
      }
      this.#running = left;
    }
    result.latencyMs /= Math.max(1, done);
    result.limit = this.limit.current;
    return result;
  }

  /** The average of the last ten of `count` seconds. */
  seconds(count: number, ...args: Parameters<Backend["second"]>): Second {
    const all = Array.from({ length: count }, () => this.second(...args)).slice(-10);
    const mean = (key: keyof Second) => all.reduce((sum, one) => sum + one[key], 0) / all.length;
    return {
      goodput: mean("goodput"),
      refused: mean("refused"),
      latencyMs: mean("latencyMs"),
      limit: mean("limit"),
    };
  }
}

Deno.test("adaptiveLimit() stays within floor and ceiling, whatever it is told", () => {
  const samples = fc.array(fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.nat(200)), {
    maxLength: 600,
  });
  fc.assert(fc.property(samples, fc.integer({ min: 1, max: 20 }), fc.nat(100), (told, floor, more) => {
    const limit = adaptiveLimit({ floor, ceiling: floor + more });
    for (const [ms, running] of told) {
      limit.sample(ms, running);
      assert.ok(Number.isInteger(limit.current) && limit.current >= floor && limit.current <= floor + more);
    }
  }));
});

Deno.test("adaptiveLimit() does not grow while nobody needs more", () => {
  const limit = adaptiveLimit({ floor: 16, ceiling: 4096 });
  for (let i = 0; i < 10_000; i++) limit.sample(5, 2);
  assert.equal(limit.current, 16);
});

Deno.test("adaptiveLimit() grows to what the load needs as long as the backend keeps up", () => {
  const backend = new Backend(adaptiveLimit({ floor: 4, ceiling: 1000 }), 2000, 20);
  const { goodput, refused, limit } = backend.seconds(30, 1800);
  assert.ok(limit >= 36, `limit ${limit}`);
  assert.ok(goodput >= 1750 && refused === 0, `${goodput} good, ${refused} refused`);
});

Deno.test("adaptiveLimit() keeps goodput and latency at three times the load, and lets everything in afterwards", () => {
  const backend = new Backend(adaptiveLimit({ floor: 4, ceiling: 4096 }), 1000, 20);
  const peak = backend.seconds(20, 900);
  // Long enough for an average over the past to have taken the overload for normal.
  const overload = backend.seconds(120, 3000);
  assert.ok(overload.goodput >= 0.95 * peak.goodput, `goodput ${overload.goodput} of ${peak.goodput}`);
  assert.ok(
    overload.latencyMs <= 3 * peak.latencyMs,
    `latency ${overload.latencyMs} after ${peak.latencyMs} ms`,
  );
  const after = backend.seconds(20, 900);
  assert.ok(after.goodput >= 0.98 * peak.goodput && after.refused === 0, JSON.stringify(after));
});

Deno.test("adaptiveLimit() does better than none at three times the load", () => {
  const free = new Backend(fixedLimit(4096), 1000, 20);
  free.seconds(5, 900);
  const collapsed = free.seconds(12, 3000);
  assert.ok(collapsed.goodput < 300, `${collapsed.goodput}`);
});

Deno.test("adaptiveLimit() keeps its floor when a dependency becomes slow, and comes back when it recovers", () => {
  const backend = new Backend(adaptiveLimit({ floor: 8, ceiling: 1000 }), 2000, 20);
  const before = backend.seconds(30, 1500);
  const slow = backend.seconds(60, 1500, 5000, 100, 400);
  assert.ok(slow.limit >= 8, `limit ${slow.limit}`);
  assert.ok(slow.goodput >= 85, `goodput ${slow.goodput} of 100`);
  const after = backend.seconds(60, 1500);
  assert.ok(after.goodput >= 0.95 * before.goodput, `${after.goodput} after ${before.goodput}`);
});
