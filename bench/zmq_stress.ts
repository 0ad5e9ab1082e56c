/**
 * Ten million messages through zmq listeners and upstreams while the peers are killed and started again at random, and
 * what has to hold meanwhile. `deno task bench zmq-stress --count 10000000`; exit code 1 where something does not hold.
 */
import { stress } from "../tests/system/zmq_stress.ts";
import { findings } from "../tests/system/zmq_stress_findings.ts";
import type { Bench } from "./run.ts";
import { table } from "./table.ts";

const defaultCount = 10_000_000;

export const bench: Bench = {
  about:
    "zmq patterns while pyzmq peers are killed and restarted every 0.5 to 2 s: loss, order, memory, wake-ups",
  async run(options) {
    const { count = defaultCount } = options;
    const share = Math.min(1, count / defaultCount);
    const began = performance.now();
    const figures = await stress({
      count,
      restarts: Math.max(3, Math.round(12 * share)),
      rhythm: { fromMs: 500, toMs: 2000 },
      slowSeconds: Math.max(18, 60 * share),
      // So many that the collector is through several times in each third.
      slowAtOnce: 64,
      samples: Math.max(30, Math.round(60 * share)),
      singles: Math.max(20, Math.round(200 * share)),
      onProgress: (text) => console.error(text),
    });
    const all = findings(figures);
    const rows = all.map(({ what, seen, wanted, holds }) => [what, seen, wanted, holds ? "yes" : "NO"]);
    console.log(table(["", "seen", "wanted", "holds"], rows));
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`\n  ${figures.total} messages and requests in ${seconds} s`);
    for (const { what, details } of all) for (const detail of details) console.log(`  ${what}: ${detail}`);
    return all.every(({ holds }) => holds);
  },
};
