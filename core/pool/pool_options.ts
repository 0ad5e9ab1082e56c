/** What goes into a pool and what can be seen of it: settings, options, descriptions. */
import type { Clock } from "../clock.ts";
import type { Log, PoolHandle, RequestInfo, UserStats } from "../context.ts";
import type { Scope } from "../scope.ts";
import type { Payload } from "./message.ts";
import type { SeriesWriter } from "../series_writer.ts";

/** The pool's part of the manifest. */
export interface PoolSettings {
  readonly kind: "cpu" | "io";
  readonly threads: number;
  /** Calls that may wait beside those that run. */
  readonly queue: number;
  /** Heap of each thread, in bytes. */
  readonly heap: number;
  /** Longest time of a call from submission to answer, in ms; 0 for no limit. */
  readonly timeout: number;
}

/** What a pool needs from its process. */
export interface PoolOptions {
  /** The manifest's folder; modules of `run()` resolve against it. */
  readonly directory: string;
  readonly log: Log;
  readonly stats: SeriesWriter;
  /** Closes the pool. */
  readonly scope: Scope;
  readonly clock?: Clock;
  /** Plain data for the Context of handlers. */
  readonly context?: { readonly config?: Readonly<Record<string, unknown>> };
  /** Where the user statistics of handlers go. */
  readonly userStats?: UserStats;
  /** The other pools of this process, for calls from this pool's threads. */
  readonly pools?: (name: string) => RunsCalls | undefined;
  /** How long close() lets calls finish, in ms. Default 5000. */
  readonly drainMs?: number;
}

/** Options of one call of a service. */
export interface DispatchOptions {
  /** What the handler sees as `ctx.request`. */
  readonly request?: Partial<RequestInfo>;
  /** Gets the texts that the handler gives to `ctx.mark()`. */
  readonly onMark?: (text: string) => void;
}

/** Options of one call of an exported function. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Epoch ms. */
  readonly deadline?: number;
  /** Runs the function here, without a thread, when it returns true for the arguments. */
  readonly inlineIf?: (...args: unknown[]) => boolean;
  readonly transfer?: Transferable[];
}

/**
 * A handler on this pool; `ready` when every thread has loaded it. A payload must not be changed until its answer is
 * there; the answer is what the adapter made of it. Rejects with ServiceError `pool_full`, `pool_timeout`, `pool_lost`,
 * `client_left`, `draining`, or with what the handler threw.
 */
export interface BoundService {
  <P extends Payload>(
    payload: P,
    signal?: AbortSignal,
    deadline?: number,
    options?: DispatchOptions,
  ): Promise<P>;
  readonly ready: Promise<void>;
}

/** What the meta page shows of one thread. */
export interface ThreadDescription {
  readonly thread: number;
  readonly state: "starting" | "idle" | "busy" | "stopping" | "waiting to restart";
  /** What it runs, with the last mark; empty when idle. */
  readonly job: string;
  /** How long it has been in this state, or on this job, in ms. */
  readonly sinceMs: number;
  readonly answered: number;
  readonly replaced: number;
  /** Why it was last replaced; empty when it never was. */
  readonly lastError: string;
}

/** What the meta page shows of a pool. */
export interface PoolDescription {
  readonly name: string;
  readonly kind: "cpu" | "io";
  readonly waiting: number;
  readonly queue: number;
  readonly replaced: number;
  readonly threads: readonly ThreadDescription[];
}

/** A pool as its callers see it: a PoolHandle that also knows when its caller leaves. */
export interface RunsCalls extends PoolHandle {
  run<T = unknown>(
    module: string | URL,
    exportName: string,
    args: unknown[],
    options?: RunOptions,
  ): Promise<T>;
}
