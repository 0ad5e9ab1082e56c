/** The loops of the service: where each runs, how its runs go, what its last failure was; and the same by worker. */

import { cell, type Table, type Value } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { loopStateTexts, type LoopView, loopViews } from "../loop_view.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";

export const loops = {
  method: "GET",
  path: "/loops",
  title: "Loops",
  summary: "Loops: where each runs, its runs, failures and last error, when it runs next.",
  tier: "read",
  nav: true,
  render(sight) {
    const views = loopViews(sight, new SeriesIndex(sight.series()));
    return { title: "Loops", sections: [all(sight, views), byWorker(sight, views)] };
  },
} satisfies Endpoint;

function all(sight: Sight, views: readonly LoopView[]): Table {
  return {
    kind: "table",
    key: "loops",
    title: "Loops",
    note: "Runs are counted since the service started. p99 is of the last minute.",
    columns: [
      { key: "name", label: "Name" },
      { key: "handler", label: "Handler", as: "code" },
      { key: "everyMs", label: "Every", as: "duration" },
      { key: "timeoutMs", label: "Timeout", as: "duration" },
      { key: "on", label: "On" },
      { key: "where", label: "Runs in" },
      { key: "state", label: "State" },
      { key: "runningMs", label: "For", as: "duration" },
      { key: "nextInMs", label: "Next in", as: "duration" },
      { key: "runs", label: "Runs", as: "count" },
      { key: "failed", label: "Failed", as: "count" },
      { key: "failures", label: "In a row", as: "count" },
      { key: "skipped", label: "Skipped", as: "count" },
      { key: "durationMs", label: "Last took", as: "duration" },
      { key: "p99Ms", label: "p99", as: "duration" },
      { key: "error", label: "Last error" },
      { key: "errorAgeMs", label: "Ago", as: "duration" },
      { key: "fatal", label: "Fatal" },
    ],
    rows: views.map((view) => row(sight, view)),
    empty: "The manifest declares no loops.",
  };
}

function row(sight: Sight, view: LoopView): Value[] {
  const { name, plan, state, failures, failed } = view;
  const shown = state && loopStateTexts[state];
  return [
    name,
    handlerText(sight, plan.handler),
    plan.every,
    cell(plan.timeout === 0 ? null : plan.timeout),
    plan.on,
    cell(view.where, "text", { tone: view.where === "nowhere" && state ? "warn" : undefined }),
    cell(shown ? shown.text : null, "text", { tone: shown?.tone }),
    since(sight, view.runningSince),
    cell(view.nextAt === 0 ? null : Math.max(0, view.nextAt - sight.now)),
    cell(view.runs),
    cell(failed, "count", { tone: failures > 0 ? "bad" : undefined }),
    cell(failures, "count", { tone: failures > 0 ? "bad" : undefined }),
    cell(view.skipped),
    cell(view.durationMs < 0 ? null : view.durationMs),
    cell(view.latency?.quantile(0.99) ?? null),
    cell(view.error === "" ? null : view.error, "text", {
      tone: failures > 0 ? "bad" : undefined,
      href: `/logs?logger=${encodeURIComponent(`loops.${name}`)}`,
    }),
    since(sight, view.errorAt),
    plan.fatal,
  ];
}

function byWorker(sight: Sight, views: readonly LoopView[]): Table {
  return {
    kind: "table",
    key: "workers",
    title: "In each worker",
    columns: [
      { key: "name", label: "Name" },
      { key: "worker", label: "Worker", as: "code" },
      { key: "state", label: "State" },
      { key: "runs", label: "Runs", as: "count" },
      { key: "failed", label: "Failed", as: "count" },
      { key: "failures", label: "In a row", as: "count" },
      { key: "startedAgoMs", label: "Last began", as: "duration" },
      { key: "durationMs", label: "Last took", as: "duration" },
      { key: "error", label: "Last error" },
      { key: "errorAgeMs", label: "Ago", as: "duration" },
    ],
    rows: views.flatMap(({ workers }) => workers).map((one) => {
      const { text, tone } = loopStateTexts[one.state];
      return [
        one.loop,
        one.worker,
        cell(text, "text", { tone }),
        one.runs,
        one.errors,
        one.failures,
        since(sight, one.startedAt),
        cell(one.durationMs < 0 ? null : one.durationMs),
        one.error === "" ? null : one.error,
        since(sight, one.errorAt),
      ];
    }),
    empty: "No worker has told of a loop.",
  };
}

function since({ now }: Sight, at: number) {
  return cell(at === 0 ? null : Math.max(0, now - at));
}

/** As a manifest says it: below its folder, the name of the export where it is not the default. */
function handlerText({ plan }: Sight, handler: { module: string; export: string }): string {
  let path = handler.module;
  try {
    path = decodeURIComponent(new URL(path).pathname);
  } catch {
    // Shown as it is.
  }
  const folder = plan.directory.endsWith("/") ? plan.directory : `${plan.directory}/`;
  if (path.startsWith(folder)) path = `./${path.slice(folder.length)}`;
  return handler.export === "default" ? path : `${path}#${handler.export}`;
}
