/**
 * Ships a spool to Kafka and says how long that took: `ship.ts <json: plan, stream, records>`. The shipper as it is, in a
 * process of its own.
 */
import process from "node:process";
import { systemClock } from "../../core/clock.ts";
import { compile } from "../../core/manifest/mod.ts";
import type { StreamFigures } from "../../core/stream/contract.ts";
import { startShipper } from "../../core/stream/shipper.ts";
import { localStatsMemory } from "../../core/stats/mod.ts";
import { sinks } from "../../sinks.ts";

const { manifest, records, directory } = JSON.parse(Deno.args[0]!);
const { plan, diagnostics } = compile(manifest, { cwd: directory, env: {} });
if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
const log = { debug() {}, info() {}, warn: console.error, error: console.error, child: () => log };
const memory = localStatsMemory(1);
const stats = memory.slot(0).writer({ role: "shipper", id: "shipper", generation: 1 });
const done = Promise.withResolvers<StreamFigures>();
const before = process.cpuUsage();
const startedAt = performance.now();
let firstAt = 0;
const shipper = startShipper({
  plan,
  sinks,
  stats,
  clock: systemClock,
  logger: () => log,
  publish(_stream, figures) {
    if (firstAt === 0 && figures.acked > 0) firstAt = performance.now();
    if (figures.acked >= records) done.resolve(figures);
  },
});
const figures = await done.promise;
const tookMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(before);
await shipper.drain(1000);
console.log(
  JSON.stringify({
    tookMs,
    firstMs: firstAt - startedAt,
    acked: figures.acked,
    cpuMs: (user + system) / 1000,
  }),
);
Deno.exit(0);
