/** One upstream: its endpoints over all workers and in each, breakers, calls and attempts, and the stack of a call. */

import { type StackValue, upstreamStack } from "../../core/manifest/explain_upstream.ts";
import type { UpstreamPlan } from "../../core/manifest/plan.ts";
import { reasons } from "../../core/reasons.ts";
import type { WorkerEndpoint } from "../../core/stats/mod.ts";
import { type Actions, cell, type Document, type Facts, type Table, type Value } from "../document.ts";
import { type Ask, complaint, type Endpoint } from "../endpoint.ts";
import { isFailure } from "../listener_figures.ts";
import { limitOf } from "../limit_of.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import {
  discoveryAgeMs,
  discoveryProblem,
  type EndpointView,
  stateTones,
  upstreamPath,
  type UpstreamView,
  upstreamView,
} from "../upstream_view.ts";
import { upstreamForms } from "./upstream_commands.ts";
import { breakerCell, panicCell } from "./upstreams.ts";

export const upstream = {
  method: "GET",
  path: "/upstreams/:name",
  title: "Upstream",
  summary:
    "One upstream: endpoints over all workers and in each, breakers, calls, attempts, the stack of a call.",
  tier: "read",
  paths: ({ plan }) => Object.keys(plan.upstreams).map(upstreamPath),
  render(sight, { params, query }) {
    const name = params.name!;
    if (!Object.hasOwn(sight.plan.upstreams, name)) return noSuchUpstream(sight, name);
    const limit = limitOf(query, 200);
    if (limit === null) return complaint(400, "Upstream", "`limit` must be a whole number from 1 to 10000.");
    return page(sight, name, query, limit);
  },
} satisfies Endpoint;

/** 404, with the names that exist. */
export function noSuchUpstream({ plan }: Sight, name: string): Document {
  const known = Object.keys(plan.upstreams).join(", ") || "none";
  return complaint(
    404,
    "No such upstream",
    `There is no upstream ${JSON.stringify(name)}. There are: ${known}.`,
  );
}

function page(sight: Sight, name: string, query: Ask["query"], limit: number): Document {
  const series = new SeriesIndex(sight.series());
  const view = upstreamView(sight, series, name);
  const wanted = filterOf(query);
  const found = view.endpoints.filter((one) => matches(one, wanted));
  const shown = found.slice(0, limit);
  return {
    title: `Upstream ${name}`,
    sections: [
      now(sight, series, view),
      filterForm(view, wanted, limit),
      endpointTable(sight, view, shown, found.length),
      workerTable(sight, shown, wanted.worker, limit),
      breakerTable(sight, series, view),
      callTable(sight, series, name),
      attemptTable(sight, series, name),
      stackTable(view.plan),
      upstreamForms(view),
    ],
  };
}

