/**
 * What the governor keeps between two looks: the supervisor's last word, the histories, the figures of the processes. It
 * ticks once a second and makes a {@link Sight} per page; it reads memory and /proc, and asks no worker anything.
 */

import type { ControlRequest, SupervisorState } from "../core/control.ts";
import type { Plan } from "../core/manifest/plan.ts";
import {
  History,
  readConnections,
  readEndpoints,
  readInflight,
  readLoops,
  readSeries,
  readSlots,
  readStreams,
  readUpstreams,
  renderPrometheus,
  type Series,
  type StatsMemory,
} from "../core/stats/mod.ts";
import { type CaptureStack, captureStacks } from "./capture_stacks.ts";
import { ExitCounter } from "./exit_counter.ts";
import { ProcessSampler } from "./process_sampler.ts";
import { RecentLatency } from "./recent_latency.ts";
import type { LogFilter, RecentLogs, Sight, Trend } from "./sight.ts";
import { StreamTrends } from "./stream_trends.ts";

/** What an observer is given. */
export interface ObserverOptions {
  plan: Plan;
  memory: StatsMemory;
  startedAt: number;
  capture: CaptureStack;
  logs(filter: LogFilter): Promise<RecentLogs>;
  command(request: ControlRequest, timeoutMs: number): Promise<unknown>;
}

const historySeries = 512;
const rateSeconds = 10;
const living = { limit: Infinity, only: ({ alive }: { alive: boolean }) => alive };

/** See the header. */
export class Observer {
  plan: Plan;
  readonly #options: ObserverOptions;
  readonly #history: History;
  readonly #recent = new RecentLatency();
  readonly #processes = new ProcessSampler();
  readonly #exits = new ExitCounter();
  readonly #streams = new StreamTrends();
  #state: SupervisorState;
  #capturing: ReturnType<typeof captureStacks> | undefined;

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.#history = new History(options.memory, { maxSeries: historySeries });
    this.#state = beforeTheFirstWord(options.plan, options.startedAt);
  }

  /** Takes the supervisor's state. */
  heard(state: SupervisorState): void {
    this.#state = state;
    this.#exits.take(state.exits);
  }

  /** Once a second. `epochMs` and `nowMs` (monotonic) are the same moment. */
  tick(epochMs: number, nowMs: number): void {
    this.#history.tick(epochMs);
    this.#recent.tick(nowMs, () => readSeries(this.#options.memory));
    this.#streams.tick(nowMs, readStreams(this.#options.memory).rows);
    this.#processes.tick([this.#state.pid, ...this.#state.children.map((child) => child.pid)], nowMs);
  }

  /** One look at the service at epoch ms `now`. What is read is read once per look. */
  look(now: number): Sight {
    const { memory, startedAt, logs, command } = this.#options;
    const plan = this.plan;
    const series = once(() => readSeries(memory));
    return {
      now,
      plan,
      state: this.#state,
      startedAt,
      exitCounts: this.#exits.counts(),
      series,
      seriesPerWorker: once(() => readSeries(memory, { perWorker: true })),
      slots: once(() => readSlots(memory)),
      // What was killed leaves its rows behind; nothing of it is open or in flight any more.
      inflight: (limit) => readInflight(memory, { limit, only: ({ alive }) => alive }),
      connections: (limit) => readConnections(memory, { limit, only: ({ alive }) => alive }),
      endpoints: once(() => readEndpoints(memory, living).rows),
      upstreams: once(() => readUpstreams(memory, living).rows),
      loops: once(() => readLoops(memory, living).rows),
      streams: once(() => readStreams(memory).rows),
      streamTrend: (name) => this.#streams.of(name),
      trend: (one) => this.#trend(one),
      recentLatency: (one) => this.#recent.window(one),
      prometheus: () => renderPrometheus(series()),
      process: (pid) => this.#processes.get(pid),
      redactedPlan: async () => (await import("../core/manifest/redact_plan.ts")).redactPlan(plan),
      logs,
      stacks: () => this.#stacks(),
      command,
    };
  }

  #trend({ name, labelText, worker }: Series): Trend {
    const key = labelText === "" ? name : `${name}{${labelText}}`;
    const points = this.#history.points(worker === undefined ? key : `${key} ${worker}`, "second");
    const values = points.map((point) => point.value);
    const recent = values.slice(-rateSeconds);
    const sum = recent.reduce((total, value) => total + value, 0);
    return { ratePerSecond: recent.length === 0 ? null : sum / recent.length, points: values };
  }

  /** Several askers share one capture: a second debugger on the same process would only disturb the first. */
  #stacks(): ReturnType<typeof captureStacks> {
    this.#capturing ??= captureStacks(this.#state.children, this.#options.capture).finally(() => {
      this.#capturing = undefined;
    });
    return this.#capturing;
  }
}

function once<T>(make: () => T): () => T {
  let value: { it: T } | undefined;
  return () => (value ??= { it: make() }).it;
}

function beforeTheFirstWord(plan: Plan, startedAt: number): SupervisorState {
  return {
    type: "state",
    service: plan.service,
    version: plan.version ?? "",
    weir: "",
    pid: Deno.ppid,
    startedAt,
    generation: 0,
    phase: "starting",
    ready: false,
    notReady: ["the supervisor has not said anything yet"],
    children: [],
    exits: [],
    addresses: {},
    lastReload: null,
  };
}
