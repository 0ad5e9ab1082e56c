/**
 * A worker that asks the breaker of its parent's test. Does one command per round that the parent begins:
 * 0 enters many times and keeps the probes, 1 tells a good end of them, 2 makes five calls that fail.
 */
import { systemClock } from "../../../core/clock.ts";
import { openStatsFile } from "../../../core/stats/mod.ts";
import { Pass } from "../../../core/upstream/contract.ts";
import { testHost } from "../../retry/testdata/policy_host.ts";
import { makeBreakers } from "../mod.ts";

const [path, plan] = Deno.args;
const { shared } = openStatsFile(path!);
const host = { ...testHost(JSON.parse(plan!), { shared }), clock: systemClock, shared };
const breaker = makeBreakers(host as never)!.of("");
const number = (name: string) => shared.int32(`test.${name}`);
const [round, command, done, stop, at] = ["round", "command", "done", "stop", "at"].map(number);
const [probes, passed, changes] = ["probes", "passed", "changes"].map(number);

const calls = 500;
let held = 0;
let seen = 0;
number("ready").add(1);
// Ends with its parent, whose end of the pipe closes.
let orphaned = false;
Deno.stdin.read(new Uint8Array(1)).then(() => orphaned = true);
while (stop!.load() === 0 && !orphaned) {
  if (round!.load() === seen) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    continue;
  }
  seen = round!.load();
  while ((Date.now() & 0x7fffffff) < at!.load());
  const now = systemClock.now();
  if (command!.load() === 0) {
    held = 0;
    for (let i = 0; i < calls; i++) {
      const pass = breaker.enter(now);
      if (pass === Pass.probe) held++;
      if (pass === Pass.yes) passed!.add(1);
    }
    probes!.add(held);
  } else if (command!.load() === 1) {
    for (; held > 0; held--) breaker.leave(Pass.probe, true, true, now);
  } else {
    const before = host.lines.length;
    for (let i = 0; i < 5; i++) breaker.leave(Pass.yes, false, true, now);
    changes!.add(host.lines.length - before);
  }
  done!.add(1);
}
Deno.exit(0);
