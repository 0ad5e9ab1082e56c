/** The figures of one listener, put together from the shared series. Pure; null means "nobody has counted that yet". */

import { reasons } from "../core/reasons.ts";
import type { ListenerPlan } from "../core/manifest/plan.ts";
import type { Distribution } from "../core/stats/mod.ts";
import type { Window } from "./recent_latency.ts";
import type { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";

/** Figures over all workers. */
export interface ListenerFigures {
  requests: number | null;
  requestsPerSecond: number | null;
  /** Ended for a reason that is not the client's: refused, failed, too late. */
  failed: number | null;
  failedPerSecond: number | null;
  /** Requests per second, second by second. */
  history: number[];
  duration: Distribution | undefined;
  queueWait: Distribution | undefined;
  inFlight: number | null;
  concurrencyLimit: number | null;
  queueDepth: number | null;
  /** Over all workers that are ready; 0 where there is no queue. */
  queueLimit: number;
  connectionsOpen: number | null;
  connectionsAccepted: number | null;
  connectionsRefused: number | null;
  connectionsRefusedPerSecond: number | null;
}

/** The figures of listener `name`. */
export function listenerFigures(sight: Sight, series: SeriesIndex, name: string): ListenerFigures {
  const labels = { listener: name };
  const total = series.all("weir_requests_total", labels);
  const failed = total.filter((one) => isFailure(one.labels.reason ?? ""));
  const refused = series.all("weir_connections_refused_total", labels);
  const trends = total.map((one) => sight.trend(one));
  return {
    requests: series.sum("weir_requests_total", labels),
    requestsPerSecond: addRates(trends.map((trend) => trend.ratePerSecond)),
    failed: total.length === 0 ? null : failed.reduce((sum, one) => sum + one.value, 0),
    failedPerSecond: addRates(failed.map((one) => sight.trend(one).ratePerSecond)),
    history: addHistories(trends.map((trend) => trend.points)),
    duration: series.one("weir_request_duration_seconds", labels)?.distribution,
    queueWait: series.one("weir_queue_wait_seconds", labels)?.distribution,
    inFlight: series.sum("weir_requests_in_flight", labels),
    concurrencyLimit: series.sum("weir_concurrency_limit", labels),
    queueDepth: series.sum("weir_queue_depth", labels),
    queueLimit: queueOf(sight.plan.listeners[name]) * readyWorkers(sight),
    connectionsOpen: series.sum("weir_connections_open", labels),
    connectionsAccepted: series.sum("weir_connections_accepted_total", labels),
    connectionsRefused: series.sum("weir_connections_refused_total", labels),
    connectionsRefusedPerSecond: addRates(refused.map((one) => sight.trend(one).ratePerSecond)),
  };
}

/** Whether a reason means that the service did not do what it is there for; clients' own doing is not counted. */
export function isFailure(reason: string): boolean {
  const row = (reasons as Record<string, { party: string }>)[reason];
  return reason !== "ok" && row?.party !== "client";
}

function readyWorkers({ state }: Sight): number {
  return state.children.filter((child) => child.role === "worker" && child.state === "ready").length;
}

function queueOf(plan: ListenerPlan | undefined): number {
  return plan !== undefined && "admit" in plan ? plan.admit.queue : 0;
}

/** Rates added; null only when none is known. */
export function addRates(rates: (number | null)[]): number | null {
  const known = rates.filter((rate) => rate !== null);
  return known.length === 0 ? null : known.reduce((sum, rate) => sum + rate, 0);
}

/** Histories added second by second, aligned at now; a shorter one began later. */
export function addHistories(histories: number[][]): number[] {
  const length = Math.max(0, ...histories.map((history) => history.length));
  const sum = new Array<number>(length).fill(0);
  for (const history of histories) {
    const from = length - history.length;
    for (let i = 0; i < history.length; i++) sum[from + i] = sum[from + i]! + history[i]!;
  }
  return sum;
}

/** The page of a listener. */
export function listenerPath(name: string): string {
  return `/listeners/${encodeURIComponent(name)}`;
}

/** Where a listener listens, as text. */
export function addressesOf(sight: Sight, name: string): string {
  return (sight.state.addresses[name] ?? []).join(" ");
}

/** The latency of its last minute. */
export function latencyOf(sight: Sight, series: SeriesIndex, listener: string): Window | undefined {
  const found = series.one("weir_request_duration_seconds", { listener });
  return found && sight.recentLatency(found);
}
