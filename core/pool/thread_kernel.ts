/**
 * The loop of a pool thread: claims one request after the other, runs its handler, hands over the answer. One call at a
 * time: the next one is claimed when the former has settled, was dropped, or waits for another pool.
 *
 * While a handler's promise is pending the thread sits in its event loop. An idle thread blocks for `blockMs` at most
 * (a blocked thread wakes faster, and its own timers can be that late), then waits in its event loop as well.
 */
import inspector from "node:inspector";
import { parentPort } from "node:worker_threads";
import type { Log, PoolHandle, UserStats } from "../context.ts";
import { AnswerWriter } from "./answer_writer.ts";
import { callContext } from "./current_context.ts";
import { Forwarder } from "./forwarder.ts";
import { HeapWatch } from "./heap_watch.ts";
import { isPayload, type Payload, readPayload } from "./message.ts";
import { NestedCalls } from "./nested_calls.ts";
import { Particulars, type ParticularsMessage } from "./particulars.ts";
import { Ring, waitAsync } from "./ring.ts";
import { type CallHost, ThreadCall } from "./thread_call.ts";
import { ThreadModules } from "./thread_modules.ts";
import {
  CallState,
  type FromThread,
  markAt,
  markBytes,
  requestHead,
  SharedWord,
  type ThreadStart,
  type ToThread,
} from "./thread_protocol.ts";
import { decodeError, encodeError } from "./wire_error.ts";

/** Longest time that calls may follow one another without a turn of the event loop. */
const turnMs = 5;

const encoder = new TextEncoder();

/** See the module's header. */
export class ThreadKernel implements CallHost {
  readonly log: Log;
  readonly stats: UserStats;
  readonly config: Readonly<Record<string, unknown>>;
  readonly #start: ThreadStart;
  readonly #requests: Ring;
  readonly #answers: AnswerWriter;
  readonly #shared: Int32Array;
  readonly #marks: Uint8Array;
  readonly #forwarder: Forwarder;
  readonly #modules: ThreadModules;
  readonly #nested: NestedCalls;
  readonly #heap: HeapWatch;
  /** Calls that have not answered at once. */
  readonly #calls = new Map<number, ThreadCall>();
  readonly #particulars = new Particulars();
  readonly #own = new Int32Array(new SharedArrayBuffer(4));
  #abandoned = 0;
  /** Monotonic ms, as of the call that has just begun or ended. */
  #nowMs = 0;

