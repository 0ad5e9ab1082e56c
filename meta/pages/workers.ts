/** The processes of the service: life, memory, loop, and how the former ones ended. */

import type { ChildState, ChildStatus, ExitRecord } from "../../core/control.ts";
import type { SlotInfo } from "../../core/stats/mod.ts";
import {
  type Actions,
  type Block,
  cell,
  type Section,
  type Table,
  type Tone,
  type Value,
} from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { formatDuration, formatTime } from "../format_value.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";

const stateTones: Readonly<Record<ChildState, Tone>> = {
  starting: "warn",
  ready: "good",
  hung: "bad",
  draining: "warn",
  exited: "quiet",
};

/** All processes, workers first. */
export function processTable(sight: Sight): Table {
  const slots = new Map(sight.slots().map((slot) => [slot.slot, slot]));
  const requests = requestsByWorker(sight);
  const children = [...sight.state.children].sort((a, b) => order(a) - order(b) || a.id - b.id);
  return {
    kind: "table",
    key: "processes",
    title: "Processes",
    columns: [
      { key: "role", label: "Role" },
      { key: "id", label: "Id", as: "code" },
      { key: "state", label: "State" },
      { key: "pid", label: "Pid", as: "code" },
      { key: "generation", label: "Gen", as: "count" },
      { key: "uptimeMs", label: "Up for", as: "duration" },
      { key: "rssBytes", label: "RSS", as: "bytes" },
      { key: "cpuShare", label: "CPU", as: "share" },
      { key: "heartbeatAgeMs", label: "Heartbeat", as: "duration" },
      { key: "loopDelayMs", label: "Loop delay", as: "duration" },
      { key: "loopDelayMaxMs", label: "Worst", as: "duration" },
      { key: "requests", label: "Requests", as: "count" },
      { key: "inflight", label: "In flight", as: "count" },
      { key: "connections", label: "Connections", as: "count" },
      { key: "restarts", label: "Restarts", as: "count" },
      { key: "lastExit", label: "Last exit" },
    ],
    rows: children.map((child) => {
      const found = slots.get(child.slot);
      const slot = found !== undefined && found.pid === child.pid ? found : undefined;
      return processRow(sight, child, slot, requests.get(slot?.id ?? "") ?? null);
    }),
    empty: "The supervisor has not reported any process yet.",
  };
}

function processRow(
  { now, plan, state, exitCounts, process }: Sight,
  child: ChildStatus,
  slot: SlotInfo | undefined,
  requests: number | null,
): Value[] {
  const silentMs = slot ? Math.max(0, now - slot.beatAt) : null;
  const silent = silentMs !== null && silentMs > plan.workers.hang && child.state !== "exited";
  const figures = process(child.pid);
  const restarts = exitCounts.filter((one) => one.role === child.role && one.id === child.id)
    .reduce((sum, one) => sum + one.count, 0);
  const exit = state.exits.find((one) => one.role === child.role && one.id === child.id);
  return [
    child.role,
    child.id,
    cell(child.state, "text", { tone: stateTones[child.state] }),
    child.pid,
    child.generation,
    cell(child.startedAt > 0 ? now - child.startedAt : null),
    cell(figures?.rssBytes ?? (child.rssBytes || null)),
    cell(figures?.cpuShare ?? null),
    cell(silentMs, "duration", { tone: silent ? "bad" : undefined }),
    cell(slot?.loopDelayMs ?? null),
    cell(slot?.loopDelayMaxMs ?? null),
    child.role === "worker" ? cell(requests) : cell(null),
    cell(slot?.inflight ?? null, "count", { href: slot?.inflight ? "/inflight" : undefined }),
    cell(slot?.connections ?? null, "count", { href: slot?.connections ? "/connections" : undefined }),
    cell(restarts),
    exit ? cell(exit.cause, "text", { tone: exit.expected ? "quiet" : "bad" }) : cell(null),
  ];
}

/** Workers first: they are what the service is. */
function order(child: ChildStatus): number {
  return ["worker", "governor", "shipper", "supervisor"].indexOf(child.role);
}

function requestsByWorker(sight: Sight): Map<string, number> {
  const totals = new Map<string, number>();
  for (const one of new SeriesIndex(sight.seriesPerWorker()).all("weir_requests_total")) {
    const worker = one.worker ?? "";
    totals.set(worker, (totals.get(worker) ?? 0) + one.value);
  }
  return totals;
}

function exitTable({ state }: Sight): Table {
  return {
    kind: "table",
    key: "exits",
    title: "Last exits",
    columns: [
      { key: "at", label: "When", as: "time" },
      { key: "role", label: "Role" },
      { key: "id", label: "Id", as: "code" },
      { key: "pid", label: "Pid", as: "code" },
      { key: "cause", label: "Cause" },
      { key: "expected", label: "Expected" },
      { key: "uptimeMs", label: "Was up for", as: "duration" },
      { key: "detail", label: "Detail", as: "code" },
    ],
    rows: newestFirst(state.exits).map((exit) => [
      exit.at,
      exit.role,
      exit.id,
      exit.pid,
      cell(exit.cause, "text", { tone: exit.expected ? undefined : "bad" }),
      exit.expected,
      exit.uptimeMs,
      firstLine(exit.detail),
    ]),
    empty: "None since the service started.",
  };
}

function firstLine(text: string): string {
  const lines = text.trim().split("\n");
  return lines.length > 1 ? `${lines[0]} …` : lines[0]!;
}

function newestFirst(exits: ExitRecord[]): ExitRecord[] {
  return [...exits].sort((a, b) => b.at - a.at);
}

/** The whole last words of processes that said more than a line. */
function lastWords({ state }: Sight): Block[] {
  return newestFirst(state.exits).filter((exit) => exit.detail.trim().includes("\n")).slice(0, 5)
    .map((exit, i) => ({
      kind: "block",
      key: `lastWords${i + 1}`,
      title: `Last words of ${exit.role} ${exit.id}, pid ${exit.pid}`,
      note: `${exit.cause}, ${formatTime(exit.at)}, after ${formatDuration(exit.uptimeMs)}`,
      text: exit.detail.trim(),
    }));
}

function restartActions({ state }: Sight): Actions {
  return {
    kind: "actions",
    key: "actions",
    title: "Restart",
    note: "The replacement is ready before the old process drains.",
    actions: state.children.filter((child) => child.role === "worker").map((child) => ({
      method: "post",
      path: `/workers/${child.id}/restart`,
      label: `Restart worker ${child.id}`,
      fields: [],
    })),
  };
}

export const workers = {
  method: "GET",
  path: "/workers",
  title: "Workers",
  summary:
    "Processes: state, memory, heartbeat, loop delay, requests, restarts, and how the last ones ended.",
  tier: "read",
  nav: true,
  render(sight) {
    const sections: Section[] = [processTable(sight), exitTable(sight), ...lastWords(sight)];
    return { title: "Workers", sections: [...sections, restartActions(sight)] };
  },
} satisfies Endpoint;
