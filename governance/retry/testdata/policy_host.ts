/** What a policy gets, of a test: time that is set by hand, series and log lines that can be looked at. */
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import { localStatsMemory, type SharedNumbers } from "../../../core/stats/mod.ts";
import type { PolicyHost } from "../../../core/upstream/contract.ts";

/** Time and chance that a test sets. */
export class HandClock implements Clock {
  ms = 5000;
  /** Epoch ms at monotonic 0. */
  base = 1_800_000_000_000;
  /** Next lots; then one half. */
  lots: number[] = [];

  now = (): number => this.ms;
  epoch = (): number => this.base + this.ms;
  random = (): number => this.lots.shift() ?? 0.5;
  after = (): never => {
    throw new Error("a policy must not set timers");
  };
  every = this.after;
}

/** A log line. */
export interface Line {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  fields: Record<string, unknown>;
}

/** See the module's header. */
export interface TestHost extends PolicyHost {
  readonly clock: HandClock;
  readonly lines: Line[];
  /** Value of a series such as `weir_x_total{upstream="users"}`; 0 where there is none. */
  value(name: string, labels?: Record<string, string>): number;
  readonly series: ReadonlyMap<string, number>;
}

/** A host of the upstream `users` with the defaults of the manifest, `plan` over them. */
export function testHost(
  plan: { [K in keyof UpstreamPlan]?: unknown },
  options: { clock?: HandClock; shared?: SharedNumbers; acrossProcesses?: boolean } = {},
): TestHost {
  const clock = options.clock ?? new HandClock();
  const { series, stats, value } = testStats();
  const lines: Line[] = [];
  const memory = options.shared ?? localStatsMemory(1).shared;
  // Several hosts of one test share their numbers as several processes would.
  const shared = new Proxy(memory, {
    get: (target, key) => {
      if (key === "acrossProcesses") return options.acrossProcesses ?? true;
      const found = Reflect.get(target, key, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
  return {
    name: "users",
    plan: {
      timeouts: { connect: 250, attempt: 1000, total: 3000 },
      retry: null,
      hedge: null,
      breaker: null,
      throttle: null,
      ...plan,
    } as unknown as UpstreamPlan,
    clock,
    stats,
    log: testLog(lines),
    shared,
    lines,
    series,
    value,
  };
}

function testStats() {
  const series = new Map<string, number>();
  const keyOf = (name: string, labels: Record<string, string> = {}) =>
    `${name}{${Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(",")}}`;
  const cell = (name: string, labels?: Record<string, string>) => {
    const key = keyOf(name, labels);
    if (!series.has(key)) series.set(key, 0);
    return {
      add: (n = 1) => void series.set(key, series.get(key)! + n),
      set: (value: number) => void series.set(key, value),
      record() {},
    };
  };
  const value = (name: string, labels: Record<string, string> = {}) =>
    series.get(keyOf(name, { upstream: "users", ...labels })) ?? 0;
  return { series, value, stats: { counter: cell, gauge: cell, histogram: cell } };
}

function testLog(lines: Line[]): Log {
  const at = (level: Line["level"]) => (message: string, fields: Record<string, unknown> = {}) =>
    void lines.push({ level, message, fields });
  const log: Log = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => log,
  };
  return log;
}
