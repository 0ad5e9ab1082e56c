/**
 * What a source of endpoints is: one value with a name and a way to begin. A source publishes the whole set that it sees
 * whenever that may have changed, or says why it cannot; what becomes of it is the stabilizer's business. It owns its
 * connections and timers through its scope, comes back from every failure by itself, and loads what it needs (a parser,
 * a client) only when it is made.
 */
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/context.ts";
import type { EndpointSpec } from "../../core/endpoint.ts";
import type { DiscoverPlan } from "../../core/upstream/endpoint_feed_source.ts";
import type { Scope } from "../../core/scope.ts";

/** What a source gets. */
export interface DiscoveryHost {
  /** Name of the upstream that asks, or of the first of several. */
  readonly upstream: string;
  readonly plan: DiscoverPlan;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * The whole set, in any order. `problem` says in one sentence what of the answer could not be used, where the rest can.
   * An empty set is an answer that nobody believes: the former one stays.
   */
  publish(specs: readonly EndpointSpec[], problem?: string): void;
  /** There is no answer; an Error or a text for people. The set stays as it is. */
  fail(error: unknown): void;
}

/** A kind of source; `name` is its key in `discover`. */
export interface Discovery {
  readonly kind: "discovery";
  readonly name: keyof DiscoverPlan;
  /** Begins to watch, until `scope` closes. Must not throw: what goes wrong is told to {@link DiscoveryHost.fail}. */
  make(host: DiscoveryHost, scope: Scope): void;
}

/** A promise of a source that nobody waits for: its failure is the source's. */
export function background(host: DiscoveryHost, scope: Scope, task: Promise<void>): void {
  task.catch((error) => {
    if (!scope.closed) host.fail(error);
  });
}
