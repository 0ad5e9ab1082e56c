/** The splitter at a fixed rate: the example's own handler under Weir, as it is shipped, and on bare Deno.serve. */
import { alternate } from "./alternate.ts";
import { latencyTables } from "./latency_tables.ts";
import type { LoadReport } from "./load.ts";
import { constantRate } from "./loads.ts";
import { type ProgramOptions, startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";

const rate = 5000;
const connections = 64;
const path = "/split?user=4711&country=RU&app=2.15.0&device=tv-lg";
const root = new URL("../", import.meta.url).pathname;

type Start = (options: BenchOptions) => Omit<ProgramOptions, "url" | "cpus">;

const bare: Start = ({ port, processes }) => ({
  command: [Deno.execPath(), "run", "-A", "--unstable-net", `${root}bench/peers/split_bare.ts`],
  copies: processes,
  env: { PORT: String(port) },
});

const weir: Start = ({ port }) => ({
  command: [Deno.execPath(), "run", "-A", `${root}mod.ts`, `${root}examples/splitter/service.yaml`],
  env: { PORT: String(port), META_PORT: String(port + 1) },
});

export const bench: Bench = {
  about: `examples/splitter, ${rate} requests/s on ${connections} keep-alive connections`,
  async run(options) {
    const contenders = [
      { name: "bare Deno.serve", measure: () => measure(bare(options), options) },
      { name: "Weir", measure: () => measure(weir(options), options) },
    ];
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    console.log(latencyTables(figures));
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

async function measure(
  program: Omit<ProgramOptions, "url" | "cpus">,
  options: BenchOptions,
): Promise<LoadReport> {
  const { port, seconds, serverCpus, loadCpus } = options;
  const url = `http://127.0.0.1:${port}${path}`;
  await using _running = await startProgram({ ...program, url, cpus: serverCpus });
  const load = { hostname: "127.0.0.1", port, path, rate, connections };
  return await constantRate({ ...load, seconds, warmSeconds: 2, goodMs: 1000 }, loadCpus);
}
