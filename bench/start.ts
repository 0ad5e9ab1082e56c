/** From starting `examples/hello` to its first answer, and what its processes hold in memory; bare Deno.serve beside. */
import { alternate } from "./alternate.ts";
import { startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { ratioTable, table } from "./table.ts";

const root = new URL("../", import.meta.url).pathname;

interface Figures {
  startedMs: number;
  /** Resident MiB by part of the program, a second after the start. */
  memory: Map<string, number>;
}

export const bench: Bench = {
  about: "time to the first answer and resident memory",
  async run(options) {
    const contenders = [
      { name: "bare Deno.serve", measure: () => measure("bare", options) },
      { name: "Weir, examples/hello", measure: () => measure("weir", options) },
    ];
    // The first start of all compiles and fills the caches; nobody waits for it twice.
    for (const { measure } of contenders) await measure();
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    const started = new Map(
      [...figures].map(([name, rounds]) => [name, rounds.map(({ startedMs }) => startedMs)]),
    );
    console.log(ratioTable("start to first answer", "ms", started) + "\n");
    for (const [name, rounds] of figures) {
      const last = rounds.at(-1)!.memory;
      console.log(`${name}: resident memory after 1 s, last round`);
      console.log(table(["", "MiB"], [...last].map(([part, mib]) => [part, mib.toFixed(1)])) + "\n");
    }
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

async function measure(
  which: "bare" | "weir",
  { port, processes, serverCpus }: BenchOptions,
): Promise<Figures> {
  const env = { PORT: String(port), META_PORT: String(port + 1), PROCESSES: String(processes) };
  const command = which === "bare"
    ? [Deno.execPath(), "run", "-A", "--unstable-net", `${root}bench/peers/bare.ts`]
    : [Deno.execPath(), "run", "-A", `${root}mod.ts`, `${root}examples/hello/service.yaml`];
  const url = `http://127.0.0.1:${port}/hello`;
  await using program = await startProgram({ command, env, url, cpus: serverCpus });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const memory = new Map<string, number>();
  let total = 0;
  for (const { command, rssBytes, pid } of program.processes()) {
    const part = /(\S+)\.ts/.exec(command)?.[0].replace(root, "").replace("file://", "") ?? command;
    memory.set(`${part} (${pid})`, rssBytes / 2 ** 20);
    total += rssBytes / 2 ** 20;
  }
  memory.set("together", total);
  return { startedMs: program.startedMs, memory };
}
