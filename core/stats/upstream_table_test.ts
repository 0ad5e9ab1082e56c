import assert from "node:assert/strict";
import { maxUpstreams } from "./layout.ts";
import { localStatsMemory, readUpstreams, type UpstreamFigures } from "./mod.ts";

const calm: UpstreamFigures = {
  source: "static",
  updatedAt: 1000,
  error: "",
  cached: false,
  panic: false,
  breakers: "",
  retryLeft: -1,
  throttleInflight: 0,
  throttleWaiting: 0,
};

Deno.test("set() shows an upstream, and what changed of it", () => {
  const memory = localStatsMemory(2);
  const { upstreams } = memory.slot(1).writer({ role: "worker", id: 2 });
  upstreams.set("users", calm);
  const where = { slot: 1, worker: "2", upstream: "users" };
  assert.deepEqual(readUpstreams(memory), { total: 1, rows: [{ ...where, ...calm }] });
  const bad: UpstreamFigures = {
    source: "dns users.internal",
    updatedAt: 2000,
    error: "no such name",
    cached: true,
    panic: true,
    breakers: "GET open",
    retryLeft: 4,
    throttleInflight: 64,
    throttleWaiting: 12,
  };
  upstreams.set("users", bad);
  upstreams.set("cache", calm);
  const { rows } = readUpstreams(memory);
  assert.deepEqual(rows, [{ ...where, upstream: "cache", ...calm }, { ...where, ...bad }]);
});

Deno.test("set() cuts long texts, and tells nothing of upstreams past the last row", () => {
  const memory = localStatsMemory(1);
  const { upstreams } = memory.slot(0).writer({ role: "worker", id: 1 });
  for (let n = 0; n <= maxUpstreams; n++) {
    upstreams.set(`u${n}`, {
      ...calm,
      source: "s".repeat(99),
      error: "é".repeat(99),
      breakers: "b".repeat(999),
    });
  }
  const { total, rows } = readUpstreams(memory);
  assert.equal(total, maxUpstreams);
  for (const row of rows) {
    assert.deepEqual([row.source.length, row.error.length, row.breakers.length], [64, 48, 128]);
    assert.match(row.error, /^é+$/);
  }
  assert.ok(!rows.some(({ upstream }) => upstream === `u${maxUpstreams}`));
});

Deno.test("the table is empty after close(), and for the next writer of a slot", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1, pid: 2 ** 22 + 1 });
  writer.upstreams.set("old", calm);
  const next = memory.slot(0).writer({ role: "worker", id: 1 });
  assert.equal(readUpstreams(memory).total, 0);
  next.upstreams.set("new", { ...calm, panic: true });
  assert.deepEqual(readUpstreams(memory).rows.map(({ upstream, panic }) => [upstream, panic]), [[
    "new",
    true,
  ]]);
  next.close();
  assert.equal(readUpstreams(memory).total, 0);
});
