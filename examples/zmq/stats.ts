/** Counts what is pushed: `{ name, add }`. Shown by the heartbeat, and on the metrics page as `app_counted`. */
import type { Context, ZmqMessage } from "../../mod.ts";

/** What can be counted needs a bound: names come from outside. */
const mostNames = 1000;

/** What was counted so far. */
export const counts = new Map<string, number>();

export default function count({ value }: ZmqMessage, ctx: Context): void {
  const { name, add = 1 } = value as { name?: unknown; add?: unknown };
  if (typeof name !== "string" || typeof add !== "number") return ctx.log.warn("nothing that can be counted");
  if (!counts.has(name) && counts.size >= mostNames) return;
  counts.set(name, (counts.get(name) ?? 0) + add);
  ctx.stats.counter("counted", add);
}
