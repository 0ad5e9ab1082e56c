/** Many slow clients at once: when each is cut, for which reason, and what a normal client notices. */
import { percentile } from "../../bench/table.ts";
import { freePort } from "./free_port.ts";
import { HttpLoad } from "./http_load.ts";
import { type SlowKind, slowKinds, type SlowReport } from "./slow_clients.ts";
import { accessToFile, handlers, WeirProcess } from "./weir_process.ts";

/** The limit of each kind and the reason that is counted for it. Each has a limit of its own, to be told apart by it. */
export const slowLimits: Record<SlowKind, { limitMs: number; reason: string }> = {
  silent: { limitMs: 4000, reason: "first_byte_timeout" },
  "half a head": { limitMs: 4500, reason: "head_timeout" },
  "slow head": { limitMs: 4500, reason: "head_timeout" },
  "slow body": { limitMs: 5000, reason: "body_timeout" },
  "half a body": { limitMs: 6000, reason: "deadline" },
  idle: { limitMs: 5500, reason: "idle_timeout" },
};

/** What was seen; times in ms. */
export interface SlowFigures {
  lived: SlowReport;
  /** weir_connections_closed_total by reason, afterwards. */
  closed: Record<string, number>;
  /** p99 of a normal client before, and while all slow ones were there. */
  beforeP99: number;
  duringP99: number;
  failed: number;
}

/** Runs `each` clients of every kind. */
export async function slow(
  { each, accept = {}, beforeMs }: { each: number; accept?: Record<string, unknown>; beforeMs: number },
): Promise<SlowFigures> {
  const port = freePort();
  const metaPort = freePort();
  const limit = (kind: SlowKind) => `${slowLimits[kind].limitMs}ms`;
  await using weir = await WeirProcess.start({
    manifest: {
      service: "slow",
      workers: { count: 2, drain: "2s" },
      meta: { listen: `127.0.0.1:${metaPort}` },
      logs: accessToFile,
      listeners: {
        api: {
          protocol: "http",
          listen: `127.0.0.1:${port}`,
          handler: handlers,
          deadline: limit("half a body"),
          accept: {
            firstByte: limit("silent"),
            headers: limit("half a head"),
            body: limit("slow body"),
            idle: limit("idle"),
            ...accept,
          },
          // Bodies that do not come hold a place each.
          admit: { concurrency: 10_000 },
        },
      },
    },
  });
  const load = new HttpLoad({ port, keepAlive: 8, short: 0, thinkMs: (client) => 2 + client });
  await pause(500);
  load.lap();
  await pause(beforeMs);
  const before = load.lap();
  const longestMs = 2 * Math.max(...Object.values(slowLimits).map(({ limitMs }) => limitMs));
  // Behind everybody else: it is the service that shall be slowed down, if anything, not the machine.
  const child = new Deno.Command("nice", {
    args: [
      "-n",
      "19",
      Deno.execPath(),
      "run",
      "-A",
      new URL("./slow_clients.ts", import.meta.url).pathname,
      JSON.stringify({ port, each, longestMs }),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reported = child.output();
  const open = async () => sumOf(await metrics(metaPort), "weir_connections_open");
  await weir.until("all slow clients are there", async () => await open() >= each * slowKinds.length, 20_000);
  // Neither their coming, with all that runs for the first time, nor their end: only that they are there.
  await pause(900);
  load.lap();
  await pause(Math.min(beforeMs, 1000));
  const during = load.lap();
  const { stdout } = await reported;
  // JSON has no Infinity: null is one that was never cut.
  const lived = JSON.parse(new TextDecoder().decode(stdout), (_, value) => value === null ? Infinity : value);
  const { failures, stale } = await load.stop();
  const text = await metrics(metaPort);
  const closed: Record<string, number> = {};
  for (
    const [, reason, count] of text.matchAll(
      /^weir_connections_closed_total\{[^}]*reason="(\w+)"[^}]*\} (\d+)/gm,
    )
  ) {
    closed[reason!] = (closed[reason!] ?? 0) + Number(count);
  }
  if (await weir.stop() !== 0) throw new Error(`It did not stop cleanly\n${weir.text}`);
  return {
    lived,
    closed,
    beforeP99: p99(before.latencies),
    duringP99: p99(during.latencies),
    failed: failures.length + stale.length + before.failures.length + during.failures.length,
  };
}

async function metrics(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

function sumOf(text: string, name: string): number {
  let sum = 0;
  for (const [, value] of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, "gm"))) {
    sum += Number(value);
  }
  return sum;
}

function p99(latencies: readonly number[]): number {
  return percentile(latencies.toSorted((a, b) => a - b), 0.99);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
