/**
 * Reverse proxies with one worker in front of nginx: every proxy on one core with all its processes, nginx and the load
 * on another. Beside requests per second it shows the processor time that a proxy takes per request, which does not
 * depend on what else the machine does. `deno task bench gateway --rounds 5 --seconds 5`
 */
import { alternate } from "./alternate.ts";
import { backend, type Gateway, gateways } from "./gateways.ts";
import { wrk, type WrkReport } from "./loads.ts";
import { type Program, startProgram } from "./program.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { type Samples, shareTable } from "./table.ts";

const connections = 64;
const fileBytes = 16 * 1024;
const paths = { "small body": "/", "16 KiB": "/file" } as const;
type Load = keyof typeof paths;

interface Figures extends WrkReport {
  /** Of all processes of the proxy, per request. */
  cpuMicroseconds: number;
}

export const bench: Bench = {
  about: `reverse proxy, one worker on one core, ${connections} keep-alive connections`,
  async run(options) {
    const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
    try {
      const behind = await backend({ port: backendPort(options), folder, fileBytes });
      const url = `http://127.0.0.1:${backendPort(options)}/`;
      await using _backend = await startProgram({ ...behind, url, cpus: options.loadCpus ?? "1" });
      await compare(options);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

async function compare(options: BenchOptions): Promise<void> {
  const wanted = gateways.filter(({ name }) =>
    options.only.length === 0 || options.only.some((part) => name.toLowerCase().includes(part.toLowerCase()))
  );
  const contenders = wanted.map((gateway) => ({
    name: gateway.name,
    measure: () => measure(gateway, options),
  }));
  const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
  const targets = new Map(wanted.map(({ name, target }) => [name, target]));
  for (const load of Object.keys(paths) as Load[]) {
    const show = (unit: string, pick: (figures: Figures) => number) => {
      const samples: Samples = new Map(
        [...figures].map(([name, all]) => [name, all.map((one) => pick(one[load]))]),
      );
      console.log(shareTable(load, unit, samples, unit === "requests/s" ? targets : undefined) + "\n");
    };
    show("requests/s", ({ perSecond }) => perSecond);
    show("µs of processor per request", ({ cpuMicroseconds }) => cpuMicroseconds);
    show("p50, ms", ({ p50 }) => p50);
    show("p99, ms", ({ p99 }) => p99);
    show("errors", ({ errors }) => errors);
  }
  for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
}

async function measure(gateway: Gateway, options: BenchOptions): Promise<Record<Load, Figures>> {
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  try {
    const { port, seconds, serverCpus = "0", loadCpus = "1" } = options;
    const url = `http://127.0.0.1:${port}`;
    const gatewayOptions = { port, metaPort: port + 1, backendPort: backendPort(options), folder };
    const started = await gateway.program(gatewayOptions);
    await using program = await startProgram({ ...started, url: `${url}/`, cpus: serverCpus });
    const figures = {} as Record<Load, Figures>;
    for (const [load, path] of Object.entries(paths) as [Load, string][]) {
      // Compilers need a while; what is measured is a proxy that has been serving.
      await wrk(url + path, { connections, seconds, cpus: loadCpus });
      const before = cpuSeconds(program);
      const report = await wrk(url + path, { connections, seconds, cpus: loadCpus });
      const cpuMicroseconds = (cpuSeconds(program) - before) / report.requests * 1e6;
      figures[load] = { ...report, cpuMicroseconds };
    }
    return figures;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function backendPort({ port }: BenchOptions): number {
  return port + 2;
}

function cpuSeconds(program: Program): number {
  return program.processes().reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}
