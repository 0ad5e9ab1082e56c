/** The same JSON handler on every server: as much as 64 keep-alive connections can ask, and at a fixed rate. */
import { alternate } from "./alternate.ts";
import type { LoadReport } from "./load.ts";
import { constantRate, wrk, type WrkReport } from "./loads.ts";
import { startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { type Server, servers } from "./servers.ts";
import { ratioTable } from "./table.ts";

const connections = 64;
const rate = 5000;

interface Figures {
  most: WrkReport;
  fixed: LoadReport;
}

export const bench: Bench = {
  about: `one JSON handler, ${connections} keep-alive connections, then ${rate} requests/s`,
  async run(options) {
    const wanted = servers.filter(({ name }) =>
      options.only.length === 0 ||
      options.only.some((part) => name.toLowerCase().includes(part.toLowerCase()))
    );
    const contenders = wanted.map((server) => ({
      name: server.name,
      measure: () => measure(server, options),
    }));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    const show = (title: string, unit: string, pick: (figures: Figures) => number) => {
      const samples = new Map([...figures].map(([name, rounds]) => [name, rounds.map(pick)]));
      console.log(ratioTable(title, unit, samples) + "\n");
    };
    show(`${connections} connections`, "requests/s", ({ most }) => most.perSecond);
    show(`${connections} connections, p50`, "ms", ({ most }) => most.p50);
    show(`${connections} connections, p99`, "ms", ({ most }) => most.p99);
    show(`${connections} connections, p99.9`, "ms", ({ most }) => most.p999);
    show(`${connections} connections`, "errors", ({ most }) => most.errors);
    show(`${rate}/s, p50`, "ms", ({ fixed }) => fixed.ok.p50);
    show(`${rate}/s, p99`, "ms", ({ fixed }) => fixed.ok.p99);
    show(`${rate}/s, p99.9`, "ms", ({ fixed }) => fixed.ok.p999);
    show(
      `${rate}/s`,
      "failed, refused or lost",
      ({ fixed }) => fixed.failed + fixed.refused.count + fixed.lost,
    );
    show(`${rate}/s, generator late, p99.9`, "ms", ({ fixed }) => fixed.lateMs.p999);
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

async function measure(server: Server, options: BenchOptions): Promise<Figures> {
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  try {
    const { port, processes, seconds, serverCpus, loadCpus } = options;
    const url = `http://127.0.0.1:${port}/`;
    const program = await server.program({ port, processes, folder });
    await using _running = await startProgram({ ...program, url, cpus: serverCpus });
    // Compilers and caches need a while: what is measured is a server that has been serving.
    await wrk(url, { connections, seconds: 1, cpus: loadCpus });
    const most = await wrk(url, { connections, seconds, cpus: loadCpus });
    const fixed = await constantRate(
      { hostname: "127.0.0.1", port, path: "/", rate, connections, seconds, warmSeconds: 1, goodMs: 1000 },
      loadCpus,
    );
    return { most, fixed };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
