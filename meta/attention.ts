/**
 * What an operator should look at first, worst first, each with the page that tells more. Pure: the rules are a list, and
 * each looks at one thing. It raises nothing that is not visible on the page it points to.
 */

import type { Tone } from "./document.ts";
import { formatBytes, formatCount, formatDuration } from "./format_value.ts";
import { listenerFigures, listenerPath } from "./listener_figures.ts";
import { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";
import { streamAttention } from "./stream_attention.ts";
import { discoveryProblem, upstreamPath, type UpstreamView, upstreamViews } from "./upstream_view.ts";

/** One thing to look at. */
export interface Attention {
  tone: Tone & ("bad" | "warn");
  text: string;
  href: string;
}

type Rule = (sight: Sight, series: SeriesIndex) => Attention[];

const recentMs = 600_000;
const rules: readonly Rule[] = [
  readiness,
  children,
  exits,
  reload,
  memory,
  listeners,
  upstreams,
  loops,
  streamAttention,
  requests,
  losses,
];

/** Everything that needs a look. */
export function attention(sight: Sight, series = new SeriesIndex(sight.series())): Attention[] {
  const found = rules.flatMap((rule) => rule(sight, series));
  return [...found.filter((one) => one.tone === "bad"), ...found.filter((one) => one.tone === "warn")];
}

function readiness({ state }: Sight): Attention[] {
  if (state.ready) return [];
  const reasons = state.notReady.length > 0 ? state.notReady : [`the service is ${state.phase}`];
  return reasons.map((text) => ({ tone: "bad", text: `Not ready: ${text}`, href: "/readyz" }));
}

function children({ state, now, plan, ...sight }: Sight): Attention[] {
  const slots = new Map(sight.slots().map((slot) => [slot.slot, slot]));
  return state.children.flatMap((child): Attention[] => {
    const name = `${child.role} ${child.id}`;
    if (child.state === "hung") {
      return [{ tone: "bad", text: `${name} (pid ${child.pid}) hangs`, href: "/stacks" }];
    }
    const slot = slots.get(child.slot);
    const silentMs = slot && slot.pid === child.pid ? now - slot.beatAt : 0;
    const silent = child.state === "ready" && slot?.alive === true && silentMs > plan.workers.hang;
    if (silent) {
      const text = `${name} (pid ${child.pid}) has been silent for ${formatDuration(silentMs)}`;
      return [{ tone: "bad", text, href: "/stacks" }];
    }
    if (child.state === "starting" && now - child.startedAt > 10_000) {
      const text = `${name} has been starting for ${formatDuration(now - child.startedAt)}`;
      return [{ tone: "warn", text, href: "/workers" }];
    }
    return [];
  });
}

function exits({ state, now }: Sight): Attention[] {
  const recent = state.exits.filter((exit) => !exit.expected && now - exit.at < recentMs);
  if (recent.length === 0) return [];
  const newest = recent.reduce((a, b) => a.at > b.at ? a : b);
  const what = `${newest.role} ${newest.id}: ${newest.cause}, ${formatDuration(now - newest.at)} ago`;
  const text = recent.length === 1
    ? `Unexpected exit of ${what}`
    : `${recent.length} unexpected exits in 10 minutes, the last of ${what}`;
  return [{ tone: recent.length > 2 ? "bad" : "warn", text, href: "/workers" }];
}

function reload({ state }: Sight): Attention[] {
  if (state.lastReload === null || state.lastReload.ok) return [];
  return [{ tone: "warn", text: `The last reload failed: ${state.lastReload.message}`, href: "/status" }];
}

function memory({ state, plan, ...sight }: Sight): Attention[] {
  const limit = plan.workers.memory;
  if (!limit) return [];
  return state.children.flatMap((child): Attention[] => {
    const rss = sight.process(child.pid)?.rssBytes ?? child.rssBytes;
    if (child.role !== "worker" || rss < limit * 0.9) return [];
    const text = `worker ${child.id} uses ${formatBytes(rss)} of ${formatBytes(limit)}`;
    return [{ tone: "warn", text, href: "/workers" }];
  });
}

function listeners(sight: Sight, series: SeriesIndex): Attention[] {
  return Object.keys(sight.plan.listeners).flatMap((name): Attention[] => {
    const figures = listenerFigures(sight, series, name);
    const href = listenerPath(name);
    const found: Attention[] = [];
    if ((figures.failedPerSecond ?? 0) >= 0.05) {
      const share = figures.failedPerSecond! /
        Math.max(figures.requestsPerSecond ?? 0, figures.failedPerSecond!);
      const text = `${name}: ${formatCount(figures.failedPerSecond!)}/s (${
        formatCount(share * 100)
      } %) fail or are refused`;
      found.push({ tone: share > 0.05 ? "bad" : "warn", text, href });
    }
    if (
      (figures.queueDepth ?? 0) > 0 && figures.queueLimit > 0 && figures.queueDepth! >= figures.queueLimit / 2
    ) {
      const text = `${name}: ${figures.queueDepth} requests wait in queues of ${figures.queueLimit}`;
      found.push({ tone: "warn", text, href });
    }
    if ((figures.connectionsRefusedPerSecond ?? 0) > 0) {
      const text = `${name}: ${formatCount(figures.connectionsRefusedPerSecond!)}/s connections are refused`;
      found.push({ tone: "bad", text, href });
    }
    const accept = series.all("weir_accept_errors_total", { listener: name });
    if (accept.some((one) => (sight.trend(one).ratePerSecond ?? 0) > 0)) {
      found.push({ tone: "bad", text: `${name}: accepting fails (out of file descriptors?)`, href });
    }
    return found;
  });
}

function upstreams(sight: Sight, series: SeriesIndex): Attention[] {
  return upstreamViews(sight, series).flatMap((view): Attention[] => {
    const href = upstreamPath(view.name);
    const { name, panicking, breakers, failedPerSecond, callsPerSecond } = view;
    const found: Attention[] = [];
    const say = (tone: Attention["tone"], text: string) =>
      void found.push({ tone, text: `${name}: ${text}`, href });
    const stranded = workersWithout(view);
    if (stranded.length > 0) say("bad", `worker ${stranded.join(", ")} can use no endpoint`);
    if (panicking > 0) say("bad", "so few endpoints are healthy that health is ignored");
    if (breakers !== "") say("bad", `breaker ${breakers}`);
    if ((failedPerSecond ?? 0) >= 0.05) {
      const share = failedPerSecond! / Math.max(callsPerSecond ?? 0, failedPerSecond!);
      const text = `${formatCount(failedPerSecond!)}/s (${formatCount(share * 100)} %) of the calls fail`;
      say(share > 0.05 ? "bad" : "warn", text);
    }
    const problem = discoveryProblem(view);
    if (problem !== "") say("warn", `discovery: ${problem}`);
    for (const { key, state, cause } of view.endpoints) {
      if (state === "operator") {
        say("warn", `${key} was taken out of use by hand${cause === "" ? "" : `: ${cause}`}`);
      }
    }
    return found;
  });
}

/** Workers that have told of this upstream and have no endpoint to send calls to. */
function workersWithout({ workers, endpoints }: UpstreamView): string[] {
  const usable = new Set(
    endpoints.flatMap((one) => one.workers).filter(({ state }) => state === "usable").map(({ slot }) => slot),
  );
  return workers.filter(({ slot }) => !usable.has(slot)).map(({ worker }) => worker);
}

function loops(sight: Sight): Attention[] {
  return sight.loops().flatMap(({ loop, worker, state, failures, error }): Attention[] => {
    const say = (
      tone: Attention["tone"],
      text: string,
    ) => [{ tone, text: `${loop}: ${text}`, href: "/loops" }];
    if (state === "late") return say("bad", `a run in worker ${worker} is past its timeout`);
    if (failures === 0) return [];
    const what = failures === 1 ? "the last run" : `the last ${failures} runs`;
    return say(failures > 2 ? "bad" : "warn", `${what} in worker ${worker} failed: ${error}`);
  });
}

function requests(sight: Sight): Attention[] {
  const { plan, now } = sight;
  const late = sight.inflight(1000).rows.filter((request) => {
    const listener = plan.listeners[request.listener];
    const deadlineMs = listener && "deadline" in listener ? listener.deadline : 0;
    return deadlineMs > 0 && now - request.startedAt > deadlineMs;
  });
  if (late.length === 0) return [];
  const what = late.length === 1 ? "1 request in flight is" : `${late.length} requests in flight are`;
  return [{ tone: "bad", text: `${what} past the deadline`, href: "/inflight" }];
}

const lossNames: Readonly<Record<string, string>> = {
  weir_log_dropped_total: "log lines are being dropped",
  weir_series_overflow_total: "statistics are being lost: too many series",
};

function losses(sight: Sight, series: SeriesIndex): Attention[] {
  return Object.entries(lossNames).flatMap(([name, text]): Attention[] =>
    series.all(name).some((one) => (sight.trend(one).ratePerSecond ?? 0) > 0)
      ? [{ tone: "warn", text, href: `/series?filter=${name}` }]
      : []
  );
}
