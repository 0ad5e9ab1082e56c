/**
 * What a page may look at: the Plan, the supervisor's last word, the shared statistics and the little the governor
 * measures itself. All of it is memory of this process or mapped memory, so a page is made without asking a worker
 * anything; only `stacks()` and `command()` reach out, both with a limit.
 */

import type { ControlRequest, StackAnswer, SupervisorState } from "../core/control.ts";
import type { Plan } from "../core/manifest/plan.ts";
import type {
  InflightRequest,
  OpenConnection,
  Rows,
  Series,
  SlotInfo,
  WorkerEndpoint,
  WorkerLoop,
  WorkerStream,
  WorkerUpstream,
} from "../core/stats/mod.ts";
import type { ExitCount } from "./exit_counter.ts";
import type { ProcessFigures } from "./process_sampler.ts";
import type { Window } from "./recent_latency.ts";
import type { StreamTrend } from "./stream_trends.ts";

/** The stack of one process, or why there is none. */
export interface CapturedStack {
  role: string;
  id: number;
  pid: number;
  frames: StackAnswer["frames"];
  /** Why there are no frames; empty where there are. */
  missing: string;
}

/** One line of the log. */
export interface LogLine {
  at: number;
  level: string;
  logger: string;
  message: string;
  fields: Readonly<Record<string, unknown>>;
}

/** Which lines of the log are wanted. */
export interface LogFilter {
  logger?: string;
  level?: string;
  text?: string;
  limit: number;
}

/** The lines, oldest first, or why there are none. */
export interface RecentLogs {
  lines: LogLine[];
  note: string;
}

/** How a series went lately. */
export interface Trend {
  /** Per second over the last ten seconds; null while there is too little to say. */
  ratePerSecond: number | null;
  /** One value a second, oldest first, at most 60: rates of counters and histograms, values of gauges. */
  points: number[];
}

/** See the header. */
export interface Sight {
  /** Epoch ms when this look began. */
  readonly now: number;
  readonly plan: Plan;
  readonly state: SupervisorState;
  /** When the governor started, epoch ms. */
  readonly startedAt: number;
  /** Exits by process since the governor started, and those it was told of then. */
  readonly exitCounts: readonly ExitCount[];
  /** All series of the service, read once per look. */
  series(): Series[];
  /** The same by worker. */
  seriesPerWorker(): Series[];
  slots(): SlotInfo[];
  inflight(limit: number): Rows<InflightRequest>;
  connections(limit: number): Rows<OpenConnection>;
  /** Endpoints of all upstreams, as each living worker sees them. */
  endpoints(): WorkerEndpoint[];
  /** Upstreams as each living worker sees them. */
  upstreams(): WorkerUpstream[];
  /** Loops as each living worker sees them. */
  loops(): WorkerLoop[];
  /** Streams as their shippers see them, or saw them: rows of those that are gone as well. */
  streams(): WorkerStream[];
  trend(series: Series): Trend;
  streamTrend(name: string): StreamTrend;
  /** The last minute of a histogram. */
  recentLatency(series: Series): Window | undefined;
  prometheus(): string;
  /** Figures of a process from the operating system; undefined where it tells none. */
  process(pid: number): ProcessFigures | undefined;
  redactedPlan(): Promise<unknown>;
  logs(filter: LogFilter): Promise<RecentLogs>;
  stacks(): Promise<CapturedStack[]>;
  /** Forwards to the supervisor; rejects with its error or after `timeoutMs`. */
  command(request: ControlRequest, timeoutMs: number): Promise<unknown>;
}
