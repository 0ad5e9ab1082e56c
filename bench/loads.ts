/** Load from processes of their own: wrk for as much as goes, bench/load.ts for a fixed rate. */
import type { LoadOptions, LoadReport } from "./load.ts";
import { runToEnd } from "./program.ts";

/** What wrk measured; times in milliseconds. */
export interface WrkReport {
  requests: number;
  perSecond: number;
  p50: number;
  p99: number;
  p999: number;
  /** Answers other than 2xx and 3xx, broken connections and timeouts. */
  errors: number;
}

const report = new URL("peers/report.lua", import.meta.url).pathname;

/** As many requests as `connections` keep-alive connections can make. Installs wrk where it is missing (Debian). */
export async function wrk(
  url: string,
  options: { connections: number; seconds: number; cpus?: string },
): Promise<WrkReport> {
  await haveCommand("wrk", "wrk");
  const threads = String(Math.min(2, options.connections));
  const output = await runToEnd([
    ...pinned(options.cpus),
    ...[
      "wrk",
      "-t",
      threads,
      "-c",
      String(options.connections),
      "-d",
      `${options.seconds}s`,
      "-s",
      report,
      url,
    ],
  ]);
  const line = output.split("\n").find((line) => line.startsWith("{"));
  if (line === undefined) throw new Error(`wrk said nothing that can be read: ${output}`);
  return JSON.parse(line);
}

/** A constant rate; see bench/load.ts. */
export async function constantRate(options: LoadOptions, cpus?: string): Promise<LoadReport> {
  const script = new URL("load.ts", import.meta.url).pathname;
  const output = await runToEnd([
    ...pinned(cpus),
    Deno.execPath(),
    "run",
    "-A",
    script,
    JSON.stringify(options),
  ]);
  // JSON has no NaN; where nothing was measured it says null.
  return JSON.parse(output, (_, value) => value === null ? NaN : value);
}

/** Makes sure that `command` is there, from the Debian package `name` where it is not. */
export async function haveCommand(command: string, name: string): Promise<void> {
  const found = (Deno.env.get("PATH") ?? "").split(":").some((folder) => isFile(`${folder}/${command}`));
  if (!found) await runToEnd(["apt-get", "install", "-y", "-q", name]);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function pinned(cpus?: string): string[] {
  return cpus === undefined ? [] : ["taskset", "-c", cpus];
}
