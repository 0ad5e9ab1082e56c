/**
 * The loop of a pool thread: claims one request after the other, runs its handler, writes the answer. One call at a
 * time: the next one is claimed when the former has settled, was dropped, or waits for another pool.
 *
 * While a handler's promise is pending the thread sits in its event loop. An idle thread blocks for `blockMs` at most
 * (a blocked thread wakes faster, and its own timers can be that late), then waits in its event loop as well.
 */
import { parentPort } from "node:worker_threads";
import v8 from "node:v8";
import type { Context, Log, PoolHandle, UserStats } from "../context.ts";
import { callContext } from "./current_context.ts";
import { Forwarder } from "./forwarder.ts";
import { Ring, waitAsync } from "./ring.ts";
import { ThreadCall } from "./thread_call.ts";
import {
  answerHead,
  AnswerStatus,
  type CallSource,
  CallState,
  type FromThread,
  markAt,
  markBytes,
  requestHead,
  type ServiceSource,
  SharedWord,
  type ThreadStart,
  type ToThread,
} from "./thread_protocol.ts";
import { decodeError, encodeError } from "./wire_error.ts";

type Handle = (payload: Uint8Array, context: Context) => Uint8Array | Promise<Uint8Array>;
type Module = Record<string, unknown>;

/** Longest time that calls may follow one another without a turn of the event loop. */
const turnMs = 5;
/** Longest time that an answer waits for the next ones to be announced with it. */
const announceMs = 0.1;
const heapCheckMs = 50;

const encoder = new TextEncoder();

export class ThreadKernel {
  readonly log: Log;
  readonly stats: UserStats;
  readonly config: Readonly<Record<string, unknown>>;
  readonly #start: ThreadStart;
  readonly #requests: Ring;
  readonly #answers: Ring;
  readonly #bell: Int32Array<SharedArrayBuffer>;
  readonly #shared: Int32Array;
  readonly #marks: Uint8Array;
  readonly #forwarder: Forwarder;
  readonly #services: Handle[] = [];
  readonly #modules = new Map<string, Promise<Module>>();
  readonly #calls = new Map<number, ThreadCall>();
  /** Particulars that came before their record was claimed, and those who wait for them. */
  readonly #particulars = new Map<number, ToThread>();
  readonly #awaited = new Map<number, (message: ToThread) => void>();
  readonly #nested = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #own = new Int32Array(new SharedArrayBuffer(4));
  #nestedId = 0;
  #abandoned = 0;
  #unannouncedSince = 0;
  #heapTimer: ReturnType<typeof setInterval> | undefined;
  #active = false;
  #heapLimit = v8.getHeapStatistics().heap_size_limit;
  #life = new AbortController();

  constructor(start: ThreadStart) {
    this.#start = start;
    this.config = start.config;
    this.#requests = new Ring(start.requests);
    this.#answers = new Ring(start.answers);
    this.#bell = new Int32Array(start.bell);
    this.#shared = new Int32Array(start.shared, 0, markAt / 4);
    this.#marks = new Uint8Array(start.shared, markAt, markBytes);
    this.#forwarder = new Forwarder((message) => this.#post(message), this.#shared);
    this.log = this.#forwarder.log("");
    this.stats = this.#forwarder.stats;
  }

