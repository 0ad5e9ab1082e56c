/**
 * A process that logs: `count` lines, `perTurn` of them per turn of the loop, as its first argument (JSON) says. It
 * reports on stderr, one line of JSON each: counts when it listens to SIGUSR2 (reopen), the worst gap between turns and
 * the counts once all is logged, and the counts at the end.
 */
import { systemClock } from "../../clock.ts";
import { createLogging, type LogsPlan } from "../logging.ts";
import { reopenOnSignal } from "../reopen_on_signal.ts";

const { id, count, perTurn, turnMs, plan, closeMs } = JSON.parse(Deno.args[0]!) as {
  id: number;
  count: number;
  perTurn: number;
  turnMs: number;
  plan: LogsPlan;
  closeMs: number;
};
const process = { service: "writer", role: "worker", id, pid: Deno.pid };
const logging = createLogging(plan, { process, clock: systemClock });
reopenOnSignal(logging);
report({ counts: logging.counts() });
const log = logging.logger("test");
let worstGapMs = 0;
for (let n = 0; n < count;) {
  const before = performance.now();
  for (const end = Math.min(count, n + perTurn); n < end; n++) log.info("line", { n, padding: "x".repeat(40) });
  await new Promise((resolve) => setTimeout(resolve, turnMs));
  worstGapMs = Math.max(worstGapMs, performance.now() - before);
}
report({ worstGapMs, counts: logging.counts() });
await logging.close(closeMs);
report({ counts: logging.counts() });
Deno.exit(0);

function report(value: unknown): void {
  Deno.stderr.writeSync(new TextEncoder().encode(JSON.stringify(value) + "\n"));
}
