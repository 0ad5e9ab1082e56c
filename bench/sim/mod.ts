/**
 * What the policies do beyond this machine: thousands of clients and endpoints in virtual time, a part of the endpoints
 * failing, then none there at all, then all back. The same seed gives the same table.
 */
import type { Bench } from "../run.ts";
import { percentile, table } from "../table.ts";
import { Crowd, type CrowdOptions, type Tally } from "./crowd.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** What is simulated unless said otherwise: at this rate the servers are busy for two fifths of their time. */
export const usual: CrowdOptions = {
  clients: 1000,
  endpoints: 100,
  rate: 4,
  serviceMs: 10,
  atOnce: 1,
  queue: 50,
  upstream: {
    pool: { connections: 4, warm: 0 },
    retry: { on: ["connect", "refused", "reset", 500, 503] },
    breaker: {},
    health: { eject: {} },
    timeouts: { connect: "250ms", attempt: "1s", total: "3s" },
  },
};

/** One row: what happened in one phase. */
export interface Row {
  phase: string;
  seconds: number;
  tally: Tally;
  /** Requests received by the busiest server ÷ the mean of those that are well. */
  spread: number;
  /** Share of the requests that went to servers that fail. */
  toFailing: number;
  /** Most requests that any server got in a second ÷ the mean of quiet times. */
  peak: number;
}

/** What came out. */
export interface SimResult {
  rows: Row[];
  /** From the servers' return until 99 % of a second's calls were good, in ms; Infinity where that never was. */
  recoveryMs: number;
}

/** Runs all phases. Deterministic in `seed` and `options`. */
export async function simulate(seed: number, options: CrowdOptions): Promise<SimResult> {
  const clock = new VirtualClock(seed);
  const crowd = new Crowd(clock, options);
  const { servers } = crowd;
  const failing = servers.slice(0, Math.ceil(servers.length / 10));
  const quiet = options.clients * options.rate / servers.length;
  const rows: Row[] = [];
  const phase = async (name: string, seconds: number) => {
    const before = servers.map((server) => server.received);
    for (const server of servers) server.peakPerSecond = 0;
    const tally = await crowd.until(clock.now() + seconds * 1000);
    const got = servers.map((server, i) => server.received - before[i]!);
    const well = got.slice(failing.length);
    const mean = well.reduce((sum, n) => sum + n, 0) / well.length;
    rows.push({
      phase: name,
      seconds,
      tally,
      spread: Math.max(...well) / mean,
      toFailing: got.slice(0, failing.length).reduce((sum, n) => sum + n, 0) / Math.max(1, tally.attempts),
      peak: Math.max(...servers.map((server) => server.peakPerSecond)) / quiet,
    });
  };
  await crowd.until(5000);
  await phase("all well", 20);
  for (const server of failing) server.behaviour.failing = 1;
  await phase("10 % begin to fail", 5);
  await phase("10 % still fail", 20);
  for (const server of failing) server.behaviour.failing = 0;
  await phase("they are well again", 20);
  for (const server of servers) server.down();
  await phase("none is there", 15);
  for (const server of servers) server.up();
  const backAt = clock.now();
  let recoveryMs = Infinity;
  for (let second = 1; second <= 30; second++) {
    const tally = await crowd.until(backAt + second * 1000);
    // Of those that ended in this second, not of those that began in it.
    const ended = tally.latencies.length;
    if (ended > 0 && tally.good >= 0.99 * ended && recoveryMs === Infinity) recoveryMs = clock.now() - backAt;
    if (second === 1) rows.push(recovering("first second back", tally, servers, quiet));
  }
  await phase("30 s later", 10);
  await crowd.close();
  return { rows, recoveryMs };
}

function recovering(phase: string, tally: Tally, servers: Crowd["servers"], quiet: number): Row {
  const peak = Math.max(...servers.map(({ peakPerSecond, perSecond }) => Math.max(peakPerSecond, perSecond)));
  return { phase, seconds: 1, tally, spread: NaN, toFailing: NaN, peak: peak / quiet };
}

/** The table as text. */
export function simTable({ rows, recoveryMs }: SimResult): string {
  const share = (value: number) => Number.isFinite(value) ? `${(value * 100).toFixed(2)} %` : "-";
  const lines = rows.map(({ phase, tally, spread, toFailing, peak }) => {
    const sorted = tally.latencies.toSorted((a, b) => a - b);
    return [
      phase,
      String(tally.calls),
      share(tally.good / tally.latencies.length),
      (tally.attempts / tally.calls).toFixed(3),
      Number.isFinite(spread) ? spread.toFixed(2) : "-",
      share(toFailing),
      peak.toFixed(2),
      percentile(sorted, 0.5).toFixed(1),
      percentile(sorted, 0.99).toFixed(1),
      [...tally.bad].map(([why, count]) => `${count} ${why}`).join(", ") || "-",
    ];
  });
  const heads = [
    "",
    "calls",
    "good",
    "sent ÷ calls",
    "max ÷ mean",
    "to failing",
    "peak ÷ quiet",
    "p50 ms",
    "p99 ms",
  ];
  const recovery = Number.isFinite(recoveryMs) ? `${recoveryMs / 1000} s` : "never";
  return `${table(heads, lines)}\n  99 % good again after ${recovery}`;
}

export const bench: Bench = {
  about:
    "1,000 clients x 100 endpoints in virtual time: 10 % failing, then an outage of all, then recovery; seed 1",
  async run() {
    const begin = performance.now();
    console.log(simTable(await simulate(1, usual)));
    console.log(`  simulated in ${Math.round((performance.now() - begin) / 1000)} s`);
  },
};
