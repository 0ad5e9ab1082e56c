/** Upstreams under faults: how many calls fail, how long a change takes to show, and what reaches the backends. */
import { breaker } from "../tests/system/upstream_breaker.ts";
import { commands } from "../tests/system/upstream_commands.ts";
import { deadline } from "../tests/system/upstream_deadline.ts";
import { fallback } from "../tests/system/upstream_fallback.ts";
import { defaultOn, type Fault, outage } from "../tests/system/upstream_outage.ts";
import { redisConnections } from "../tests/system/upstream_redis.ts";
import { posts, restart } from "../tests/system/upstream_restart.ts";
import { retries } from "../tests/system/upstream_retries.ts";
import { slowEndpoint } from "../tests/system/upstream_slow.ts";
import { requiredUpstream, warmStart } from "../tests/system/upstream_start.ts";
import type { Bench } from "./run.ts";
import { median, number, table } from "./table.ts";

/** Figures of one run by their names. */
type Figures = Record<string, number>;

const outages: ReadonlyArray<{ fault: Fault; on: readonly (string | number)[] }> = [
  { fault: "status 500", on: defaultOn },
  { fault: "status 500", on: [...defaultOn, 500] },
  { fault: "SIGKILL", on: defaultOn },
  { fault: "black hole", on: defaultOn },
  { fault: "black hole", on: [...defaultOn, "timeout"] },
];

/** In the order of a table; each is run once per round. */
const scenarios: Readonly<Record<string, (seconds: number) => Promise<Figures>>> = {
  async retries(seconds) {
    const figures: Figures = {};
    for (const { fault, attempts, calls, allowed } of await retries({ seconds, clients: 16 })) {
      figures[`${fault}: attempts ÷ calls`] = attempts / calls;
      figures[`${fault}: attempts ÷ allowed (1.2 × calls + 10/s)`] = attempts / allowed;
    }
    return figures;
  },
  async slow(seconds) {
    const one = await slowEndpoint({
      delayMs: 200,
      slowMs: 2000 + seconds * 1000,
      limitMs: 60_000,
      clients: 16,
    });
    return {
      "1 of 4 slow by 200 ms: its share after 2 s, %": one.shareSlow * 100,
      "… p99 of callers meanwhile, ms": one.slowP99,
      "… equal again (± 10 %) after it is fast, s": one.equalAfterMs / 1000,
    };
  },
  async outages(seconds) {
    const figures: Figures = {};
    for (const { fault, on } of outages) {
      const one = await outage({ fault, on, seconds: Math.max(3, seconds), clients: 16 });
      const name = `1 of 5: ${fault}, retry on ${on === defaultOn ? "default" : `default + ${on.at(-1)}`}`;
      figures[`${name}: errors`] = one.errors;
      figures[`${name}: errors later than 1.5 s`] = one.lateErrors;
      figures[`${name}: last error after, ms`] = one.lastErrorMs;
      figures[`${name}: slowest answer, ms`] = one.slowestMs;
    }
    return figures;
  },
  async restarts() {
    const [idle, load] = await restart({ idle: 100, load: 50, clients: 12 });
    const sent = await posts({ restarts: 10, clients: 12 });
    return {
      "restarts, idle connections: GETs failed": idle!.failed,
      "… connections that became stale": idle!.idleConnections,
      "handed over under load: GETs failed": load!.failed,
      "… connections handed over": load!.idleConnections,
      "… GETs": load!.calls,
      "killed under POSTs: arrived twice": sent.twice,
      "… arrived without an answer": sent.arrived - sent.answered,
    };
  },
  async breaker() {
    const one = await breaker({ openMs: 1000, clients: 24 });
    return {
      "breaker, open 1 s: first probe after, ms": one.openForMs,
      "… after a bad probe, ms": one.openAgainForMs,
      "… probes at the backend, of 3": one.probed,
      "… good probes at the backend, of 3": one.probedAgain,
      ...Object.fromEntries(
        one.ramp.map((share, n) => [`… ramp, let through in part ${n + 1} of 5, %`, share * 100]),
      ),
    };
  },
  async deadlines() {
    const figures: Figures = {};
    for (const one of await deadline({ deadlineMs: 300 })) {
      figures[`${one.way}, deadline 300 ms: told to the backend, ms`] = one.toldMs;
      figures[`${one.way}: answered after, ms`] = one.answeredMs;
      figures[`${one.way}: backend knows that the client has left after, ms`] = one.leftMs;
    }
    return figures;
  },
  async start() {
    const warm = await warmStart({ warm: 2 });
    const required = await requiredUpstream({ failures: 1 });
    return {
      "connections before the first request, 2 endpoints × 2 workers × warm 2": warm.connections.reduce((
        a,
        b,
      ) => a + b),
      "required upstream comes: ready after, ms": required.readyAfterMs,
    };
  },
  async fallback() {
    const one = await fallback({ downMs: 1500, clients: 12 });
    return {
      "fallback: used after, ms": one.usedAfterMs,
      "fallback: back after, ms": one.backAfterMs,
      "fallback: errors": one.errors,
    };
  },
  async commands() {
    const figures: Figures = {};
    for (const { command, effectMs, shownMs } of await commands({ clients: 12 })) {
      figures[`${command}: holds in all workers after, ms`] = effectMs;
      figures[`${command}: shown after, ms`] = shownMs;
    }
    return figures;
  },
  async redis() {
    const one = await redisConnections({ concurrent: 1000, pauseMs: 1000 });
    return { "1,000 requests at once, 2 workers: connections to Redis": one.connections };
  },
};

export const bench: Bench = {
  about: "2 workers in front of backends that fail; GETs by route and by handler; --only names scenarios: " +
    Object.keys(scenarios).join(", "),
  async run({ rounds, seconds, only }) {
    const names = Object.keys(scenarios).filter((name) =>
      only.length === 0 || only.some((part) => name.includes(part))
    );
    const all = new Map<string, number[]>();
    for (let round = 1; round <= rounds; round++) {
      for (const name of names) {
        console.error(`round ${round} of ${rounds}: ${name}`);
        for (const [figure, value] of Object.entries(await scenarios[name]!(seconds))) {
          const values = all.get(figure) ?? [];
          all.set(figure, values);
          values.push(value);
        }
      }
    }
    const rows = [...all].map(([name, values]) => [
      name,
      number(Math.min(...values)),
      number(median(values)),
      number(Math.max(...values)),
    ]);
    console.log(table(["", "min", "median", "max"], rows));
  },
};