  constructor(start: ThreadStart) {
    this.#start = start;
    this.config = start.config;
    this.#requests = new Ring(start.requests);
    this.#answers = new AnswerWriter(new Ring(start.answers), start.bell, (message) => this.#post(message));
    this.#shared = new Int32Array(start.shared, 0, markAt / 4);
    this.#marks = new Uint8Array(start.shared, markAt, markBytes);
    this.#forwarder = new Forwarder((message) => this.#post(message), this.#shared);
    this.log = this.#forwarder.log("");
    this.stats = this.#forwarder.stats;
    this.#modules = new ThreadModules(this);
    this.#nested = new NestedCalls(start.pool, start.directory, this.#modules);
    this.#heap = new HeapWatch(() => this.#calls.size > 0, (usedBytes) => {
      this.#forwarder.flush();
      this.#post({ t: "heap", usedBytes });
    });
  }

  /** Loads the services, says that it is ready, and serves until the thread is ended. */
  async run(): Promise<void> {
    parentPort!.on("message", (message: ToThread) => this.#receive(message));
    if (this.#start.inspector) {
      inspector.open(0, "127.0.0.1");
      this.#post({ t: "inspector", url: inspector.url()! });
    }
    try {
      for (const [index, source] of this.#start.services.entries()) await this.#modules.load(index, source);
    } catch (error) {
      this.#forwarder.flush();
      return this.#post({ t: "failed", error: encodeError(error) });
    }
    this.#post({ t: "ready" });
    await this.#serve();
  }

  /** A log line of somebody who has no Context: console.*, uncaught errors. */
  get consoleLog(): Log {
    return this.#forwarder.log("console");
  }

  // --- the loop

  async #serve(): Promise<void> {
    const { blockMs } = this.#start;
    let turnedMs = this.#nowMs = performance.now();
    for (;;) {
      const at = this.#requests.peek();
      if (at === -1) {
        this.#answers.announce();
        if (blockMs === 0 || !this.#requests.block(blockMs)) await this.#requests.arrival();
        turnedMs = this.#nowMs = performance.now();
        continue;
      }
      if (this.#nowMs - turnedMs > turnMs) {
        this.#answers.announce();
        await this.#turn();
        turnedMs = this.#nowMs = performance.now();
      }
      const pending = this.#claim(at);
      if (pending !== undefined) {
        this.#answers.announce();
        await pending;
        turnedMs = this.#nowMs = performance.now();
      } else this.#answers.announceDue(this.#nowMs);
    }
  }

  /** One turn of the event loop. Unlike after a timer, what runs next is seen by the runtime when it eats its heap. */
  #turn(): Promise<void> {
    queueMicrotask(() => Atomics.notify(this.#own, 0));
    return waitAsync(this.#own, 0, 0);
  }

  /** Claims and runs the record at `at`; a promise when the call goes on. */
  #claim(at: number): Promise<void> | undefined {
    const ring = this.#requests;
    const word = at >> 2;
    if (Atomics.compareExchange(ring.i32, word, CallState.queued, CallState.claimed) !== CallState.queued) {
      ring.release();
      return;
    }
    const id = ring.i32[word + 1]!;
    const service = ring.i32[word + 2]!;
    const length = ring.i32[word + 3]!;
    const deadline = ring.f64[(at >> 3) + 2]!;
    const infoBytes = ring.i32[word + 6]!;
    const from = at + requestHead;
    const info = infoBytes === 0 ? undefined : ring.text(from, from + infoBytes, false);
    const payload = length === -1
      ? undefined
      : readPayload(ring, from + infoBytes, length, ring.i32[word + 7]!);
    ring.release();
    const call = new ThreadCall(this, id, deadline, info);
    call.startedMs = this.#nowMs;
    this.#heap.begin();
    if (service === -1) return this.#later(call, (message) => this.#runFunction(message, call));
    const handle = this.#modules.services[service];
    if (handle === undefined) {
      return this.#fail(call, new TypeError("Cannot answer: the handler is not loaded"));
    }
    if (payload === undefined) {
      return this.#later(call, (message) => handle((message as { payload: Payload }).payload, call));
    }
    let answer: Payload | Promise<Payload>;
    try {
      answer = handle(payload, call);
    } catch (error) {
      return this.#fail(call, error);
    }
    if (isPayload(answer)) return this.#answer(call, answer);
    if (typeof answer?.then !== "function") return this.#fail(call, noPayload());
    return this.#pending(call, answer);
  }

  /** Waits for a promise of the handler, or for the call to let go of the thread. */
  #pending(call: ThreadCall, promise: PromiseLike<unknown>): Promise<void> {
    const { promise: free, resolve } = Promise.withResolvers<void>();
    this.#calls.set(call.id, call);
    if (call.released) resolve();
    else call.free = resolve;
    Promise.resolve(promise).then((value) => this.#settle(call, value), (error) => this.#fail(call, error))
      .then(() => call.released ? this.#answers.announce() : resolve(), (error) => this.#fatal(error));
    return free;
  }

  #later(call: ThreadCall, run: (message: ParticularsMessage) => unknown): Promise<void> {
    return this.#pending(call, this.#particulars.of(call.id).then(run));
  }

  async #runFunction(message: ParticularsMessage, call: ThreadCall): Promise<Returned> {
    const { source } = message as ToThread & { t: "call" };
    return new Returned(await callContext.run(call, () => this.#modules.apply(source)));
  }

  // --- answers

  #settle(call: ThreadCall, value: unknown): Promise<void> | void {
    if (isPayload(value)) return this.#answer(call, value);
    if (!(value instanceof Returned)) return this.#fail(call, noPayload());
    if (this.#end(call)) this.#answers.answerByMessage(call.id, value.value, this.#nowMs - call.startedMs);
  }

  /** True when the answer is still wanted; the call is over either way. */
  #end(call: ThreadCall): boolean {
    this.#nowMs = performance.now();
    if (call.dropped) this.#abandoned--;
    else if (this.#calls.size > 0) this.#calls.delete(call.id);
    return !call.dropped;
  }

  #answer(call: ThreadCall, payload: Payload): Promise<void> | undefined {
    if (!this.#end(call)) return;
    return this.#answers.answer(call.id, payload, call.startedMs, this.#nowMs);
  }

  #fail(call: ThreadCall, error: unknown): Promise<void> | undefined {
    if (!this.#end(call)) return;
    return this.#answers.fail(call.id, error, call.startedMs, this.#nowMs);
  }

  // --- messages

  #receive(message: ToThread): void {
    switch (message.t) {
      case "load":
        return void this.#modules.load(message.index, message.source).then(
          () => this.#post({ t: "loaded", index: message.index }),
          (error) => this.#post({ t: "loaded", index: message.index, error: encodeError(error) }),
        );
      case "payload":
      case "call":
        return this.#particulars.add(message);
      case "abort":
        return this.#abort(message.call, decodeError(message.error), message.drop);
      case "nested":
        return this.#nested.answered(message);
      case "stop":
        return void this.#stop();
    }
  }

  #abort(id: number, reason: Error, drop: boolean): void {
    const call = this.#calls.get(id);
    if (call !== undefined) {
      call.abort(reason);
      // One turn later, so that a handler that heeds its signal ends in order.
      if (drop) setTimeout(() => this.#drop(call), 1);
    } else if (drop) {
      this.#particulars.forget(id);
    }
  }

  #drop(call: ThreadCall): void {
    if (!this.#calls.delete(call.id)) return;
    call.dropped = true;
    this.#abandoned++;
    this.#post({ t: "dropped", call: call.id, abandoned: this.#abandoned });
    call.release();
  }

  async #stop(): Promise<void> {
    await this.#modules.stop(this.log);
    this.#forwarder.flush();
    this.#post({ t: "stopped" });
  }

  // --- what a Context needs

  pool(name: string, call: ThreadCall): PoolHandle {
    return this.#nested.pool(name, call);
  }

  /** In shared memory, to be read while the thread hangs, and by message. */
  mark(id: number, text: string): void {
    const { written } = encoder.encodeInto(text, scratch);
    this.#marks.set(scratch.subarray(0, written));
    this.#shared[SharedWord.markCall] = id;
    Atomics.store(this.#shared, SharedWord.markLength, written);
    if (id !== -1) this.#forwarder.add({ k: "mark", call: id, text: text.slice(0, markBytes) });
  }

  #fatal(error: unknown): void {
    this.log.error("Cannot write an answer", { error });
    this.#forwarder.flush();
    reportError(error);
  }

  #post(message: FromThread): void {
    parentPort!.postMessage(message);
  }
}

/** What a function called by name returned; anything may be in it, other than with an adapter. */
class Returned {
  constructor(readonly value: unknown) {}
}

function noPayload(): TypeError {
  return new TypeError("Cannot answer: the adapter returned something that is not a Uint8Array or a message");
}

const scratch = new Uint8Array(markBytes);
