/** A handler that never returns: when it is known and replaced, and what the other worker's clients notice. */
import { hang, type HangFigures } from "../tests/system/hang.ts";
import type { Bench } from "./run.ts";
import { median, number, table } from "./table.ts";

export const bench: Bench = {
  about: "`while (true) {}` in one of two workers while 16 clients keep asking the other one; hang: 2s",
  async run({ rounds, seconds }) {
    const all: HangFigures[] = [];
    for (let round = 1; round <= rounds; round++) {
      console.error(`round ${round} of ${rounds}`);
      all.push(await hang({ hangMs: 2000, clients: 16, beforeMs: seconds * 1000, stranger: true }));
    }
    const figures: Record<string, (figures: HangFigures) => number> = {
      "stack logged after `hang`": ({ loggedMs, hangMs }) => loggedMs - hangMs,
      "replaced after `hang`": ({ replacedMs, hangMs }) => replacedMs - hangMs,
      "p99 before": ({ beforeP99 }) => beforeP99,
      "p99 while it spins": ({ duringP99 }) => duringP99,
      "p99 while it is replaced": ({ replacingP99 }) => replacingP99,
      "p99 while a stranger spins on the machine": ({ strangerP99 }) => strangerP99,
      "p99 while it spins ÷ before": ({ beforeP99, duringP99 }) => duringP99 / beforeP99,
      "p99 while it spins ÷ while a stranger does": ({ strangerP99, duringP99 }) => duringP99 / strangerP99,
    };
    const rows = Object.entries(figures).map(([name, pick]) => {
      const values = all.map(pick);
      return [name, number(Math.min(...values)), number(median(values)), number(Math.max(...values))];
    });
    console.log(table(["ms", "min", "median", "max"], rows));
    const failed = all.reduce((sum, one) => sum + one.failed, 0);
    console.log(
      `  ${all.reduce((sum, { answered }) => sum + answered, 0)} answered by the other, ${failed} failed`,
    );
    console.log(`  ${all[0].stack[0]}; in flight: ${all[0].inflight.join(", ")}`);
  },
};