  /** Loads the services, says that it is ready, and serves until the thread is ended. */
  async run(): Promise<void> {
    parentPort!.on("message", (message: ToThread) => this.#receive(message));
    try {
      for (const [index, source] of this.#start.services.entries()) await this.#load(index, source);
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
    let turnedMs = performance.now();
    let nowMs = turnedMs;
    for (;;) {
      const at = this.#requests.peek();
      if (at === -1) {
        this.#announce();
        if (blockMs === 0 || !this.#requests.block(blockMs)) await this.#requests.arrival();
        turnedMs = nowMs = performance.now();
        continue;
      }
      if (nowMs - turnedMs > turnMs) {
        this.#announce();
        await this.#turn();
        turnedMs = nowMs = performance.now();
      }
      const pending = this.#claim(at, nowMs);
      if (pending !== undefined) {
        this.#announce();
        await pending;
        turnedMs = nowMs = performance.now();
      } else {
        nowMs = performance.now();
        if (this.#unannouncedSince !== 0 && nowMs - this.#unannouncedSince > announceMs) this.#announce();
      }
    }
  }

  /** One turn of the event loop. Unlike after a timer, what runs next is seen by the runtime when it eats its heap. */
  #turn(): Promise<void> {
    queueMicrotask(() => Atomics.notify(this.#own, 0));
    return waitAsync(this.#own, 0, 0);
  }

  /** Claims and runs the record at `at`; a promise when the call goes on. */
  #claim(at: number, nowMs: number): Promise<void> | undefined {
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
    const all = ring.bytes.slice(from, from + infoBytes + (length > 0 ? length : 0));
    ring.release();
    const info = infoBytes === 0 ? undefined : all.subarray(0, infoBytes);
    const call = new ThreadCall(this, id, deadline, info);
    call.startedMs = nowMs;
    this.#watchHeap();
    this.#calls.set(id, call);
    if (service === -1) return this.#later(call, (message) => this.#runFunction(message, call));
    const handle = this.#services[service];
    if (handle === undefined) {
      return this.#fail(call, new TypeError("Cannot answer: the handler is not loaded"));
    }
    if (length === -1) {
      return this.#later(call, (m) => handle(new Uint8Array((m as { payload: ArrayBuffer }).payload), call));
    }
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      answer = handle(infoBytes === 0 ? all : all.subarray(infoBytes), call);
    } catch (error) {
      return this.#fail(call, error);
    }
    if (answer instanceof Uint8Array) return this.#answer(call, answer);
    if (typeof answer?.then !== "function") return this.#fail(call, notBytes());
    return this.#pending(call, answer);
  }

  /** Waits for a promise of the handler, or for the call to let go of the thread. */
  #pending(call: ThreadCall, promise: PromiseLike<unknown>): Promise<void> {
    const { promise: free, resolve } = Promise.withResolvers<void>();
    if (call.released) resolve();
    else call.free = resolve;
    Promise.resolve(promise).then((value) => this.#settle(call, value), (error) => this.#fail(call, error))
      .then(() => call.released ? this.#announce() : resolve(), (error) => this.#fatal(error));
    return free;
  }

  #later(call: ThreadCall, run: (message: ToThread) => unknown): Promise<void> {
    return this.#pending(call, this.#particularsOf(call.id).then(run));
  }

  #particularsOf(id: number): Promise<ToThread> {
    const there = this.#particulars.get(id);
    this.#particulars.delete(id);
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve) => this.#awaited.set(id, resolve));
  }

  async #runFunction(message: ToThread, call: ThreadCall): Promise<Returned> {
    const { source } = message as { source: CallSource };
    return new Returned(await callContext.run(call, () => this.#apply(source)));
  }

  async #apply(source: CallSource): Promise<unknown> {
    const module: Module = await import(source.module);
    const run = module[source.export];
    if (typeof run !== "function") throw missing(source, "a function");
    return await run(...source.args);
  }

  // --- answers

  #settle(call: ThreadCall, value: unknown): Promise<void> | void {
    if (value instanceof Uint8Array) return this.#answer(call, value);
    if (value instanceof Returned) return this.#answerByMessage(call, value.value);
    return this.#fail(call, notBytes());
  }

  /** True when the answer is still wanted; the call is over either way. */
  #end(call: ThreadCall): boolean {
    if (call.dropped) {
      this.#abandoned--;
      return false;
    }
    return this.#calls.delete(call.id);
  }

  #answer(call: ThreadCall, bytes: Uint8Array): Promise<void> | undefined {
    if (!this.#end(call)) return;
    const runMs = performance.now() - call.startedMs;
    if (bytes.length + answerHead > this.#answers.maxBody) {
      const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
      return void this.#post({ t: "answer", call: call.id, runMs, ok: true, value: own });
    }
    return this.#write(call.id, AnswerStatus.ok, runMs, bytes);
  }

  #answerByMessage(call: ThreadCall, value: unknown): Promise<void> | void {
    if (!this.#end(call)) return;
    const runMs = performance.now() - call.startedMs;
    try {
      this.#post({ t: "answer", call: call.id, runMs, ok: true, value });
    } catch (error) {
      this.#post({ t: "answer", call: call.id, runMs, ok: false, error: encodeError(error) });
    }
  }

  #fail(call: ThreadCall, error: unknown): Promise<void> | undefined {
    if (!this.#end(call)) return;
    const runMs = performance.now() - call.startedMs;
    const wire = encodeError(error);
    const bytes = encoder.encode(JSON.stringify(wire));
    if (bytes.length + answerHead > this.#answers.maxBody) {
      return void this.#post({ t: "answer", call: call.id, runMs, ok: false, error: wire });
    }
    return this.#write(call.id, AnswerStatus.error, runMs, bytes);
  }

  /** Writes an answer; a promise when the ring is full, so that the loop claims nothing more until there is room. */
  #write(id: number, status: number, runMs: number, bytes: Uint8Array): Promise<void> | undefined {
    const ring = this.#answers;
    const at = ring.reserve(answerHead + bytes.length);
    if (at === -1) return this.#writeLater(id, status, runMs, bytes);
    const word = at >> 2;
    ring.i32[word] = id;
    ring.i32[word + 1] = status;
    ring.f64[(at >> 3) + 1] = runMs;
    ring.i32[word + 4] = bytes.length;
    ring.bytes.set(bytes, at + answerHead);
    ring.commit();
    if (this.#unannouncedSince === 0) this.#unannouncedSince = performance.now();
    return undefined;
  }

  async #writeLater(id: number, status: number, runMs: number, bytes: Uint8Array): Promise<void> {
    this.#announce();
    await this.#answers.room();
    await this.#write(id, status, runMs, bytes);
    this.#announce();
  }

