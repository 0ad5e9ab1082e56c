/**
 * Writes what one worker knows of an upstream and its endpoints into the shared tables, once a second, for the pages of
 * the governor. Looks and tells; decides nothing.
 */
import type { Clock } from "../clock.ts";
import type { Endpoint, EndpointSourceState } from "../endpoint.ts";
import type { EndpointFigures, EndpointRow, SlotWriter, UpstreamFigures } from "../stats/mod.ts";
import type { Breakers, Retry, Selector, Throttle } from "./contract.ts";
import type { SessionPool } from "./session_pool.ts";

/** What is looked at of an upstream. */
export interface ShownUpstream {
  readonly name: string;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly pools: ReadonlyMap<Endpoint, Pick<SessionPool, "idle" | "size" | "waiters" | "waitingSince">>;
  readonly source: EndpointSourceState;
  readonly selector: Pick<Selector, "panic">;
  readonly breakers: Breakers | undefined;
  readonly retry: Pick<Retry, "left">;
  readonly throttle: Throttle | undefined;
}

const periodMs = 1000;
/** Breakers past this many are only counted. */
const mostBreakers = 8;

/** The rows of one upstream. */
export class UpstreamRows {
  readonly #stats: Pick<SlotWriter, "endpoints" | "upstreams">;
  readonly #clock: Clock;
  readonly #rows = new Map<Endpoint, EndpointRow>();
  readonly #endpoint: EndpointFigures = {
    state: "usable",
    until: 0,
    cause: "",
    weight: 0,
    priority: 0,
    ewmaMs: 0,
    inflight: 0,
    idle: 0,
    busy: 0,
    waiters: 0,
    attempts: 0,
    failures: 0,
    oldestMs: 0,
  };
  readonly #upstream: UpstreamFigures = {
    source: "",
    updatedAt: 0,
    error: "",
    cached: false,
    panic: false,
    breakers: "",
    retryLeft: -1,
    throttleInflight: 0,
    throttleWaiting: 0,
  };
  #nextAt = -Infinity;

  constructor(stats: Pick<SlotWriter, "endpoints" | "upstreams">, clock: Clock) {
    this.#stats = stats;
    this.#clock = clock;
  }

  /** Writes when a second has passed; `now` is monotonic ms. */
  tick(shown: ShownUpstream, now: number): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + periodMs;
    for (const endpoint of shown.endpoints.values()) {
      if (this.#rows.has(endpoint)) continue;
      const { address, role } = endpoint.spec;
      this.#rows.set(endpoint, this.#stats.endpoints.row(shown.name, address, role));
    }
    for (const [endpoint, row] of this.#rows) {
      // One that discovery has taken away is shown until its last reply is there.
      if (shown.endpoints.get(endpoint.key) !== endpoint && endpoint.inflight === 0) {
        row.end();
        this.#rows.delete(endpoint);
      } else row.set(this.#figures(shown, endpoint, now));
    }
    this.#setUpstream(shown, now);
  }

  /** The upstream is gone. */
  end(): void {
    for (const row of this.#rows.values()) row.end();
    this.#rows.clear();
  }

  #figures(shown: ShownUpstream, endpoint: Endpoint, now: number): EndpointFigures {
    const figures = this.#endpoint;
    const { spec, until } = endpoint;
    const pool = shown.pools.get(endpoint);
    const since = pool?.waitingSince ?? 0;
    figures.state = endpoint.removed ? "removed" : endpoint.healthy ? "usable" : endpoint.why || "unhealthy";
    figures.until = until > now && until < Infinity ? this.#clock.epoch() + (until - now) : 0;
    figures.cause = endpoint.healthy ? "" : endpoint.cause;
    figures.weight = spec.weight;
    figures.priority = spec.priority;
    figures.ewmaMs = endpoint.ewmaMs;
    figures.inflight = endpoint.inflight;
    figures.idle = pool?.idle ?? 0;
    figures.busy = pool ? Math.max(0, pool.size - pool.idle) : 0;
    figures.waiters = pool?.waiters ?? 0;
    figures.attempts = endpoint.attempts;
    figures.failures = endpoint.failures;
    figures.oldestMs = since > 0 ? Math.max(0, now - since) : 0;
    return figures;
  }

  #setUpstream({ name, source, selector, breakers, retry, throttle }: ShownUpstream, now: number): void {
    const figures = this.#upstream;
    figures.source = source.source;
    figures.updatedAt = source.updatedAt;
    figures.error = source.error;
    figures.cached = source.cached;
    figures.panic = selector.panic;
    figures.breakers = breakers ? breakersText(breakers, name, now) : "";
    figures.retryLeft = retry.left(now);
    figures.throttleInflight = throttle?.inflight ?? 0;
    figures.throttleWaiting = throttle?.waiting ?? 0;
    this.#stats.upstreams.set(name, figures);
  }
}

/** `GET open, POST halfOpen`; the one of a whole upstream without its name. */
function breakersText(breakers: Breakers, name: string, now: number): string {
  const texts: string[] = [];
  for (const breaker of breakers.list()) {
    const { state } = breaker.state(now);
    if (state !== "closed") texts.push(breaker.key === name ? state : `${breaker.key} ${state}`);
  }
  const more = texts.length - mostBreakers;
  return texts.slice(0, mostBreakers).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
