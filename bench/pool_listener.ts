/** What `run: <pool>` costs a listener, and what it gains: the same handler inline and on a pool of two threads. */
import { alternate } from "./alternate.ts";
import { wrk, type WrkReport } from "./loads.ts";
import { startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { ratioTable } from "./table.ts";

const root = new URL("../", import.meta.url).pathname;
const loads = [
  { name: "512 B at once", path: "/", connections: 1 },
  { name: "512 B at once", path: "/", connections: 64 },
  { name: "burns 100 µs", path: "/burn", connections: 1 },
  { name: "burns 100 µs", path: "/burn", connections: 64 },
];

export const bench: Bench = {
  about: "one worker, the same handler inline and on a cpu pool of 2 threads",
  async run(options) {
    const contenders = [
      { name: "inline", measure: () => measure(0, options) },
      { name: "pool", measure: () => measure(2, options) },
    ];
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    loads.forEach(({ name, connections }, i) => {
      const show = (unit: string, pick: (report: WrkReport) => number) => {
        const samples = [...figures].map(([who, rounds]) =>
          [who, rounds.map((reports) => pick(reports[i]))] as const
        );
        console.log(ratioTable(`${name}, ${connections} connections`, unit, new Map(samples)));
      };
      show("requests/s", ({ perSecond }) => perSecond);
      show("p99 in ms", ({ p99 }) => p99);
      show("errors", ({ errors }) => errors);
      console.log();
    });
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

async function measure(offset: number, options: BenchOptions): Promise<WrkReport[]> {
  const { port, seconds, serverCpus, loadCpus } = options;
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  try {
    await using _running = await startProgram({
      command: [Deno.execPath(), "run", "-A", `${root}mod.ts`, `${root}bench/peers/pool.yaml`],
      env: { PORT: `${port}`, META_PORT: `${port + 1}`, POOL_PORT: `${port + 2}`, LOGS: folder },
      url: `http://127.0.0.1:${port + offset}/`,
      cpus: serverCpus,
    });
    const reports: WrkReport[] = [];
    for (const { path, connections } of loads) {
      const url = `http://127.0.0.1:${port + offset}${path}`;
      await wrk(url, { connections, seconds: 1, cpus: loadCpus });
      reports.push(await wrk(url, { connections, seconds, cpus: loadCpus }));
    }
    return reports;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