  /** Wakes the pool when it sleeps and there are answers it has not been told of. */
  #announce(): void {
    if (this.#unannouncedSince === 0) return;
    this.#unannouncedSince = 0;
    if (Atomics.load(this.#bell, 1) === 0 || Atomics.exchange(this.#bell, 1, 0) === 0) return;
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  // --- messages

  #receive(message: ToThread): void {
    switch (message.t) {
      case "load":
        return void this.#load(message.index, message.source).then(
          () => this.#post({ t: "loaded", index: message.index }),
          (error) => this.#post({ t: "loaded", index: message.index, error: encodeError(error) }),
        );
      case "payload":
      case "call": {
        const awaited = this.#awaited.get(message.call);
        this.#awaited.delete(message.call);
        if (awaited !== undefined) awaited(message);
        else this.#particulars.set(message.call, message);
        return;
      }
      case "abort":
        return this.#abort(message.call, decodeError(message.error), message.drop);
      case "nested": {
        const nested = this.#nested.get(message.id);
        this.#nested.delete(message.id);
        if (message.ok) nested?.resolve(message.value);
        else nested?.reject(decodeError(message.error));
        return;
      }
      case "stop":
        return void this.#stop();
    }
  }

  #abort(id: number, reason: Error, drop: boolean): void {
    const call = this.#calls.get(id);
    if (call === undefined) return this.#forget(id, drop);
    call.abort(reason);
    // One turn later, so that a handler that heeds its signal ends in order.
    if (drop) setTimeout(() => this.#drop(call), 1);
  }

  /** The record of a revoked call was or will be skipped; its particulars are of no use. */
  #forget(id: number, drop: boolean): void {
    if (drop) this.#particulars.delete(id);
  }

  #drop(call: ThreadCall): void {
    if (!this.#calls.delete(call.id)) return;
    call.dropped = true;
    this.#abandoned++;
    this.#post({ t: "dropped", call: call.id, abandoned: this.#abandoned });
    call.release();
  }

