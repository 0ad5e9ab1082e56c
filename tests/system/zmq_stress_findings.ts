/** What of a zmq stress run has to hold, and whether it does. Decides; measures nothing. */
import { median, number } from "../../bench/table.ts";
import type { AskFigures, PushFigures, StressFigures } from "./zmq_stress.ts";
import { wakeMs } from "./zmq_stress_wake.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  readonly seen: string;
  /** Empty where it is only told. */
  readonly wanted: string;
  readonly holds: boolean;
  readonly details: readonly string[];
}

/** Most the memory of the last third may be in relation to the middle one. */
const growth = 1.1;
const mebibyte = 1024 * 1024;

/** All of a run, in its order. */
export function findings(figures: StressFigures): Finding[] {
  const { push, ask, slow, wake, exitCode, log } = figures;
  const [first, middle, last] = slow.rss;
  return [
    ...ofSenders("PUSH to pull", push),
    ...(["dealer", "req"] as const).flatMap((name) => ofRequests(`${name} upstream`, ask[name])),
    ...ofSenders("PUSH to slow pull", slow),
    finding(
      "PUSH to slow pull: most sent, not served",
      slow.outstanding,
      `<= ${slow.room}`,
      slow.outstanding <= slow.room,
    ),
    finding(
      "PUSH to slow pull: worker's RSS by thirds, MiB",
      slow.rss.map((bytes) => number(bytes / mebibyte)).join(", "),
      "",
    ),
    finding(
      "PUSH to slow pull: last third ÷ middle",
      (last / middle).toFixed(3),
      `<= ${growth}`,
      first > 0 && last / middle <= growth,
    ),
    ...wake.flatMap(({ pattern, latenciesMs, repeated }) => [
      finding(
        `single messages, ${pattern}: count, median, longest ms`,
        `${latenciesMs.length}, ${number(median(latenciesMs))}, ${number(Math.max(...latenciesMs))}`,
        `<= ${wakeMs}`,
        latenciesMs.every((ms) => ms <= wakeMs),
        [
          ...latenciesMs.filter((ms) => ms > wakeMs).slice(0, 10).map((ms) => `late: ${number(ms)} ms`),
          ...(repeated > 0 ? [`${repeated} sent again: no core was free for that long`] : []),
        ],
      ),
    ]),
    finding(
      "the service ends with",
      exitCode,
      "0",
      exitCode === 0,
      log.trim() === "" ? [] : [log.trim().slice(0, 2000)],
    ),
  ];
}

function ofSenders(name: string, figures: PushFigures): Finding[] {
  const { received, seconds, restarts, gaps, again, first, lostByKilled, lost, tooMany } = figures;
  return [
    finding(`${name}: received`, received, ""),
    finding(`${name}: per second`, Math.round(received / seconds), ""),
    finding(`${name}: senders killed and restarted`, restarts, ">= 3", restarts >= 3),
    finding(`${name}: lost with killed senders, at most`, lostByKilled, ""),
    finding(`${name}: gaps within a life`, gaps, "0", gaps === 0, first === "" ? [] : [first]),
    finding(`${name}: twice or late`, again, "0", again === 0),
    finding(`${name}: lost of senders that ended well`, lost, "0", lost === 0),
    finding(`${name}: lives of which more came than was sent`, tooMany, "0", tooMany === 0),
  ];
}

function ofRequests(
  name: string,
  { asked, seconds, restarts, right, wrong, failures }: AskFigures,
): Finding[] {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const lost = asked - right - wrong - failed;
  const details = Object.entries(failures).map(([text, count]) => `${count} × ${text}`).slice(0, 10);
  return [
    finding(`${name}: requests`, asked, ""),
    finding(`${name}: per second`, Math.round(asked / seconds), ""),
    finding(`${name}: peers killed and restarted`, restarts, ">= 3", restarts >= 3),
    finding(`${name}: right answers`, right, `${asked}`, right === asked),
    finding(`${name}: wrong answers`, wrong, "0", wrong === 0),
    finding(`${name}: errors`, failed, "0", failed === 0, details),
    finding(`${name}: neither`, lost, "0", lost === 0),
  ];
}

function finding(
  what: string,
  seen: string | number,
  wanted: string,
  holds = true,
  details: readonly string[] = [],
): Finding {
  return { what, seen: `${seen}`, wanted, holds, details };
}
