/** Reloads, a recycled and a killed worker under load of 200 clients: how many requests fail. */
import { explained, lifecycle, type LifecycleFigures } from "../tests/system/lifecycle.ts";
import type { Bench } from "./run.ts";
import { median, number, percentile, table } from "./table.ts";

export const bench: Bench = {
  about: "100 clients with kept and 100 with short connections; 5 reloads, a recycled and a killed worker",
  async run({ rounds, seconds, only }) {
    // About 10,000 requests a second go through one process of load: 5 s per phase make 100,000 and more.
    const options = { clients: 100, reloads: 5, requests: Math.round(5000 * seconds) };
    const modes = { reusePort: {}, handOff: { accept: { mode: "handOff" } } };
    for (const [mode, more] of Object.entries(modes)) {
      if (only.length > 0 && !only.some((part) => mode.includes(part))) continue;
      const all: LifecycleFigures[][] = [];
      for (let round = 1; round <= rounds; round++) {
        console.error(`${mode}: round ${round} of ${rounds}`);
        all.push(await lifecycle({ ...options, ...more }));
      }
      console.log(tableOf(mode, all));
      for (const line of failuresOf(all.flat())) console.log(`  ${line}`);
      console.log();
    }
  },
};

/** The failures that nothing explains, alike ones together. */
function failuresOf(phases: readonly LifecycleFigures[]): string[] {
  const counts = new Map<string, number>();
  for (const figures of phases) {
    const known = new Set(explained(figures));
    for (const failure of figures.failures) {
      if (known.has(failure)) continue;
      const { kind, keepAlive, worker, detail, at } = failure;
      const where = worker === ""
        ? "a new connection"
        : worker === figures.killed?.pid
        ? "the killed worker"
        : "a worker";
      const when = figures.killed ? `, ${((at - figures.killed.at) / 1000).toFixed(1)} s after the kill` : "";
      const text = `${figures.phase}: ${kind} on ${where} (${
        keepAlive ? "kept" : "short"
      }), ${detail}${when}`;
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  return [...counts].map(([text, count]) => `${count} × ${text}`);
}

function tableOf(mode: string, rounds: readonly LifecycleFigures[][]): string {
  const heads = [
    mode,
    "requests",
    "failed",
    "its own",
    "repeated",
    "told last",
    "p50 ms",
    "p99 ms",
    "min..max",
  ];
  const rows = rounds[0].map(({ phase }, index) => {
    const each = rounds.map((phases) => phases[index]);
    const sum = (pick: (figures: LifecycleFigures) => number) =>
      String(each.reduce((all, one) => all + pick(one), 0));
    const own = (figures: LifecycleFigures) => explained(figures).length;
    // What a killed worker had in hand is no failure of the others.
    const failed = (figures: LifecycleFigures) => {
      const known = new Set(explained(figures));
      return figures.failures.filter((failure) => !known.has(failure)).length;
    };
    const repeated = (figures: LifecycleFigures) => {
      const known = new Set(explained(figures));
      return figures.stale.filter((failure) => !known.has(failure)).length;
    };
    const at = (share: number) =>
      each.map(({ latencies }) => percentile(latencies.toSorted((a, b) => a - b), share));
    const p99 = at(0.99);
    return [
      phase,
      sum(({ answered }) => answered),
      sum(failed),
      sum(own),
      sum(repeated),
      sum(({ lastAnswers }) => lastAnswers),
      number(median(at(0.5))),
      number(median(p99)),
      `${number(Math.min(...p99))}..${number(Math.max(...p99))}`,
    ];
  });
  return table(heads, rows);
}
