/** Tells people of every change of health: one line each, and counters. */
import type { Endpoint } from "../../core/endpoint.ts";
import type { PolicyHost } from "../../core/upstream/contract.ts";

/** Who took an endpoint out of use. */
export type Ejector = "failures" | "probes" | "operator";

/** See the module's header. */
export class Announcer {
  readonly #host: PolicyHost;
  readonly #counters: Record<Ejector, { add(n?: number): void }>;
  #recovering = false;

  constructor(host: PolicyHost) {
    const counter = (reason: Ejector) =>
      host.stats.counter(
        "weir_upstream_ejections_total",
        { upstream: host.name, reason },
        "Endpoints taken out of use",
      );
    this.#host = host;
    this.#counters = {
      failures: counter("failures"),
      probes: counter("probes"),
      operator: counter("operator"),
    };
  }

  /** Counts an ejection. */
  ejected(by: Ejector): void {
    this.#counters[by].add();
  }

  /** `endpoint` is in use, or out of use for another reason than before. */
  changed({ key, why, cause, until }: Endpoint, now: number): void {
    const { log, name } = this.#host;
    const fields = { upstream: name, endpoint: key, cause };
    if (why === "") log.info("endpoint in use again", fields);
    else if (until === Infinity) log.warn(`endpoint out of use: ${why}`, fields);
    else log.warn(`endpoint out of use: ${why}`, { ...fields, forMs: Math.round(until - now) });
  }

  /** Whether the recovery throttle is on. */
  recovering(active: boolean): void {
    if (active === this.#recovering) return;
    const { log, name } = this.#host;
    this.#recovering = active;
    if (active) {
      log.warn("endpoints come back after all were out: calls are let in by degrees", { upstream: name });
    } else log.info("all calls are let in again", { upstream: name });
  }
}
