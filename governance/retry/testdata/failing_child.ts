/**
 * A worker whose upstream fails every call: for `args[1]` ms of a clock that runs `args[2]` times as fast, `args[3]` calls
 * between two turns of its loop. Counts calls and retries in shared numbers. Prints a line when it begins.
 */
import { systemClock } from "../../../core/clock.ts";
import { openStatsFile } from "../../../core/stats/mod.ts";
import { makeRetry } from "../mod.ts";
import { testHost } from "./policy_host.ts";

const [path, lengthMs, speed, batch] = Deno.args;
const { shared } = openStatsFile(path!);
const begun = systemClock.epoch();
const began = systemClock.now();
const fast = Number(speed);
// All processes must agree about the time of day: it runs fast from a time that all know.
const epoch0 = Math.floor(begun / 1e8) * 1e8;
const clock = {
  now: () => (systemClock.now() - began) * fast,
  epoch: () => epoch0 + (Date.now() - epoch0) * fast,
  random: Math.random,
};
const host = { ...testHost({}, { shared }), clock, shared };
const retry = makeRetry(host as never);
const [calls, retries] = [shared.int32("test.calls"), shared.int32("test.retries")];
console.log("begun");
let made = 0;
for (let now = clock.now(); now < Number(lengthMs); now = clock.now()) {
  calls.add(1);
  retry.deposit(now);
  for (let attempts = 1; retry.next("refused", 0, attempts, false, 0, now) >= 0; attempts++) retries.add(1);
  if (++made % Number(batch) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
