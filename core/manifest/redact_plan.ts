/** A plan without its secrets, for dumps, pages and logs. Loads nothing. */
import type { Plan } from "./plan.ts";

/** Stands where a secret was. */
export const redacted = "[redacted]";

/** A copy in which every secret, and every password inside a URL, is replaced. */
export function redactPlan(plan: Plan): Plan {
  const secrets = new Set(plan.secrets);
  const copy = (value: unknown, path: string): unknown => {
    if (secrets.has(path)) return redacted;
    if (typeof value === "string") return value.replace(/(:\/\/[^\s/:@]*:)[^\s/@]+@/g, `$1${redacted}@`);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((item, index) => copy(item, `${path}[${index}]`));
    const inner = (key: string) => path === "" ? key : `${path}.${key}`;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(item, inner(key))]));
  };
  return copy(plan, "") as Plan;
}
