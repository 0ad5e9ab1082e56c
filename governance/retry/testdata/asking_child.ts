/**
 * A worker that wants as many retries as it can get and makes no calls: asks without pause from the second `args[1]` of a
 * clock that runs a hundred times as fast to the second `args[2]`. Prints how many it got.
 */
import { openStatsFile } from "../../../core/stats/mod.ts";
import { ShareBudget } from "../share_budget.ts";

const [path, from, to] = Deno.args;
const base = Number(from);
const epoch = () => base + (Date.now() - base) * 100;
const clock = { now: () => performance.now() * 100, epoch } as never;
const block = openStatsFile(path!).shared.block("budget");
const budget = new ShareBudget(clock, block, { share: 0.2, ttlMs: 10_000, floorPerSecond: 10, workers: 1 });
let got = 0;
while (Date.now() < base);
while (epoch() < Number(to)) if (budget.take(performance.now() * 100)) got++;
console.log(got);
