/** The requests in flight of all workers, oldest first: also of a worker that hangs in one of them. */

import { cell } from "../document.ts";
import { complaint, type Endpoint } from "../endpoint.ts";
import { limitOf } from "../limit_of.ts";
import { phaseName } from "../phase_name.ts";
import type { Sight } from "../sight.ts";

export const inflight = {
  method: "GET",
  path: "/inflight",
  title: "In flight",
  summary:
    "Requests in flight, oldest first: what they ask, their phase and age, and the last mark they left.",
  tier: "read",
  nav: true,
  example: "?limit=20",
  render(sight, { query }) {
    const limit = limitOf(query, 200);
    if (limit === null) return complaint(400, "In flight", "`limit` must be a whole number from 1 to 10000.");
    const { total, rows } = sight.inflight(Infinity);
    const listener = query.get("listener") ?? "";
    const worker = query.get("worker") ?? "";
    const found = rows.filter((row) =>
      (listener === "" || row.listener === listener) && (worker === "" || row.worker === worker)
    );
    const shown = found.slice(0, limit);
    return {
      title: "Requests in flight",
      sections: [
        {
          kind: "actions",
          key: "filter",
          title: "",
          actions: [{
            method: "get",
            path: "/inflight",
            label: "Filter",
            fields: [
              {
                name: "listener",
                label: "Listener",
                value: listener,
                options: [
                  "",
                  ...Object.keys(sight.plan.listeners),
                  ...Object.keys(sight.plan.loops).map((loop) => `${loopPrefix}${loop}`),
                ],
              },
              { name: "worker", label: "Worker", value: worker },
              { name: "limit", label: "Limit", value: String(limit) },
            ],
          }],
        },
        {
          kind: "table",
          key: "inflight",
          title: `${shown.length} of ${found.length} shown, ${total} in flight`,
          columns: [
            { key: "id", label: "Id", as: "code" },
            { key: "listener", label: "Listener" },
            { key: "worker", label: "Worker", as: "code" },
            { key: "phase", label: "Phase" },
            { key: "ageMs", label: "Age", as: "duration" },
            { key: "text", label: "Request", as: "code" },
            { key: "mark", label: "Last mark", as: "code" },
            { key: "markAgeMs", label: "Marked", as: "duration" },
            { key: "torn", label: "Torn" },
          ],
          rows: shown.map((row) => {
            const ageMs = Math.max(0, sight.now - row.startedAt);
            const late = ageMs > deadlineOf(sight, row.listener);
            return [
              row.id,
              cell(row.listener, "text", { href: pageOf(row.listener) }),
              row.worker,
              phaseName(row.phase),
              cell(ageMs, "duration", { tone: late ? "bad" : undefined }),
              row.text,
              row.mark,
              cell(row.markedAt > 0 ? Math.max(0, sight.now - row.markedAt) : null),
              row.torn,
            ];
          }),
          empty: "No request is in flight, or none matches.",
        },
      ],
    };
  },
} satisfies Endpoint;

/** Runs of loops stand beside requests, under the name of their logger; no listener can be called so. */
const loopPrefix = "loops.";

function pageOf(name: string): string {
  return name.startsWith(loopPrefix) ? "/loops" : `/listeners/${encodeURIComponent(name)}`;
}

function deadlineOf({ plan }: Sight, name: string): number {
  const loop = name.startsWith(loopPrefix) ? name.slice(loopPrefix.length) : "";
  if (Object.hasOwn(plan.loops, loop)) return plan.loops[loop]!.timeout || Infinity;
  const listener = Object.hasOwn(plan.listeners, name) ? plan.listeners[name]! : undefined;
  const deadlineMs = listener !== undefined && "deadline" in listener ? listener.deadline : 0;
  return deadlineMs > 0 ? deadlineMs : Infinity;
}
