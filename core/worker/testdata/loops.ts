/** Loops of a worker in the test's own process. */
import type { Context } from "../../context.ts";

export const runs: string[] = [];

export function counting(ctx: Context): void {
  runs.push(ctx.request.id);
  ctx.stats.counter("runs");
}

export function deaf(): Promise<void> {
  return new Promise(() => {});
}

export function failing(): never {
  throw new Error("meant to fail");
}

export const text = "no function";
