/**
 * What a manifest may say and this version cannot run yet: one diagnostic per use. `check` accepts such a manifest, a
 * start refuses it. The whole knowledge is the table below; a line goes when its part comes.
 */
import type { CompileResult } from "./compile.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { Path } from "./places.ts";
import type { Plan } from "./plan.ts";

interface Missing {
  /** The subject of "… not available yet". */
  what: string;
  /** Where a plan uses it. */
  uses(plan: Plan): Path[];
}

const missing: readonly Missing[] = [
  { what: "thrift listeners are", uses: (plan) => protocol(plan, "thrift") },
  { what: "zmq listeners are", uses: (plan) => protocol(plan, "zmq") },
  { what: "kafka listeners are", uses: (plan) => protocol(plan, "kafka") },
  { what: "access rules are", uses: (plan) => listenerKey(plan, "access") },
  { what: "rate limits are", uses: (plan) => listenerKey(plan, "rate") },
  { what: "routes to an upstream are", uses: upstreamRoutes },
  { what: "upstreams are", uses: (plan) => names("upstreams", plan.upstreams) },
  { what: "streams are", uses: (plan) => names("streams", plan.streams) },
  { what: "loops are", uses: (plan) => names("loops", plan.loops) },
  { what: "governance is", uses: (plan) => plan.governance ? [["governance"]] : [] },
  { what: "telemetry is", uses: (plan) => plan.telemetry ? [["telemetry"]] : [] },
];

/** One diagnostic per use, sorted by place; empty when the plan can run, and when there is none. */
export function unavailable(result: CompileResult): Diagnostic[] {
  const { plan, places } = result;
  if (!plan) return [];
  return missing
    .flatMap(({ what, uses }) =>
      uses(plan).map((path) => {
        const diagnostic = places.aboutKey(path, "");
        return { ...diagnostic, message: `\`${diagnostic.path}\`: ${what} not available yet` };
      })
    )
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

function names(section: string, declared: object): Path[] {
  return Object.keys(declared).map((name) => [section, name]);
}

function protocol(plan: Plan, wanted: string): Path[] {
  return Object.entries(plan.listeners)
    .filter(([, listener]) => listener.protocol === wanted)
    .map(([name]) => ["listeners", name]);
}

function listenerKey(plan: Plan, key: "access" | "rate"): Path[] {
  return Object.entries(plan.listeners)
    .filter(([, listener]) => key in listener && (listener as Record<string, unknown>)[key] !== null)
    .map(([name]) => ["listeners", name, key]);
}

function upstreamRoutes(plan: Plan): Path[] {
  return Object.entries(plan.listeners).flatMap(([name, listener]) =>
    listener.protocol !== "http"
      ? []
      : listener.routes.flatMap((route, index) =>
        route.upstream === null ? [] : [["listeners", name, "routes", index, "upstream"]]
      )
  );
}
