/** A worker in the test's own process. */
import assert from "node:assert/strict";
import { protocols, serverFilters, upstreamParts } from "../../../protocols.ts";
import { systemClock } from "../../clock.ts";
import { createLogging } from "../../log/logging.ts";
import { compile } from "../../manifest/mod.ts";
import { localStatsMemory, readSeries, type StatsMemory } from "../../stats/mod.ts";
import { startWorker, type Worker } from "../worker.ts";

export const handlers = new URL("./handlers.ts", import.meta.url).pathname;

/** A worker in this process that serves `listeners.api` with the given keys on a free port. */
export async function serve(
  keys: Record<string, unknown>,
  name = "default",
  rest: Record<string, unknown> = {},
): Promise<{ worker: Worker; port: number; memory: StatsMemory; url: string } & AsyncDisposable> {
  const { plan, diagnostics } = compile({
    service: "test",
    meta: false,
    listeners: {
      api: { protocol: "http", listen: "127.0.0.1:0", handler: `${handlers}#${name}`, ...keys },
    },
    logs: { level: "error" },
    ...rest,
  });
  assert.ok(plan, JSON.stringify(diagnostics));
  const memory = localStatsMemory(2);
  const logging = createLogging(plan.logs, {
    process: { role: "worker", id: 1, pid: Deno.pid, service: "test" },
    clock: systemClock,
    console: { write: (lines) => Promise.resolve({ written: lines.length }), close() {} },
  });
  const worker = await startWorker({
    plan,
    id: 1,
    slot: 0,
    generation: 1,
    memory,
    logging,
    protocols,
    filters: serverFilters,
    upstreams: upstreamParts,
    alone: true,
  });
  const address = worker.addresses.api![0]!;
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  return {
    worker,
    port,
    memory,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await worker.close();
      await logging.close();
    },
  };
}

/** Sum of a series over all label sets that have `labels`. */
export function total(memory: StatsMemory, name: string, labels: Record<string, string> = {}): number {
  let sum = 0;
  for (const series of readSeries(memory)) {
    if (series.name !== name) continue;
    const matches = Object.entries(labels).every(([key, value]) => series.labels[key] === value);
    if (matches && "value" in series) sum += Number(series.value);
  }
  return sum;
}