  async #load(index: number, source: ServiceSource): Promise<void> {
    const module = await this.#module(source.module);
    const handler = module[source.export];
    if (handler === undefined) throw missing(source, "a handler");
    const adapter: Module = await import(source.adapter);
    if (typeof adapter.make !== "function") {
      throw new TypeError(`Cannot use adapter ${source.adapter}: it exports no function "make"`);
    }
    this.#services[index] = await adapter.make(handler, this.#lifeContext());
  }

  /** A handler module, started once. */
  #module(url: string): Promise<Module> {
    let module = this.#modules.get(url);
    if (module === undefined) {
      module = import(url).then(async (module: Module) => {
        if (typeof module.start === "function") await module.start(this.#lifeContext());
        return module;
      });
      this.#modules.set(url, module);
    }
    return module;
  }

  /** The Context of start() and stop(): no request, no deadline, ends with the thread. */
  #lifeContext(): Context {
    const call = new ThreadCall(this, -1, Infinity, undefined);
    Object.defineProperty(call, "signal", { value: this.#life.signal });
    return call;
  }

  async #stop(): Promise<void> {
    this.#life.abort(new DOMException("The thread stops", "AbortError"));
    for (const loading of this.#modules.values()) {
      try {
        const module = await loading;
        if (typeof module.stop === "function") await module.stop(this.#lifeContext());
      } catch (error) {
        this.log.error("Cannot stop a handler module in order", { error });
      }
    }
    this.#forwarder.flush();
    this.#post({ t: "stopped" });
  }

  // --- what a Context needs

  /** The pool `name` for `call`: in place when it is this thread's own, through the main thread otherwise. */
  pool(name: string, call: ThreadCall): PoolHandle {
    return {
      run: async <T>(
        module: string | URL,
        exportName: string,
        args: unknown[],
        options: { inlineIf?: (...args: unknown[]) => boolean; transfer?: Transferable[] } = {},
      ): Promise<T> => {
        const source = { module: this.#resolve(module), export: exportName, args };
        if (name === this.#start.pool || options.inlineIf?.(...args) === true) {
          return await this.#apply(source) as T;
        }
        return await this.#runNested(name, source, call, options.transfer) as T;
      },
    };
  }

  #resolve(module: string | URL): string {
    return new URL(module, this.#start.directory).href;
  }

  #runNested(
    pool: string,
    source: CallSource,
    call: ThreadCall,
    transfer?: Transferable[],
  ): Promise<unknown> {
    const id = ++this.#nestedId;
    return new Promise((resolve, reject) => {
      const post = { t: "nested" as const, id, call: call.id, pool, source };
      parentPort!.postMessage(post, transfer as unknown as ArrayBuffer[] | undefined);
      this.#nested.set(id, { resolve, reject });
      // The thread is free for another call while this one waits: that is why nested pools cannot deadlock.
      call.release();
    });
  }

  /** Shows `text` for the call: in shared memory, to be read while the thread hangs, and by message. */
  mark(id: number, text: string): void {
    const { written } = encoder.encodeInto(text, scratch);
    this.#marks.set(scratch.subarray(0, written));
    this.#shared[SharedWord.markCall] = id;
    Atomics.store(this.#shared, SharedWord.markLength, written);
    if (id !== -1) this.#forwarder.add({ k: "mark", call: id, text: text.slice(0, markBytes) });
  }

  // --- trouble

  /**
   * The runtime ends a thread that reaches its heap limit only when that happens in certain turns of its event loop;
   * otherwise it ends just the running function, silently, and raises the limit. The raised limit gives it away.
   */
  #watchHeap(): void {
    this.#active = true;
    this.#heapTimer ??= setInterval(() => {
      const heap = v8.getHeapStatistics();
      if (heap.heap_size_limit > this.#heapLimit) {
        this.#forwarder.flush();
        this.#post({ t: "heap", usedBytes: heap.used_heap_size });
      } else if (!this.#active && this.#calls.size === 0) {
        clearInterval(this.#heapTimer);
        this.#heapTimer = undefined;
      }
      this.#active = false;
    }, heapCheckMs);
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

function notBytes(): TypeError {
  return new TypeError("Cannot answer: the adapter returned something that is not a Uint8Array");
}

const scratch = new Uint8Array(markBytes);

function missing(source: { module: string; export: string }, what: string): TypeError {
  return new TypeError(`Cannot use ${source.module}: it has no export "${source.export}" that is ${what}`);
}
