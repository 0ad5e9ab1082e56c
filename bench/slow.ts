/** 2,000 slow clients at once: when each is cut, and what a normal client notices. */
import { slow, type SlowFigures, slowLimits } from "../tests/system/slow.ts";
import { slowKinds } from "../tests/system/slow_clients.ts";
import type { Bench } from "./run.ts";
import { median, number, table } from "./table.ts";

/** By accept mode: connections that are handed over come slower than the first of them are cut. */
const clients = { reusePort: 2000, handOff: 600 };

export const bench: Bench = {
  about: `${clients.reusePort} slow clients of ${slowKinds.length} kinds, and 8 normal ones`,
  async run({ rounds, seconds, only }) {
    for (const [mode, count] of Object.entries(clients)) {
      if (only.length > 0 && !only.some((part) => mode.includes(part))) continue;
      const all: SlowFigures[] = [];
      for (let round = 1; round <= rounds; round++) {
        console.error(`${mode}: round ${round} of ${rounds}`);
        const each = Math.ceil(count / slowKinds.length);
        all.push(await slow({ each, beforeMs: seconds * 1000, accept: { mode } }));
      }
      const rows = slowKinds.map((kind) => {
        const { limitMs, reason } = slowLimits[kind];
        const lived = all.flatMap((figures) => figures.lived[kind]);
        const within = lived.filter((ms) => Math.abs(ms - limitMs) <= limitMs / 10).length;
        return [
          kind,
          reason,
          String(limitMs),
          number(Math.min(...lived)),
          number(median(lived)),
          number(Math.max(...lived)),
          `${within} of ${lived.length}`,
        ];
      });
      console.log(table([`${mode}, ms`, "reason", "limit", "min", "median", "max", "within 10 %"], rows));
      const ratios = all.map(({ beforeP99, duringP99 }) => duringP99 / beforeP99);
      const p99 = (pick: (figures: SlowFigures) => number) => number(median(all.map(pick)));
      console.log(
        `  a normal client's p99: ${p99(({ beforeP99 }) => beforeP99)} ms before, ${
          p99(({ duringP99 }) => duringP99)
        } ms meanwhile; ratio ${number(Math.min(...ratios))}, ${number(median(ratios))}, ${
          number(Math.max(...ratios))
        } (min, median, max); ${all.reduce((sum, { failed }) => sum + failed, 0)} of its requests failed\n`,
      );
    }
  },
};
