/**
 * One upstream as all workers together see it, put together from their tables and the shared series. Pure; null means
 * "nobody has counted that yet". Where workers disagree the worst is shown, with how many say so.
 */

import type { UpstreamPlan } from "../core/manifest/plan.ts";
import type { EndpointStateName, WorkerEndpoint, WorkerUpstream } from "../core/stats/mod.ts";
import type { Tone } from "./document.ts";
import { addHistories, addRates, isFailure } from "./listener_figures.ts";
import type { Window } from "./recent_latency.ts";
import type { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";

/** One endpoint over all workers. */
export interface EndpointView {
  address: string;
  /** Empty without one. */
  role: string;
  /** What commands name it by. */
  key: string;
  workers: WorkerEndpoint[];
  /** The worst of what the workers say. */
  state: EndpointStateName;
  /** How many workers say so. */
  agreeing: number;
  /** Epoch ms; 0 where nobody knows, or it is in use. */
  until: number;
  cause: string;
  weight: number;
  priority: number;
  /** Mean over the workers that know it. */
  ewmaMs: number | null;
  inflight: number;
  idle: number;
  busy: number;
  waiters: number;
  attempts: number;
  failures: number;
  oldestMs: number;
}

/** One upstream over all workers. */
export interface UpstreamView {
  name: string;
  plan: UpstreamPlan;
  workers: WorkerUpstream[];
  endpoints: EndpointView[];
  /** Endpoints that every worker can use. */
  usable: number;
  source: string;
  /** Epoch ms of the oldest answer that a worker works with; 0 before the first. */
  updatedAt: number;
  error: string;
  cached: boolean;
  /** Workers that ignore health. */
  panicking: number;
  /** Breakers that are not closed; empty where all are. */
  breakers: string;
  /** null where nobody has said. */
  retryLeft: number | null;
  throttleInflight: number;
  throttleWaiting: number;
  callsPerSecond: number | null;
  /** Calls per second, second by second. */
  history: number[];
  calls: number | null;
  failedPerSecond: number | null;
  failed: number | null;
  inFlight: number | null;
  /** The latency of the last minute. */
  latency: Window | undefined;
}

/** From the best to the worst. */
const severity: readonly EndpointStateName[] = [
  "usable",
  "removed",
  "unhealthy",
  "ejected",
  "breaker",
  "operator",
];

/** The tone of a state. */
export const stateTones: Readonly<Record<EndpointStateName, Tone>> = {
  usable: "good",
  removed: "quiet",
  unhealthy: "bad",
  ejected: "bad",
  breaker: "bad",
  operator: "warn",
};

/** All upstreams of the plan, in its order. */
export function upstreamViews(sight: Sight, series: SeriesIndex): UpstreamView[] {
  return Object.keys(sight.plan.upstreams).map((name) => upstreamView(sight, series, name));
}

/** Upstream `name` of the plan. */
export function upstreamView(sight: Sight, series: SeriesIndex, name: string): UpstreamView {
  const workers = sight.upstreams().filter(({ upstream }) => upstream === name);
  const endpoints = endpointViews(sight.endpoints().filter(({ upstream }) => upstream === name));
  const labels = { upstream: name };
  const calls = series.all("weir_upstream_calls_total", labels);
  const failed = calls.filter((one) => isFailure(one.labels.reason ?? ""));
  const duration = series.one("weir_upstream_call_duration_seconds", labels);
  const trends = calls.map((one) => sight.trend(one));
  const distinct = (texts: string[]) => [...new Set(texts.filter((text) => text !== ""))].join("; ");
  const known = workers.map(({ retryLeft }) => retryLeft).filter((left) => left >= 0);
  return {
    name,
    plan: sight.plan.upstreams[name]!,
    workers,
    endpoints,
    usable: endpoints.filter(({ state }) => state === "usable").length,
    source: distinct(workers.map(({ source }) => source)),
    updatedAt: workers.length === 0 ? 0 : Math.min(...workers.map(({ updatedAt }) => updatedAt)),
    error: distinct(workers.map(({ error }) => error)),
    cached: workers.some(({ cached }) => cached),
    panicking: workers.filter(({ panic }) => panic).length,
    breakers: distinct(workers.map(({ breakers }) => breakers)),
    retryLeft: known.length === 0 ? null : Math.min(...known),
    throttleInflight: sum(workers.map(({ throttleInflight }) => throttleInflight)),
    throttleWaiting: sum(workers.map(({ throttleWaiting }) => throttleWaiting)),
    callsPerSecond: addRates(trends.map(({ ratePerSecond }) => ratePerSecond)),
    history: addHistories(trends.map(({ points }) => points)),
    calls: series.sum("weir_upstream_calls_total", labels),
    failedPerSecond: addRates(failed.map((one) => sight.trend(one).ratePerSecond)),
    failed: calls.length === 0 ? null : sum(failed.map(({ value }) => value)),
    inFlight: series.sum("weir_upstream_in_flight", labels),
    latency: duration && sight.recentLatency(duration),
  };
}

/** Rows of several workers, brought together by endpoint. */
export function endpointViews(rows: readonly WorkerEndpoint[]): EndpointView[] {
  const groups = new Map<string, WorkerEndpoint[]>();
  for (const row of rows) {
    const key = row.role === "" ? row.address : `${row.address} ${row.role}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups].map(([key, workers]) => merged(key, workers)).sort((a, b) =>
    a.priority - b.priority || compare(a.key, b.key)
  );
}

function merged(key: string, workers: WorkerEndpoint[]): EndpointView {
  const worst = workers.reduce((a, b) => severity.indexOf(b.state) > severity.indexOf(a.state) ? b : a);
  const total = (figure: (row: WorkerEndpoint) => number) => sum(workers.map(figure));
  const latencies = workers.map(({ ewmaMs }) => ewmaMs).filter((ms) => ms > 0);
  const same = workers.filter(({ state }) => state === worst.state);
  return {
    address: worst.address,
    role: worst.role,
    key,
    workers,
    state: worst.state,
    agreeing: same.length,
    until: Math.max(...same.map(({ until }) => until)),
    cause: worst.cause,
    weight: worst.weight,
    priority: worst.priority,
    ewmaMs: latencies.length === 0 ? null : sum(latencies) / latencies.length,
    inflight: total((row) => row.inflight),
    idle: total((row) => row.idle),
    busy: total((row) => row.busy),
    waiters: total((row) => row.waiters),
    attempts: total((row) => row.attempts),
    failures: total((row) => row.failures),
    oldestMs: Math.max(...workers.map(({ oldestMs }) => oldestMs)),
  };
}

/** What is wrong with the discovery of an upstream, in words; empty where nothing is. */
export function discoveryProblem({ error, cached, updatedAt, workers }: UpstreamView): string {
  if (workers.length === 0) return "";
  const kept = cached ? "kept from an earlier run" : "";
  const never = updatedAt === 0 ? "no answer yet" : "";
  return [error, kept, never].filter((text) => text !== "").join("; ");
}

/** How old the answer is that the endpoints come from; null where they stand in the manifest, or nobody has said. */
export function discoveryAgeMs({ plan, updatedAt }: UpstreamView, now: number): number | null {
  return updatedAt === 0 || plan.discover.static !== undefined ? null : Math.max(0, now - updatedAt);
}

/** The page of an upstream. */
export function upstreamPath(name: string): string {
  return `/upstreams/${encodeURIComponent(name)}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