function now(sight: Sight, series: SeriesIndex, view: UpstreamView): Facts {
  const { plan, latency, workers } = view;
  const problem = discoveryProblem(view);
  const labels = { upstream: view.name };
  const rate = (name: string) => {
    const found = series.one(name, labels);
    return found ? sight.trend(found).ratePerSecond : null;
  };
  const connections = (state: string) => series.sum("weir_upstream_connections", { ...labels, state });
  return {
    kind: "facts",
    key: "now",
    title: "Now",
    facts: [
      { key: "protocol", label: "Protocol", value: plan.protocol },
      { key: "source", label: "Endpoints from", value: cell(view.source, "code") },
      {
        key: "ageMs",
        label: "Last answer",
        value: cell(discoveryAgeMs(view, sight.now), "duration"),
      },
      {
        key: "discovery",
        label: "Discovery",
        value: cell(workers.length === 0 ? null : problem || "ok", "text", {
          tone: problem ? "warn" : undefined,
        }),
      },
      {
        key: "usable",
        label: "Usable endpoints",
        value: workers.length === 0 ? null : `${view.usable} of ${view.endpoints.length}`,
      },
      { key: "panic", label: "Panic (health ignored)", value: panicCell(view) },
      { key: "callsPerSecond", label: "Calls", value: cell(view.callsPerSecond, "rate") },
      { key: "history", label: "Calls, last minute", value: cell(view.history, "history") },
      {
        key: "failedPerSecond",
        label: "Failing",
        value: cell(view.failedPerSecond, "rate", { tone: view.failedPerSecond ? "bad" : undefined }),
      },
      { key: "failed", label: "Failed since start", value: cell(view.failed, "count") },
      { key: "p50Ms", label: "p50, last minute", value: cell(latency?.quantile(0.5) ?? null, "duration") },
      { key: "p99Ms", label: "p99, last minute", value: cell(latency?.quantile(0.99) ?? null, "duration") },
      { key: "inFlight", label: "Calls in flight", value: cell(view.inFlight, "count") },
      { key: "connectionsIdle", label: "Connections idle", value: cell(connections("idle"), "count") },
      { key: "connectionsBusy", label: "Connections busy", value: cell(connections("busy"), "count") },
      { key: "connectionWaiters", label: "Waiting for one", value: cell(connections("waiters"), "count") },
      { key: "breakers", label: "Breakers", value: breakerCell(view) },
      { key: "retriesPerSecond", label: "Retries", value: cell(rate("weir_upstream_retries_total"), "rate") },
      {
        key: "retriesLeft",
        label: "Retries the budget allows now",
        value: cell(view.retryLeft === null ? null : Math.floor(view.retryLeft), "count"),
      },
      { key: "hedgesPerSecond", label: "Hedges", value: cell(rate("weir_upstream_hedges_total"), "rate") },
      { key: "throttle", label: "Throttle", value: throttleText(view) },
    ],
  };
}

function throttleText({ plan, workers, throttleInflight, throttleWaiting }: UpstreamView) {
  if (plan.throttle === null || workers.length === 0) return null;
  const most = plan.throttle.concurrency * workers.length;
  const text = `${throttleInflight} of ${most} run, ${throttleWaiting} wait`;
  return cell(text, "text", { tone: throttleWaiting > 0 ? "warn" : undefined });
}

interface Wanted {
  endpoint: string;
  state: string;
  worker: string;
}

function filterOf(query: Ask["query"]): Wanted {
  return {
    endpoint: query.get("endpoint") ?? "",
    state: query.get("state") ?? "",
    worker: query.get("worker") ?? "",
  };
}

function matches(one: EndpointView, { endpoint, state, worker }: Wanted): boolean {
  return one.key.includes(endpoint) && (state === "" || one.workers.some((row) => row.state === state)) &&
    (worker === "" || one.workers.some((row) => row.worker === worker));
}

function filterForm({ name, workers }: UpstreamView, wanted: Wanted, limit: number): Actions {
  const ids = [...new Set(workers.map(({ worker }) => worker))];
  return {
    kind: "actions",
    key: "filter",
    title: "",
    actions: [{
      method: "get",
      path: upstreamPath(name),
      label: "Filter",
      fields: [
        { name: "endpoint", label: "Endpoint contains", value: wanted.endpoint },
        { name: "state", label: "State", value: wanted.state, options: ["", ...Object.keys(stateTones)] },
        { name: "worker", label: "Worker", value: wanted.worker, options: ["", ...ids] },
        { name: "limit", label: "Limit", value: String(limit) },
      ],
    }],
  };
}

