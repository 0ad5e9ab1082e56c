/**
 * One loop as all workers together see it, put together from their tables and the shared series. Pure; null means
 * "nobody has counted that yet". Where workers do different things the one that needs a look is shown.
 */

import type { LoopPlan } from "../core/manifest/plan.ts";
import type { LoopStateName, WorkerLoop } from "../core/stats/mod.ts";
import type { Tone } from "./document.ts";
import type { Window } from "./recent_latency.ts";
import type { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";

/** One loop over all workers. */
export interface LoopView {
  name: string;
  plan: LoopPlan;
  workers: WorkerLoop[];
  /** What the worker does that needs a look most; undefined where no worker has told. */
  state: LoopStateName | undefined;
  /** Where it runs now, or waits for its next run. */
  where: string;
  /** Since the service started. */
  runs: number | null;
  failed: number | null;
  skipped: number | null;
  failures: number;
  /** Epoch ms; 0 where nothing runs. */
  runningSince: number;
  /** -1 before the first run has ended. */
  durationMs: number;
  /** The runs of the last minute. */
  latency: Window | undefined;
  /** The last failure that a living worker knows of. */
  error: string;
  errorAt: number;
  errorWorker: string;
  /** Epoch ms; 0 where nothing is planned. */
  nextAt: number;
}

/** From what needs a look least to what needs it most. */
const severity: readonly LoopStateName[] = [
  "stopped",
  "standby",
  "waiting",
  "running",
  "backingOff",
  "late",
];

/** The states in words, and their tones. */
export const loopStateTexts: Readonly<Record<LoopStateName, { text: string; tone: Tone | undefined }>> = {
  stopped: { text: "stopped", tone: "quiet" },
  standby: { text: "elsewhere", tone: "quiet" },
  waiting: { text: "waiting", tone: undefined },
  running: { text: "running", tone: "good" },
  backingOff: { text: "backing off", tone: "bad" },
  late: { text: "past its timeout", tone: "bad" },
};

/** All loops of the plan, in its order. */
export function loopViews(sight: Sight, series: SeriesIndex): LoopView[] {
  return Object.entries(sight.plan.loops).map(([name, plan]) => loopView(sight, series, name, plan));
}

function loopView(sight: Sight, series: SeriesIndex, name: string, plan: LoopPlan): LoopView {
  const workers = sight.loops().filter(({ loop }) => loop === name);
  const rank = ({ state }: WorkerLoop) => severity.indexOf(state);
  const worst = workers.reduce<WorkerLoop | undefined>((a, b) => a && rank(a) >= rank(b) ? a : b, undefined);
  const having = workers.filter(({ state }) => state !== "standby" && state !== "stopped");
  const running = workers.filter(({ state }) => state === "running" || state === "late");
  const last = newest(workers, ({ startedAt, durationMs }) => durationMs < 0 ? -1 : startedAt);
  const failed = newest(workers.filter(({ error }) => error !== ""), ({ errorAt }) => errorAt);
  const counted = (result: string) => series.sum("weir_loop_runs_total", { loop: name, result });
  const total = (...results: string[]) => {
    const values = results.map(counted).filter((value) => value !== null);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
  };
  const duration = series.one("weir_loop_duration_seconds", { loop: name });
  const planned = having.map(({ nextAt }) => nextAt).filter((at) => at > 0);
  return {
    name,
    plan,
    workers,
    state: worst?.state,
    where: whereOf(plan, having),
    runs: total("ok", "error", "timeout"),
    failed: total("error", "timeout"),
    skipped: total("skipped"),
    failures: Math.max(0, ...workers.map(({ failures }) => failures)),
    runningSince: running.length === 0 ? 0 : Math.min(...running.map(({ startedAt }) => startedAt)),
    durationMs: last?.durationMs ?? -1,
    latency: duration && sight.recentLatency(duration),
    error: failed?.error ?? "",
    errorAt: failed?.errorAt ?? 0,
    errorWorker: failed?.worker ?? "",
    nextAt: planned.length === 0 ? 0 : Math.min(...planned),
  };
}

function newest(rows: readonly WorkerLoop[], at: (row: WorkerLoop) => number): WorkerLoop | undefined {
  return rows.reduce<WorkerLoop | undefined>((a, b) => a && at(a) >= at(b) ? a : b, undefined);
}

function whereOf(plan: LoopPlan, having: readonly WorkerLoop[]): string {
  if (having.length === 0) return "nowhere";
  if (plan.on === "everyWorker") return having.length === 1 ? "1 worker" : `${having.length} workers`;
  return having.map(({ worker }) => `worker ${worker}`).join(", ");
}
