/**
 * The probes. Liveness asks whether restarting would help, readiness whether to send requests here, health whether anybody
 * answers them. They never depend on one another: a service that is not ready must not be restarted for it.
 */

import type { Document } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";

function probe(title: string, ok: boolean, why: string[]): Document {
  const word = ok ? "ok" : "not ok";
  return {
    title,
    status: ok ? 200 : 503,
    sections: [
      {
        kind: "facts",
        key: "probe",
        title: "",
        facts: [{ key: "ok", label: "Ok", value: { value: ok, tone: ok ? "good" : "bad" } }],
      },
      {
        kind: "table",
        key: "reasons",
        title: "Reasons",
        columns: [{ key: "reason", label: "Reason" }],
        rows: why.map((reason) => [reason]),
        empty: "Nothing is wrong.",
      },
    ],
    plain: { contentType: "text/plain; charset=utf-8", text: [word, ...why].join("\n") + "\n" },
  };
}

export const livez = {
  method: "GET",
  path: "/livez",
  title: "Live",
  summary:
    "200 while the service runs at all; the supervisor restarts what hangs, so this stays 200 while not ready.",
  tier: "probe",
  render: () => probe("Live", true, []),
} satisfies Endpoint;

export const healthz = {
  method: "GET",
  path: "/healthz",
  title: "Healthy",
  summary: "200 while at least one worker serves requests, also during a drain; else 503.",
  tier: "probe",
  render({ state }) {
    const workers = state.children.filter((child) => child.role === "worker");
    const serving = workers.filter((child) => child.state === "ready" || child.state === "draining");
    const why = workers.length === 0 ? ["no worker was started"] : [
      `none of ${workers.length} workers serves: ${workers.map((child) => child.state).join(", ")}`,
    ];
    return probe("Healthy", serving.length > 0, serving.length > 0 ? [] : why);
  },
} satisfies Endpoint;

export const readyz = {
  method: "GET",
  path: "/readyz",
  title: "Ready",
  summary: "200 when requests should be sent here; 503 with the reasons while starting, draining or broken.",
  tier: "probe",
  render({ state }) {
    const why = state.notReady.length > 0 ? state.notReady : [`the service is ${state.phase}`];
    return probe("Ready", state.ready, state.ready ? [] : why);
  },
} satisfies Endpoint;
