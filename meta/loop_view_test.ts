import assert from "node:assert/strict";
import { localStatsMemory, type LoopFigures, readSeries, type WorkerLoop } from "../core/stats/mod.ts";
import { attention } from "./attention.ts";
import { loopViews } from "./loop_view.ts";
import { loops } from "./pages/loops.ts";
import { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";

function told(worker: string, more: Partial<LoopFigures> = {}): WorkerLoop {
  return {
    slot: Number(worker) - 1,
    worker,
    loop: "beat",
    state: "standby",
    failures: 0,
    runs: 0,
    errors: 0,
    startedAt: 0,
    durationMs: -1,
    nextAt: 0,
    error: "",
    errorAt: 0,
    ...more,
  };
}

/** A look at two workers that ran the loop `beat`. */
function look(rows: WorkerLoop[], on = "oneWorker"): Sight {
  const memory = localStatsMemory(2);
  for (const id of [1, 2]) {
    const stats = memory.slot(id - 1).writer({ role: "worker", id });
    const runs = { ok: 10, error: 2, timeout: 1, skipped: 4 };
    for (const [result, count] of Object.entries(runs)) {
      stats.counter("weir_loop_runs_total", { loop: "beat", result }).add(count);
    }
  }
  const handler = { module: "file:///srv/app/a%20b/beat.ts", export: "tick" };
  const beat = { handler, every: 1000, timeout: 0, on, fatal: false };
  return {
    now: 10_000,
    plan: {
      directory: "/srv/app",
      loops: { beat },
      upstreams: {},
      streams: {},
      listeners: {},
      workers: { memory: 0 },
    },
    state: { ready: true, children: [], exits: [], lastReload: null },
    loops: () => rows,
    streams: () => [],
    endpoints: () => [],
    upstreams: () => [],
    series: () => readSeries(memory),
    slots: () => [],
    trend: () => ({ ratePerSecond: null, points: [] }),
    inflight: () => ({ total: 0, rows: [] }),
  } as unknown as Sight;
}

function view(sight: Sight) {
  return loopViews(sight, new SeriesIndex(sight.series()))[0]!;
}

Deno.test("loopViews() shows the worker that has the loop, and what all of them counted", () => {
  const sight = look([
    told("1"),
    told("2", { state: "waiting", startedAt: 9000, durationMs: 12, nextAt: 10_500, runs: 3 }),
  ]);
  const { state, where, runs, failed, skipped, durationMs, nextAt, error } = view(sight);
  assert.deepEqual([state, where, durationMs, nextAt, error], ["waiting", "worker 2", 12, 10_500, ""]);
  assert.deepEqual([runs, failed, skipped], [26, 6, 8]);
  assert.deepEqual(attention(sight), []);
});

Deno.test("loopViews() shows what needs a look most, and the latest failure", () => {
  const sight = look([
    told("1", { state: "backingOff", failures: 3, error: "Error: new", errorAt: 9000, nextAt: 12_000 }),
    told("2", { state: "late", failures: 1, error: "no end within 5 ms", errorAt: 8000, startedAt: 7000 }),
  ], "everyWorker");
  const { state, where, error, errorWorker, runningSince, failures } = view(sight);
  assert.deepEqual([state, where, error, errorWorker], ["late", "2 workers", "Error: new", "1"]);
  assert.deepEqual([runningSince, failures], [7000, 3]);
  assert.deepEqual(attention(sight).map(({ tone, text }) => `${tone} ${text}`), [
    "bad beat: the last 3 runs in worker 1 failed: Error: new",
    "bad beat: a run in worker 2 is past its timeout",
  ]);
});

Deno.test("loopViews() says so where nobody runs a loop, and nothing where nobody has told", () => {
  assert.equal(view(look([told("1"), told("2")])).where, "nowhere");
  const { state, nextAt, durationMs } = view(look([]));
  assert.deepEqual([state, nextAt, durationMs], [undefined, 0, -1]);
});

Deno.test("/loops names handlers as the manifest does, and shows each worker", () => {
  const { sections } = loops.render(look([told("1", { state: "running", startedAt: 9900 }), told("2")]));
  const [all, workers] = sections;
  assert.deepEqual(all!.rows[0]!.slice(0, 5).map((one) => (one as { value?: unknown })?.value ?? one), [
    "beat",
    "./a b/beat.ts#tick",
    1000,
    { value: null, as: undefined },
    "oneWorker",
  ]);
  assert.equal(workers!.rows.length, 2);
});
