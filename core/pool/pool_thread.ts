/**
 * The pool's end of one thread: starts and ends it, writes requests into its ring, takes back what it has not claimed,
 * reads its answers. Decides nothing: which job goes where, and who is told what, is the pool's part.
 */
import { Worker } from "node:worker_threads";
import { ServiceError } from "../errors.ts";
import { endExecution } from "./end_execution.ts";
import type { Job } from "./job.ts";
import { copyToSend, type Message, PayloadWriter, readPayload, tooLarge } from "./message.ts";
import { Ring, ringMemory } from "./ring.ts";
import {
  answerHead,
  AnswerStatus,
  CallState,
  type FromThread,
  markAt,
  requestHead,
  type ServiceSource,
  sharedBytes,
  SharedWord,
  type ThreadStart,
  type ToThread,
} from "./thread_protocol.ts";
import { ThreadJobs } from "./thread_jobs.ts";
import { decodeError, encodeError } from "./wire_error.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const ringBytes = 512 * 1024;
/** Payloads and answers above this travel by message: one large record must not crowd out hundreds of small ones. */
const maxRecord = 64 * 1024;
/** Answers taken at a time. */
const maxDrain = 512;
/** Part of the heap for the young generation; the rest is for what lives. */
const youngShare = 8;

/** What the pool does with what a thread says. */
export interface ThreadEvents {
  ready(thread: PoolThread): void;
  /** Its services cannot be loaded. */
  failed(thread: PoolThread, error: Error): void;
  loaded(thread: PoolThread, index: number, error: Error | undefined): void;
  /** `readMs` is monotonic; 0 where it came by message. */
  answered(thread: PoolThread, job: Job, ok: boolean, value: unknown, runMs: number, readMs: number): void;
  dropped(thread: PoolThread, job: Job | undefined, abandoned: number): void;
  message(thread: PoolThread, message: FromThread): void;
  /** It has ended; `cause` is undefined when it was told to. */
  ended(thread: PoolThread, cause: string | undefined, error: Error | undefined): void;
}

/** A running thread. */
export class PoolThread {
  readonly number: number;
  state: "starting" | "ready" | "stopping" | "ended" = "starting";
  /** Jobs that it has or will get from its ring. */
  readonly jobs = new ThreadJobs();
  /** How many of them occupy it. */
  load = 0;
  /** Answers so far. */
  answered = 0;
  /** Since when it has worked on its present job, monotonic ms; 0 when idle. */
  busySinceMs = 0;
  readonly #worker: Worker;
  readonly #events: ThreadEvents;
  readonly #requests: Ring;
  readonly #writer: PayloadWriter;
  readonly #answers: Ring;
  readonly #shared: Int32Array;
  readonly #marks: Uint8Array;
  #cause: string | undefined;
  #error: Error | undefined;
  #ending = false;
  /** Where V8 can be told to stop what the thread runs; empty when this process has no inspector. */
  #inspector = "";
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;

