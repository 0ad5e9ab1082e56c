/**
 * One call as its thread sees it, and the Context that its handler gets. Everything is made on first use: most handlers
 * look at their payload and nothing else.
 */
import type { Context, Log, PoolHandle, RequestInfo, UserStats } from "../context.ts";
import type { ThreadKernel } from "./thread_kernel.ts";
import { noRequest } from "./thread_protocol.ts";

const decoder = new TextDecoder();

/** A call that was claimed by this thread. */
export class ThreadCall implements Context {
  readonly id: number;
  readonly deadline: number;
  readonly #kernel: ThreadKernel;
  readonly #info: Uint8Array | undefined;
  #request: RequestInfo | undefined;
  #abort: AbortController | undefined;
  #abortReason: Error | undefined;
  /** Monotonic ms of its start. */
  startedMs = 0;
  /** Nobody waits for its answer any more. */
  dropped = false;
  /** The thread does not wait for it (any more): it was dropped or waits for another pool. */
  released = false;
  /** Resolves the thread's wait for it. */
  free: (() => void) | undefined;

  constructor(kernel: ThreadKernel, id: number, deadline: number, info: Uint8Array | undefined) {
    this.#kernel = kernel;
    this.id = id;
    this.deadline = deadline;
    this.#info = info;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  /** The caller has left, or its time is over. */
  abort(reason: Error): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(this.#abortReason);
  }

  /** Lets the thread go on with the next call. */
  release(): void {
    this.released = true;
    this.free?.();
  }

  get request(): RequestInfo {
    return this.#request ??= this.#info === undefined
      ? noRequest
      : { ...noRequest, ...JSON.parse(decoder.decode(this.#info)) };
  }

  get log(): Log {
    return this.#kernel.log;
  }

  get stats(): UserStats {
    return this.#kernel.stats;
  }

  get config(): Readonly<Record<string, unknown>> {
    return this.#kernel.config;
  }

  pool(name: string): PoolHandle {
    return this.#kernel.pool(name, this);
  }

  mark(text: string): void {
    this.#kernel.mark(this.id, String(text));
  }
}
