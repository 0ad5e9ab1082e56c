/** What a pick costs, printed; and that it neither grows with the number of endpoints nor makes objects. */
import assert from "node:assert/strict";
import { systemClock } from "../../core/clock.ts";
import { Scope } from "../../core/scope.ts";
import type { PolicyHost } from "../../core/upstream/contract.ts";
import { makeSelector } from "./mod.ts";
import { endpointOf, testHost } from "./testdata/world.ts";

const keys = Array.from({ length: 1024 }, (_, i) => `user-${i * 7919}`);
const rounds = 100_000;

/** ns per pick among `count` endpoints of weights 1, or 1 to 3; and the bytes that the heap grew by, per pick. */
function costOf(balance: unknown, count: number, weighted: boolean): { ns: number; bytes: number } {
  const host: PolicyHost = { ...testHost({ balance }), clock: systemClock };
  const selector = makeSelector(host, new Scope("test"));
  const endpoints = Array.from({ length: count }, (_, i) => endpointOf({ weight: weighted ? 1 + i % 3 : 1 }));
  selector.update(endpoints, [], []);
  for (const endpoint of endpoints) {
    endpoint.ewmaMs = 1 + Math.random();
    endpoint.inflight = Math.floor(Math.random() * 3);
  }
  const picking = { role: null, key: keys[0]!, tried: [] };
  const run = (n: number, now: number) => {
    for (let i = 0; i < n; i++) {
      picking.key = keys[i & 1023]!;
      selector.pick(picking, now);
    }
  };
  run(rounds, 1);
  let ns = Infinity;
  let bytes = Infinity;
  for (let best = 0; best < 3; best++) {
    const heap = Deno.memoryUsage().heapUsed;
    const from = performance.now();
    run(rounds, 2 + best);
    ns = Math.min(ns, (performance.now() - from) * 1e6 / rounds);
    bytes = Math.min(bytes, Math.max(0, Deno.memoryUsage().heapUsed - heap) / rounds);
  }
  return { ns, bytes };
}

for (const balance of ["p2c", "leastRequests", "roundRobin", "random", { ringHash: { key: "client" } }]) {
  const name = typeof balance === "string" ? balance : "ringHash";
  Deno.test(`${name} picks among 10,000 at about the cost of 10, without allocating`, () => {
    for (const weighted of [false, true]) {
      const few = costOf(balance, 10, weighted);
      const many = costOf(balance, 10_000, weighted);
      console.log(
        `${name}${weighted ? ", weighted" : ""}: ${few.ns.toFixed(0)} ns of 10, ${
          many.ns.toFixed(0)
        } ns of 10,000; ` +
          `${few.bytes.toFixed(1)} and ${many.bytes.toFixed(1)} bytes`,
      );
      // A thousand times as many: what it may cost more is memory that is not in the cache.
      assert.ok(many.ns < 30 * few.ns + 1000, `${few.ns} ns → ${many.ns} ns`);
      // The engine may box the numbers of a draw or two, 16 bytes each.
      assert.ok(Math.max(few.bytes, many.bytes) <= 64, `${few.bytes} and ${many.bytes} bytes per pick`);
    }
  });
}
