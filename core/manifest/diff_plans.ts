/** What differs between two plans: shown before a reload, and the base of deciding what it concerns. Loads nothing. */
import type { Plan } from "./plan.ts";
import { redacted, redactPlan } from "./redact_plan.ts";

export interface Difference {
  /** `listeners.api.deadline`; in lists `listeners.api.listen[0]`. */
  path: string;
  /** `undefined` where there was nothing. Secrets read `[redacted]`. */
  before: unknown;
  /** `undefined` where there is nothing any more. */
  after: unknown;
}

/** Every leaf that differs, in the order of the plans. A whole part that is new or gone is one difference. */
export function diffPlans(before: Plan, after: Plan): Difference[] {
  const found: Difference[] = [];
  const hidden = [redactPlan(before), redactPlan(after)] as const;
  compare("", [before, after], hidden, found);
  return found;
}

function compare(
  path: string,
  real: readonly [unknown, unknown],
  shown: readonly [unknown, unknown],
  found: Difference[],
): void {
  if (Object.is(real[0], real[1])) return;
  if (!isOpen(real[0]) || !isOpen(real[1]) || Array.isArray(real[0]) !== Array.isArray(real[1])) {
    // Two secrets that differ look the same; that they differ is what the reader needs to know.
    const same = shown[0] === redacted && shown[1] === redacted;
    found.push({ path, before: shown[0], after: same ? `${redacted}, changed` : shown[1] });
    return;
  }
  const keys = new Set([...Object.keys(real[0]), ...Object.keys(real[1])]);
  for (const key of keys) {
    if (path === "" && key === "secrets") continue;
    const inner = Array.isArray(real[0]) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    compare(inner, [real[0][key], real[1][key]], [partOf(shown[0], key), partOf(shown[1], key)], found);
  }
}

function partOf(value: unknown, key: string): unknown {
  return isOpen(value) ? value[key] : undefined;
}

function isOpen(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
