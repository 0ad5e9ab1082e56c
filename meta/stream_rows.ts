/**
 * Which of the rows that processes wrote of a stream is the one that counts: while one shipper replaces another both have
 * a row, and one that died leaves its own. Pure.
 */

import type { WorkerStream } from "../core/stats/mod.ts";

/**
 * The figures of stream `name`: those of the process that has the spool's lock, which one that waits for it cannot know;
 * of those a living one's, and of those the newest. Undefined where nobody ever said anything.
 */
export function figuresOf(rows: readonly WorkerStream[], name: string): WorkerStream | undefined {
  return best(
    rows,
    name,
    (a, b) =>
      Number(a.state !== "waitingForLock") - Number(b.state !== "waitingForLock") ||
      Number(a.alive) - Number(b.alive) || a.at - b.at,
  );
}

/** The living process that said something of stream `name` last; undefined where none lives. */
export function reporterOf(rows: readonly WorkerStream[], name: string): WorkerStream | undefined {
  return best(rows.filter(({ alive }) => alive), name, (a, b) => a.at - b.at);
}

function best(
  rows: readonly WorkerStream[],
  name: string,
  compare: (a: WorkerStream, b: WorkerStream) => number,
): WorkerStream | undefined {
  const named = rows.filter(({ stream }) => stream === name);
  return named.reduce<WorkerStream | undefined>((a, b) => a && compare(a, b) >= 0 ? a : b, undefined);
}
