/** `ctx.stats`: statistics of user code, under `app_` names so that they never meet the framework's own. */
import type { UserStats } from "../context.ts";
import type { SlotWriter } from "../stats/mod.ts";

/** Makes the statistics that handlers write. Characters that a series name cannot have become `_`. */
export function userStats(stats: SlotWriter): UserStats {
  const names = new Map<string, string>();
  const nameOf = (name: string) => {
    let known = names.get(name);
    if (known === undefined) {
      known = `app_${name.replace(/[^A-Za-z0-9_]/g, "_")}`;
      if (names.size < 4096) names.set(name, known);
    }
    return known;
  };
  return {
    counter: (name, add = 1, labels) => stats.counter(nameOf(name), labels).add(add),
    gauge: (name, value, labels) => stats.gauge(nameOf(name), labels).set(value),
    timing: (name, durationMs, labels) =>
      stats.histogram(nameOf(name), labels, { unit: "ms" }).record(durationMs),
    distinct: (name, value, labels) => stats.distinct(nameOf(name), labels).add(value),
  };
}
