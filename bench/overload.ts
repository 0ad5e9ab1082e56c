/**
 * More load than there is capacity: what is still answered in time, how fast, and how fast the rest is refused. Bare
 * Deno.serve with the same handler stands beside: it refuses nobody and so, past its capacity, serves nobody.
 */
import { alternate } from "./alternate.ts";
import type { LoadReport } from "./load.ts";
import { constantRate } from "./loads.ts";
import { startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { median, number, table } from "./table.ts";

const root = new URL("../", import.meta.url).pathname;
/** 8 at once for 10 ms each, as the manifest and the handler have it; timers make it a little less. */
const nominal = 8 / 0.01;
/** Offered load in multiples of {@link nominal}; the first is the unloaded figure. */
const loads = [0.1, 1, 2, 5, 10];
const waitMs = 50;

const programs = [
  {
    name: "Weir",
    command: [Deno.execPath(), "run", "-A", `${root}mod.ts`, `${root}bench/peers/overload.yaml`],
  },
  { name: "bare Deno.serve", command: [Deno.execPath(), "run", "-A", `${root}bench/peers/scarce.ts`] },
];

export const bench: Bench = {
  about: `${nominal}/s nominal capacity, offered ${loads.join("x, ")}x in an open loop over 512 connections`,
  async run(options) {
    const contenders = programs.map(({ name, command }) => ({
      name,
      measure: () => measure(command, options),
    }));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    for (const [name, rounds] of figures) console.log(tableOf(name, rounds) + "\n");
    const weir = figures.get("Weir");
    if (weir) {
      const over = (load: number, pick: (report: LoadReport) => number) =>
        median(weir.map((reports) => pick(reports[loads.indexOf(load)])));
      const limit = waitMs + 2 * over(0.1, ({ ok }) => ok.p99);
      console.log(
        `goodput at 10x ÷ peak: ${number(median(weir.map(keptShare)))} (min ${
          number(Math.min(...weir.map(keptShare)))
        })`,
      );
      console.log(
        `accepted p99 at 10x: ${number(over(10, ({ ok }) => ok.p99))} ms; wait + 2 × unloaded p99 is ${
          number(limit)
        } ms`,
      );
      console.log(`refusal p99 at 10x: ${number(over(10, ({ refused }) => refused.p99))} ms`);
    }
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

function keptShare(reports: readonly LoadReport[]): number {
  return reports.at(-1)!.goodPerSecond / Math.max(...reports.map(({ goodPerSecond }) => goodPerSecond));
}

function tableOf(name: string, rounds: ReadonlyArray<readonly LoadReport[]>): string {
  const heads = [
    name,
    "good/s",
    "min..max",
    "÷ peak",
    "ok p50",
    "ok p99",
    "refused",
    "refusal p50",
    "p99",
    "failed",
    "lost",
    "late p99",
  ];
  const peak = Math.max(...loads.map((_, i) => median(rounds.map((reports) => reports[i].goodPerSecond))));
  const rows = loads.map((load, i) => {
    const reports = rounds.map((round) => round[i]);
    const good = reports.map(({ goodPerSecond }) => goodPerSecond);
    const middle = (pick: (report: LoadReport) => number) =>
      number(median(reports.map(pick).filter(Number.isFinite)));
    return [
      `${load}x`,
      number(median(good)),
      `${number(Math.min(...good))}..${number(Math.max(...good))}`,
      number(median(good) / peak),
      middle(({ ok }) => ok.p50),
      middle(({ ok }) => ok.p99),
      middle(({ refused }) => refused.count),
      middle(({ refused }) => refused.p50),
      middle(({ refused }) => refused.p99),
      middle(({ failed }) => failed),
      middle(({ lost }) => lost),
      middle(({ lateMs }) => lateMs.p99),
    ];
  });
  return table(heads, rows);
}

async function measure(command: readonly string[], options: BenchOptions): Promise<LoadReport[]> {
  const { port, seconds, serverCpus, loadCpus } = options;
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  const env = { PORT: String(port), META_PORT: String(port + 1), LOGS: folder };
  const reports: LoadReport[] = [];
  for (const load of loads) {
    // Started afresh for each load: a line without end outlives the load that made it.
    await using _running = await startProgram({
      command,
      env,
      url: `http://127.0.0.1:${port}/`,
      cpus: serverCpus,
    });
    reports.push(
      await constantRate({
        hostname: "127.0.0.1",
        port,
        path: "/",
        rate: nominal * load,
        connections: 512,
        seconds,
        warmSeconds: 1,
        goodMs: 1000,
      }, loadCpus),
    );
  }
  await Deno.remove(folder, { recursive: true });
  return reports;
}
