/**
 * What stands between a listener and its handlers. A server filter has two halves, before and after, and a listener
 * walks its filters as an array: nothing is allocated per request, where nested `next()` calls would build a promise
 * chain for each. The array is written once, in request order, each entry with its reason.
 */
import type { Refusal } from "./errors.ts";
import type { Reason } from "./reasons.ts";
import type { Clock } from "./clock.ts";
import type { Scope } from "./scope.ts";
import type { SeriesWriter } from "./series_writer.ts";
import type { Log } from "./context.ts";

/** One request on its way; what filters may see of it. Times are monotonic ms ({@link Clock.now}). */
export interface Call {
  readonly startedAt: number;
  /** When the answer must be there; Infinity without a deadline. */
  readonly deadlineAt: number;
  /** Peer address without port. */
  readonly address: string;
  /** Client name as the caller declares it, else as its certificate has it; empty where unknown. */
  readonly client: string;
  /** Common name of its verified certificate; empty without one. */
  readonly subject: string;
  /** How long it waited for admission; written by the filter that made it wait. */
  queuedMs: number;
  /** True once it was answered, also when the deadline ended it. */
  readonly ended: boolean;
  /** Whether the client has left, as far as anybody knows; may cost a system call. */
  readonly left: boolean;
}

/** The statistics of filters and upstreams. */
export type FilterStats = SeriesWriter;

/** A filter of one listener. */
export interface ServerFilter {
  /** undefined: go on. A Refusal: end here. A promise: wait, then the same; it settles within a time limit. */
  before(call: Call): undefined | Refusal | Promise<undefined | Refusal>;
  /**
   * Called exactly once for each call that `before` let pass, when its work is over (which may be after its answer
   * was sent), with how it ended and how long the handler took.
   */
  after?(call: Call, reason: Reason, handlerMs: number): void;
  /** Called when the worker begins to drain: what waits may be served, nothing new should wait long. */
  drain?(): void;
}

/** A kind of filter, registered by being in the list that the worker is built with; the order is request order. */
export interface ServerFilterKind {
  readonly kind: "serverFilter";
  readonly name: string;
  /** Why it stands where it stands, one sentence; shown by `explain`. */
  readonly why: string;
  /** undefined where this listener's plan has no use for it. */
  make(host: {
    listener: string;
    // deno-lint-ignore no-explicit-any
    plan: any;
    stats: FilterStats;
    log: Log;
    clock: Clock;
  }, scope: Scope): ServerFilter | undefined;
}