function endpointTable(sight: Sight, view: UpstreamView, shown: EndpointView[], found: number): Table {
  const lost = new SeriesIndex(sight.series()).sum("weir_endpoints_dropped_total") ?? 0;
  return {
    kind: "table",
    key: "endpoints",
    title: `Endpoints: ${shown.length} of ${found} shown, ${view.endpoints.length} known`,
    note:
      "Where workers disagree, the worst is shown. EWMA is the mean of the workers; attempts and failures count since they started." +
      (lost > 0 ? ` ${lost} endpoints found no place in the table of their worker.` : ""),
    columns: [
      { key: "endpoint", label: "Endpoint", as: "code" },
      { key: "role", label: "Role" },
      { key: "state", label: "State" },
      { key: "outForMs", label: "For another", as: "duration" },
      { key: "cause", label: "Why" },
      { key: "ewmaMs", label: "EWMA", as: "duration" },
      { key: "inFlight", label: "In flight", as: "count" },
      { key: "idle", label: "Idle", as: "count" },
      { key: "busy", label: "Busy", as: "count" },
      { key: "waiters", label: "Waiting", as: "count" },
      { key: "oldestMs", label: "Oldest", as: "duration" },
      { key: "attempts", label: "Attempts", as: "count" },
      { key: "failures", label: "Failures", as: "count" },
      { key: "weight", label: "Weight", as: "count" },
      { key: "priority", label: "Prio", as: "count" },
    ],
    rows: shown.map((one) => [
      one.address,
      one.role,
      cell(stateText(one), "text", { tone: stateTones[one.state] }),
      leftOf(sight, one.until),
      one.cause,
      cell(one.ewmaMs),
      one.inflight,
      one.idle,
      one.busy,
      cell(one.waiters, "count", { tone: one.waiters > 0 ? "warn" : undefined }),
      cell(one.oldestMs > 0 ? one.oldestMs : null),
      one.attempts,
      cell(one.failures, "count", { tone: one.failures > 0 ? "warn" : undefined }),
      one.weight,
      one.priority,
    ]),
    empty: view.endpoints.length === 0 ? "No endpoint is known." : "None matches.",
  };
}

function stateText({ state, agreeing, workers }: EndpointView): string {
  return agreeing === workers.length ? state : `${state} in ${agreeing} of ${workers.length}`;
}

function leftOf({ now }: Sight, until: number) {
  return cell(until > 0 ? Math.max(0, until - now) : null);
}

function workerTable(sight: Sight, shown: readonly EndpointView[], worker: string, limit: number): Table {
  const all = shown.flatMap((one) => one.workers).filter((row) => worker === "" || row.worker === worker);
  const rows = all.slice(0, limit);
  return {
    kind: "table",
    key: "byWorker",
    title: `Endpoints by worker: ${rows.length} of ${all.length} shown`,
    columns: [
      { key: "endpoint", label: "Endpoint", as: "code" },
      { key: "role", label: "Role" },
      { key: "worker", label: "Worker", as: "code" },
      { key: "state", label: "State" },
      { key: "outForMs", label: "For another", as: "duration" },
      { key: "cause", label: "Why" },
      { key: "ewmaMs", label: "EWMA", as: "duration" },
      { key: "inFlight", label: "In flight", as: "count" },
      { key: "idle", label: "Idle", as: "count" },
      { key: "busy", label: "Busy", as: "count" },
      { key: "waiters", label: "Waiting", as: "count" },
      { key: "oldestMs", label: "Oldest", as: "duration" },
      { key: "attempts", label: "Attempts", as: "count" },
      { key: "failures", label: "Failures", as: "count" },
    ],
    rows: rows.map((row) => workerRow(sight, row)),
    empty: "No worker has said anything yet.",
  };
}

function workerRow(sight: Sight, row: WorkerEndpoint): Value[] {
  return [
    row.address,
    row.role,
    row.worker,
    cell(row.state, "text", { tone: stateTones[row.state] }),
    leftOf(sight, row.until),
    row.cause,
    cell(row.ewmaMs > 0 ? row.ewmaMs : null),
    row.inflight,
    row.idle,
    row.busy,
    row.waiters,
    cell(row.oldestMs > 0 ? row.oldestMs : null),
    row.attempts,
    row.failures,
  ];
}

