/** A shipper process of a test: ships the stream `s` of a folder to a file and tells its figures, a line each. */
import { systemClock } from "../../clock.ts";
import type { Plan } from "../../manifest/plan.ts";
import { startShipper } from "../shipper.ts";
import { spoolSinks } from "../spool_sinks.ts";
import { keptLog, noStats, streamPlan } from "./shipping.ts";

const [directory, file] = Deno.args as [string, string];
const plan = streamPlan(directory, {
  stdout: undefined,
  file,
  batch: { records: 50, bytes: 1 << 20, wait: 1 },
});
const shipper = startShipper({
  plan: { streams: { s: plan } } as unknown as Plan,
  sinks: spoolSinks,
  publish: (_, figures) => Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(figures)}\n`)),
  stats: noStats,
  clock: systemClock,
  logger: () => keptLog([]),
});
Deno.addSignalListener("SIGTERM", async () => {
  await shipper.drain(20_000);
  Deno.exit(0);
});
