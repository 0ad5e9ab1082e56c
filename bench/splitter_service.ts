/** The splitter of the examples with its decisions going elsewhere: the same manifest, one line of it changed. */
import { parse } from "yaml";
import { type Program, startProgram } from "./program.ts";

const root = new URL("../", import.meta.url).pathname;
const example = `${root}examples/splitter/`;
/** The example's handler without its stream. */
const silent = `${root}bench/peers/split_silent.ts`;

/** A question that every run asks. */
export const splitPath = "/split?user=4711&country=RU&app=2.15.0&device=tv-lg";

/** A running splitter. */
export interface Splitter extends AsyncDisposable {
  readonly program: Program;
  /** Its meta pages. */
  readonly metaUrl: string;
}

/** Starts it on `port`, its pages on the next; `sink` is what stands beside `spool` in the manifest, null: no stream. */
export async function startSplitter(
  port: number,
  sink: Record<string, unknown> | null,
  options: { cpus?: string; spool?: Record<string, unknown> } = {},
): Promise<Splitter> {
  const manifest = parse(
    (await Deno.readTextFile(`${example}service.yaml`)).replaceAll(/\$\{(\w+):-([^}]*)\}/g, "$2"),
  );
  const folder = await Deno.makeTempDir({ prefix: "weir-bench-" });
  const { api } = manifest.listeners;
  const { decisions } = manifest.streams;
  api.listen = `127.0.0.1:${port}`;
  api.handler = sink === null ? silent : `${example}split.ts`;
  manifest.meta.listen = `127.0.0.1:${port + 1}`;
  if (sink === null) delete manifest.streams;
  else {
    delete decisions.file;
    Object.assign(decisions, sink);
    decisions.spool = { ...decisions.spool, directory: `${folder}/spool`, ...options.spool };
  }
  await Deno.writeTextFile(`${folder}/service.yaml`, JSON.stringify(manifest));
  const program = await startProgram({
    command: [Deno.execPath(), "run", "-A", `${root}mod.ts`, `${folder}/service.yaml`],
    env: { XDG_RUNTIME_DIR: folder },
    url: `http://127.0.0.1:${port}${splitPath}`,
    ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
  });
  return {
    program,
    metaUrl: `http://127.0.0.1:${port + 1}`,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The value of the one series of `name` whose labels contain `labels`; NaN where there is none, the sum of several. */
export async function metric(metaUrl: string, name: string, labels = ""): Promise<number> {
  const text = await (await fetch(`${metaUrl}/metrics`)).text();
  const values = text.split("\n")
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0);
}

/** Asks until `wanted` holds of the metric; rejects after `limitMs`. */
export async function untilMetric(
  metaUrl: string,
  name: string,
  wanted: (value: number) => boolean,
  limitMs: number,
): Promise<number> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await metric(metaUrl, name);
    if (wanted(value)) return value;
    if (performance.now() > end) throw new Error(`${name} is ${value} after ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