function breakerTable(sight: Sight, series: SeriesIndex, { name, plan }: UpstreamView): Table {
  const found = series.all("weir_upstream_breaker", { upstream: name });
  return {
    kind: "table",
    key: "breakers",
    title: "Breakers",
    note: plan.breaker === null
      ? undefined
      : `One per ${plan.breaker.per}, shared by the workers of this host.`,
    columns: [
      { key: "breaker", label: "Breaker", as: "code" },
      { key: "state", label: "State" },
      { key: "refused", label: "Refused", as: "count" },
      { key: "refusedPerSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: found.map((one) => {
      const { breaker = "" } = one.labels;
      const refused = series.one("weir_upstream_breaker_refused_total", { upstream: name, breaker });
      const trend = refused && sight.trend(refused);
      return [
        breaker,
        breakerState(one.value),
        cell(refused?.value ?? null),
        cell(trend?.ratePerSecond ?? null),
        cell(trend?.points ?? [], "history"),
      ];
    }),
    empty: plan.breaker === null ? "The manifest asks for none." : "All of them have been closed so far.",
  };
}

/** The states in the order of the series' values. */
const breakerStates = ["closed", "open", "halfOpen", "ramp", "forced"];

function breakerState(value: number) {
  const state = breakerStates[value] ?? String(value);
  return cell(state, "text", { tone: value === 0 ? "good" : value === 1 ? "bad" : "warn" });
}

function callTable(sight: Sight, series: SeriesIndex, upstream: string): Table {
  const found = series.all("weir_upstream_calls_total", { upstream }).filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
  return {
    kind: "table",
    key: "calls",
    title: "Calls by reason",
    columns: [
      { key: "reason", label: "Reason", as: "code" },
      { key: "text", label: "Meaning" },
      { key: "total", label: "Total", as: "count" },
      { key: "perSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: found.map((one) => {
      const reason = one.labels.reason ?? "";
      const known = Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons] : undefined;
      const trend = sight.trend(one);
      return [
        cell(reason, "code", { tone: reason === "ok" ? "good" : isFailure(reason) ? "bad" : undefined }),
        known?.text ?? null,
        one.value,
        cell(trend.ratePerSecond),
        cell(trend.points, "history"),
      ];
    }),
    empty: "No call has ended yet.",
  };
}

function attemptTable(sight: Sight, series: SeriesIndex, upstream: string): Table {
  const found = series.all("weir_upstream_attempts_total", { upstream }).filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
  return {
    kind: "table",
    key: "attempts",
    title: "Attempts by failure",
    columns: [
      { key: "failure", label: "Failure", as: "code" },
      { key: "total", label: "Total", as: "count" },
      { key: "perSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: found.map((one) => {
      const failure = one.labels.failure ?? "";
      const trend = sight.trend(one);
      return [
        cell(failure, "code", { tone: failure === "none" ? "good" : "bad" }),
        one.value,
        cell(trend.ratePerSecond),
        cell(trend.points, "history"),
      ];
    }),
    empty: "No attempt has ended yet.",
  };
}

/** What `explain` shows, without the places: the plan has forgotten its text. */
function stackTable(plan: UpstreamPlan): Table {
  return {
    kind: "table",
    key: "stack",
    title: "What a call goes through",
    note:
      "Outermost first. `explain upstreams.<name>` also tells which line of the manifest each number came from.",
    columns: [
      { key: "part", label: "Part" },
      { key: "numbers", label: "In force", as: "code" },
      { key: "why", label: "Why here" },
    ],
    rows: upstreamStack(plan).map(({ name, on, note, values, why }) => [
      cell(name, "text", { tone: on ? undefined : "quiet" }),
      on ? numbersText(name, values, note) : cell(`off: ${note}`, "text", { tone: "quiet" }),
      cell(why, "text", { tone: "quiet" }),
    ]),
    empty: "",
  };
}

/** `concurrency 64 · queue 256`: the part's own name in front of each would say nothing. */
function numbersText(part: string, values: readonly StackValue[], note: string): string {
  const short = (path: string) => path.startsWith(`${part}.`) ? path.slice(part.length + 1) : path;
  const numbers = values.map(({ path, text }) => `${short(path)} ${text}`).join(" · ");
  return note === "" ? numbers : numbers === "" ? note : `${numbers} (${note})`;
}
