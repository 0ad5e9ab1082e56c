/** The service at a glance: what it is, what needs a look, its processes, listeners and streams. */

import { type Attention, attention } from "../attention.ts";
import { cell, type Facts, type Table } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import { listenerTable } from "./listeners.ts";
import { streamTable } from "./streams.ts";
import { processTable } from "./workers.ts";

/** What the service is and how it is. */
export function serviceFacts({ state, plan, now }: Sight): Facts {
  const ready = state.ready;
  return {
    kind: "facts",
    key: "service",
    title: "",
    facts: [
      { key: "service", label: "Service", value: `${plan.service} ${plan.version ?? ""}`.trim() },
      { key: "phase", label: "Phase", value: state.phase },
      {
        key: "ready",
        label: "Ready",
        value: cell(ready, "text", { href: "/readyz", tone: ready ? "good" : "bad" }),
      },
      { key: "uptimeMs", label: "Up for", value: cell(now - state.startedAt, "duration") },
      { key: "startedAt", label: "Started", value: cell(state.startedAt, "time") },
      { key: "generation", label: "Generation", value: state.generation },
      { key: "pid", label: "Supervisor pid", value: cell(state.pid, "code") },
      { key: "weir", label: "Weir", value: cell(state.weir, "text", { href: "/version" }) },
      { key: "lastReload", label: "Last reload", value: lastReload(state) },
    ],
  };
}

function lastReload({ lastReload }: Sight["state"]) {
  if (lastReload === null) return null;
  const text = `${lastReload.ok ? "done" : "failed"} at ${new Date(lastReload.at).toISOString()}`;
  return cell(lastReload.message ? `${text}: ${lastReload.message}` : text, "text", {
    tone: lastReload.ok ? "good" : "bad",
  });
}

/** What needs a look, as a section. */
export function attentionTable(found: Attention[]): Table {
  return {
    kind: "table",
    key: "attention",
    title: "Needs a look",
    columns: [{ key: "severity", label: "" }, { key: "text", label: "What" }],
    rows: found.map(({ tone, text, href }) => [cell(tone, "text", { tone }), cell(text, "text", { href })]),
    empty: "Nothing: ready, no unexpected exits, no failures in the last seconds.",
  };
}

export const status = {
  method: "GET",
  path: "/status",
  title: "Status",
  summary: "The service at a glance: what needs a look, processes, listeners, streams.",
  tier: "read",
  nav: true,
  render(sight) {
    const series = new SeriesIndex(sight.series());
    return {
      title: "Status",
      sections: [
        attentionTable(attention(sight, series)),
        serviceFacts(sight),
        processTable(sight),
        listenerTable(sight, series),
        ...Object.keys(sight.plan.streams).length > 0 ? [streamTable(sight, series)] : [],
      ],
    };
  },
} satisfies Endpoint;