  constructor(
    number: number,
    heapBytes: number,
    start: Omit<ThreadStart, "thread" | "requests" | "answers" | "shared">,
    events: ThreadEvents,
  ) {
    this.number = number;
    this.#events = events;
    const requests = ringMemory(ringBytes);
    const answers = ringMemory(ringBytes);
    const shared = new SharedArrayBuffer(sharedBytes);
    this.#requests = new Ring(requests);
    this.#writer = new PayloadWriter(this.#requests, maxRecord);
    this.#answers = new Ring(answers);
    this.#shared = new Int32Array(shared, 0, markAt / 4);
    this.#marks = new Uint8Array(shared, markAt);
    const heapMb = Math.max(16, Math.round(heapBytes / 2 ** 20));
    const young = Math.max(4, Math.min(32, Math.round(heapMb / youngShare)));
    this.#worker = new Worker(new URL("./thread_main.ts", import.meta.url), {
      name: `${start.pool}/${number}`,
      workerData: { ...start, thread: number, requests, answers, shared } satisfies ThreadStart,
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: young },
    });
    this.#worker.on("message", (message: FromThread) => this.#receive(message));
    this.#worker.on("error", (error: Error & { code?: string }) => {
      this.#error = error;
      this.#cause ??= error.code === "ERR_WORKER_OUT_OF_MEMORY" ? "heap" : "error";
    });
    this.ended = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#end(this.#cause ?? "exit");
        resolve();
      });
    });
  }

  // --- requests

  /** Writes the request of `job`; false when the ring has no room for it now. Call wake() afterwards. */
  send(job: Job): boolean {
    const { payload } = job;
    const info = job.request === undefined ? undefined : encoder.encode(JSON.stringify(job.request));
    const before = requestHead + (info?.length ?? 0);
    const ring = this.#requests;
    const writer = this.#writer;
    let at = payload === undefined ? tooLarge : writer.write(before, payload);
    const byMessage = at === tooLarge;
    if (byMessage) at = ring.reserve(before);
    if (at < 0 || !this.jobs.add(job)) return false;
    const word = at >> 2;
    job.at = at;
    job.end = ring.reserved;
    job.thread = this;
    job.byMessage = byMessage;
    ring.i32[word] = CallState.queued;
    ring.i32[word + 1] = job.id;
    ring.i32[word + 2] = job.service;
    ring.i32[word + 3] = byMessage ? -1 : writer.bytes;
    ring.f64[(at >> 3) + 2] = job.deadline;
    ring.i32[word + 6] = before - requestHead;
    ring.i32[word + 7] = byMessage ? 0 : writer.shape;
    if (info !== undefined) ring.bytes.set(info, at + requestHead);
    // Particulars first: a call that cannot be cloned must not leave a record behind.
    if (byMessage) this.#sendParticulars(job);
    ring.commit();
    this.load++;
    return true;
  }

  #sendParticulars(job: Job): void {
    const { id, payload, source, transfer } = job;
    try {
      if (payload === undefined) return this.post({ t: "call", call: id, source: source! }, transfer);
      const sent = copyToSend(payload);
      this.post({ t: "payload", call: id, payload: sent.copy }, sent.transfer);
    } catch (error) {
      this.jobs.delete(job);
      throw error;
    }
  }

  /** Wakes the thread if it sleeps. */
  wake(): void {
    this.#requests.wake();
  }

  /** Whether the thread has not begun with `job`. */
  #unclaimed(job: Job): boolean {
    return !this.#requests.taken(job.end) &&
      Atomics.load(this.#requests.i32, job.at >> 2) === CallState.queued;
  }

  /** Takes `job` back; false when the thread has already begun with it. */
  revoke(job: Job): boolean {
    const ring = this.#requests;
    if (ring.taken(job.end)) return false;
    const was = Atomics.compareExchange(ring.i32, job.at >> 2, CallState.queued, CallState.revoked);
    if (was !== CallState.queued) return false;
    if (job.byMessage) {
      this.post({ t: "abort", call: job.id, drop: true, error: encodeError(new Error("revoked")) });
    }
    this.forget(job);
    return true;
  }

  /** The job that it works on now, if any. */
  get current(): Job | undefined {
    for (const job of this.jobs.inOrder()) {
      if (!job.suspended) return this.#unclaimed(job) ? undefined : job;
    }
    return undefined;
  }

  /** The thread has nothing to do with `job` any more. */
  forget(job: Job): void {
    if (!this.jobs.delete(job)) return;
    if (!job.suspended) this.load--;
  }

  /** What the handler of `job` last marked; empty when nothing. */
  markOf(job: Job): string {
    if (this.#shared[SharedWord.markCall] !== job.id) return "";
    const length = Atomics.load(this.#shared, SharedWord.markLength);
    return decoder.decode(this.#marks.slice(0, length));
  }

  // --- answers

  /** Hands on the answers that are in the ring now, as of `readMs`; their number. */
  drain(readMs: number): number {
    const ring = this.#answers;
    let count = 0;
    for (let at = ring.peek(); at !== -1; at = ring.peek()) {
      const word = at >> 2;
      const job = this.jobs.get(ring.i32[word]!);
      const ok = ring.i32[word + 1] === AnswerStatus.ok;
      const runMs = ring.f64[(at >> 3) + 1]!;
      const payload = readPayload(ring, at + answerHead, ring.i32[word + 4]!, ring.i32[word + 5]!);
      ring.release();
      count++;
      if (job === undefined) continue;
      this.answered++;
      this.forget(job);
      const value = ok ? payload : decodeError(JSON.parse((payload as Message).head));
      this.#events.answered(this, job, ok, value, runMs, readMs);
      // The ring may hold more than one turn should take; the rest comes with the next one.
      if (count >= maxDrain) break;
    }
    if (count > 0) ring.released();
    return count;
  }

  /** Whether there are answers to drain. */
  get hasAnswers(): boolean {
    return this.#answers.peek() !== -1;
  }

  #receive(message: FromThread): void {
    if (this.state === "ended") return;
    switch (message.t) {
      case "inspector":
        this.#inspector = message.url;
        return;
      case "ready":
        this.state = "ready";
        return this.#events.ready(this);
      case "failed":
        this.#cause = "error";
        return this.#events.failed(this, decodeError(message.error));
      case "loaded":
        return this.#events.loaded(this, message.index, message.error && decodeError(message.error));
      case "answer": {
        const job = this.jobs.get(message.call);
        if (job === undefined) return;
        this.answered++;
        this.forget(job);
        const value = message.ok ? message.value : decodeError(message.error);
        return this.#events.answered(this, job, message.ok, value, message.runMs, 0);
      }
      case "dropped": {
        const job = this.jobs.get(message.call);
        if (job !== undefined) this.forget(job);
        return this.#events.dropped(this, job, message.abandoned);
      }
      case "heap":
        return this.terminate("heap");
      case "forward":
        Atomics.sub(this.#shared, SharedWord.forwarded, message.items.length);
    }
    this.#events.message(this, message);
  }

  // --- life

  /** Sends a message. */
  post(message: ToThread, transfer?: Transferable[]): void {
    this.#worker.postMessage(message, transfer as ArrayBuffer[] | undefined);
  }

  /** Loads one more service. */
  loadService(index: number, source: ServiceSource): void {
    this.post({ t: "load", index, source });
  }

  /** Ends the thread at once; what it runs stops in the middle. `cause` is undefined when that is in order. */
  terminate(cause: string | undefined): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#cause = cause;
    // In this order: a terminated thread has left the inspector, whatever it still runs.
    const atWork = this.load > 0 || cause !== undefined;
    if (this.#inspector !== "" && atWork) {
      endExecution(this.#inspector).finally(() => this.#worker.terminate());
    } else this.#worker.terminate();
    this.#end(cause);
  }

  #end(cause: string | undefined): void {
    if (this.state === "ended") return;
    // Answers that it still wrote count.
    while (this.drain(0) > 0);
    this.state = "ended";
    this.#events.ended(this, cause, this.#error);
  }
}

/** The error for a call whose thread is gone. */
export function lostError(message: string, cause: Error | undefined): ServiceError {
  return new ServiceError("pool_lost", message, { cause });
}
