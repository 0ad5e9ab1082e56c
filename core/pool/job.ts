/**
 * One call as the pool sees it, from submission to answer. A job is over when its caller has been answered; its thread
 * may still be busy with it.
 */
import type { RequestInfo } from "../context.ts";
import type { Payload } from "./message.ts";
import type { PoolThread } from "./pool_thread.ts";
import type { CallSource } from "./thread_protocol.ts";

/** A submitted call. */
export class Job {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** Index of the service; -1 for a function called by name. */
  service = -1;
  payload: Payload | undefined;
  source: CallSource | undefined;
  transfer: Transferable[] | undefined;
  /** Epoch ms, for the handler. */
  deadline = Infinity;
  /** Monotonic ms. */
  submittedMs = 0;
  limitMs = Infinity;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
  request: Partial<RequestInfo> | undefined;
  onMark: ((text: string) => void) | undefined;
  /** The caller has its answer. */
  over = false;
  thread: PoolThread | undefined;
  /** Number within the thread, place in its order, offset and end of its record in the ring. */
  id = 0;
  order = 0;
  at = 0;
  end = 0;
  /** Its particulars travel by message, beside its record. */
  byMessage = false;
  /** It waits for another pool and does not occupy its thread. */
  suspended = false;
  /** When its thread is ended unless it lets go of this job; Infinity while that is not asked for. */
  killMs = Infinity;
  /** Aborts the calls to other pools that this one made. */
  nested: AbortController | undefined;

  constructor(resolve: (value: never) => void, reject: (error: unknown) => void) {
    this.resolve = resolve;
    this.reject = reject;
  }
}
