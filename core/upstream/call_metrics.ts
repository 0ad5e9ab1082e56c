/** The series of one upstream's calls. Looked up once; counting is a store. */
import { type Reason, reasonCodes, reasonIndex } from "../reasons.ts";
import type { FilterStats } from "../server_filter.ts";
import type { FailureKind } from "../upstream_error.ts";

type Count = ReturnType<FilterStats["counter"]>;

/** See the module's header. */
export class CallMetrics {
  readonly #stats: FilterStats;
  readonly #upstream: string;
  readonly #calls: Array<Count | undefined> = new Array(reasonCodes.length);
  readonly #attempts = new Map<FailureKind | undefined, Count>();
  readonly #duration: ReturnType<FilterStats["histogram"]>;
  readonly #inflight: ReturnType<FilterStats["gauge"]>;
  readonly #connections: Record<"idle" | "busy" | "dialling" | "waiters", ReturnType<FilterStats["gauge"]>>;

  constructor(stats: FilterStats, upstream: string) {
    this.#stats = stats;
    this.#upstream = upstream;
    const labels = { upstream };
    this.#duration = stats.histogram("weir_upstream_call_duration_seconds", labels, {
      unit: "ms",
      help: "Time of a call with all its attempts, to the head of its reply",
    });
    this.#inflight = stats.gauge("weir_upstream_in_flight", labels, "Calls that wait for their reply");
    const connections = (state: string) =>
      stats.gauge(
        "weir_upstream_connections",
        { upstream, state },
        "Connections, and calls that wait for one",
      );
    this.#connections = {
      idle: connections("idle"),
      busy: connections("busy"),
      dialling: connections("dialling"),
      waiters: connections("waiters"),
    };
    this.#ended("ok");
  }

  call(reason: Reason, durationMs: number): void {
    this.#ended(reason).add();
    this.#duration.record(durationMs);
  }

  /** `failure` is undefined for one that went well. */
  attempt(failure: FailureKind | undefined): void {
    let count = this.#attempts.get(failure);
    if (!count) {
      count = this.#stats.counter(
        "weir_upstream_attempts_total",
        { upstream: this.#upstream, failure: failure ?? "none" },
        "Attempts by how they failed",
      );
      this.#attempts.set(failure, count);
    }
    count.add();
  }

  inflight(count: number): void {
    this.#inflight.set(count);
  }

  connections(idle: number, busy: number, dialling: number, waiters: number): void {
    this.#connections.idle.set(idle);
    this.#connections.busy.set(busy);
    this.#connections.dialling.set(dialling);
    this.#connections.waiters.set(waiters);
  }

  #ended(reason: Reason): Count {
    return this.#calls[reasonIndex[reason]] ??= this.#stats.counter(
      "weir_upstream_calls_total",
      { upstream: this.#upstream, reason },
      "Calls by how they ended",
    );
  }
}
