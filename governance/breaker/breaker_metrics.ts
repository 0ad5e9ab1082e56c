/**
 * What is told of a breaker: a log line and a count for each change (by the worker that made it), a gauge for its state
 * (by each that sees it). Series begin to exist when there is something to say, as there may be many breakers that
 * never open.
 */
import type { BreakerState, PolicyHost } from "../../core/upstream/contract.ts";

type State = BreakerState["state"];

const gaugeValues: Record<State, number> = {
  closed: 0,
  open: 1,
  halfOpen: 2,
  ramp: 3,
  forcedOpen: 4,
  forcedClosed: 4,
};

/** Longest part of a key that becomes a label. */
const longestLabel = 64;

/** See the module's header. */
export class BreakerMetrics {
  readonly #host: PolicyHost;
  readonly #labels: { upstream: string; breaker: string };
  #gauge: { set(value: number): void } | undefined;
  #refused: { add(n?: number): void } | undefined;

  constructor(host: PolicyHost, key: string) {
    this.#host = host;
    this.#labels = { upstream: host.name, breaker: key.slice(0, longestLabel) };
  }

  /** This worker has changed it. */
  changed(to: State, fields: Record<string, unknown>): void {
    const help = "Changes of breakers by what they became";
    this.#host.stats.counter("weir_upstream_breaker_transitions_total", { ...this.#labels, to }, help).add();
    const level = to === "open" || to === "forcedOpen" ? "warn" : "info";
    this.#host.log[level](`breaker is ${to}`, { ...this.#labels, ...fields });
  }

  show(state: State): void {
    this.#gauge ??= this.#host.stats.gauge(
      "weir_upstream_breaker",
      this.#labels,
      "State of the breaker: 0 closed, 1 open, 2 half-open, 3 ramp, 4 forced",
      "max",
    );
    this.#gauge.set(gaugeValues[state]);
  }

  refused(): void {
    this.#refused ??= this.#host.stats.counter(
      "weir_upstream_breaker_refused_total",
      this.#labels,
      "Attempts that the breaker refused",
    );
    this.#refused.add();
  }
}
