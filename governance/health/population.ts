/**
 * How many endpoints there are, in which state, and how many of them would be left for whom. All in constant time per
 * change; keeps the gauge of states.
 */
import type { OutOfUse } from "../../core/endpoint.ts";
import type { FilterStats } from "../../core/server_filter.ts";

/** Whether calls without a role go to endpoints of `role`. */
export function isMain(role: string | null): boolean {
  return role === null || role === "master" || role === "primary";
}

const states = ["usable", "ejected", "unhealthy", "operator"] as const;
type State = typeof states[number];

/** What counts of an endpoint: see record.ts. */
interface Counted {
  readonly role: string;
  readonly why: OutOfUse | "";
}

function stateOf(why: OutOfUse | ""): State {
  return why === "" ? "usable" : why === "breaker" ? "unhealthy" : why;
}

/** See the module's header. */
export class Population {
  readonly #byState: Record<State, number> = { usable: 0, ejected: 0, unhealthy: 0, operator: 0 };
  readonly #gauges: Record<State, { set(value: number): void }>;
  /** Endpoints that calls without a role go to. */
  #main = 0;
  #usableMain = 0;
  readonly #usableByRole = new Map<string, number>();

  constructor(upstream: string, stats: FilterStats) {
    this.#gauges = Object.fromEntries(
      states.map((state) => [
        state,
        stats.gauge("weir_upstream_endpoints", { upstream, state }, "Endpoints, by state"),
      ]),
    ) as Record<State, { set(value: number): void }>;
    for (const state of states) this.#gauges[state].set(0);
  }

  get total(): number {
    return states.reduce((sum, state) => sum + this.#byState[state], 0);
  }

  get usable(): number {
    return this.#byState.usable;
  }

  get ejected(): number {
    return this.#byState.ejected;
  }

  /** Those that people did not take out: how many there should be. */
  get wanted(): number {
    return this.total - this.#byState.operator;
  }

  /** Counts an endpoint in (1) or out (-1). */
  add(counted: Counted, by: 1 | -1): void {
    if (counted.role === "") this.#main += by;
    this.#count(counted.role, counted.why, by);
  }

  /** An endpoint is in another state than before. */
  moved({ role, why }: Counted, before: OutOfUse | ""): void {
    this.#count(role, before, -1);
    this.#count(role, why, 1);
  }

  #count(role: string, why: OutOfUse | "", by: 1 | -1): void {
    const state = stateOf(why);
    this.#byState[state] += by;
    this.#gauges[state].set(this.#byState[state]);
    if (why !== "") return;
    if (role === "") this.#usableMain += by;
    const left = (this.#usableByRole.get(role) ?? 0) + by;
    if (left > 0) this.#usableByRole.set(role, left);
    else this.#usableByRole.delete(role);
  }

  /**
   * Whether those who call one endpoint of `role`, which is usable, have another one: of that role, or of those for
   * calls without a role; where there are none of those, any.
   */
  hasAnother(role: string): boolean {
    if (this.#main === 0) return this.#byState.usable > 1;
    if (role === "") return this.#usableMain > 1;
    return this.#usableMain > 0 || (this.#usableByRole.get(role) ?? 0) > 1;
  }
}
