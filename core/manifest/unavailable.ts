/**
 * What a manifest may say and this version cannot run yet: one diagnostic per use. `check` accepts such a manifest, a
 * start refuses it. The whole knowledge is the table below; a line goes when its part comes.
 */
import type { CompileResult } from "./compile.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { Path } from "./places.ts";
import type { Plan } from "./plan.ts";

/** One part of the manifest that cannot run yet. */
export interface Missing {
  /** The subject of "… not available yet". */
  what: string;
  /** Its place in the reference: `*` for all kinds of a section, or the kind. */
  at: string;
  /** The one value of the key at that place that cannot run yet; the key itself can. */
  value?: string;
  /** Where a plan uses it. */
  uses(plan: Plan): Path[];
}

/** The table. */
export const missingParts: readonly Missing[] = [
  { what: "rate limits are", at: "listeners.*.rate", uses: ofRate },
  {
    what: "endpoints from governance.store are",
    at: "upstreams.<name>.discover.registry",
    uses: fromRegistry,
  },
  { what: "loops of the leader are", at: "loops.<name>.on", value: "leader", uses: ofLeader },
  { what: "governance is", at: "governance", uses: (plan) => plan.governance ? [["governance"]] : [] },
  { what: "telemetry is", at: "telemetry", uses: (plan) => plan.telemetry ? [["telemetry"]] : [] },
];

/** One diagnostic per use, sorted by place; empty when the plan can run, and when there is none. */
export function unavailable(result: CompileResult): Diagnostic[] {
  const { plan, places } = result;
  if (!plan) return [];
  return missingParts
    .flatMap(({ what, uses }) =>
      uses(plan).map((path) => {
        const diagnostic = places.aboutKey(path, "");
        return { ...diagnostic, message: `\`${diagnostic.path}\`: ${what} not available yet` };
      })
    )
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

function ofRate(plan: Plan): Path[] {
  return Object.entries(plan.listeners)
    .filter(([, listener]) => "rate" in listener && listener.rate !== null)
    .map(([name]) => ["listeners", name, "rate"]);
}

function ofLeader(plan: Plan): Path[] {
  return Object.entries(plan.loops)
    .filter(([, loop]) => loop.on === "leader")
    .map(([name]) => ["loops", name, "on"]);
}

function fromRegistry(plan: Plan): Path[] {
  return Object.entries(plan.upstreams)
    .filter(([, upstream]) => upstream.discover.registry !== undefined)
    .map(([name]) => ["upstreams", name, "discover", "registry"]);
}
