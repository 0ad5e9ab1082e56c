/**
 * Writes one lane: takes records into one of two buffers and writes the other, one write at a time (group commit). A commit
 * begins at the end of the turn in which somebody sends, or when the one before it ends; where nobody waits, after some
 * milliseconds or a certain number of bytes. Nothing here blocks the event loop, and nothing waits without a limit.
 *
 * ```
 * send, offer ─→ buffer ──commit──→ LaneFiles ─→ segment
 *      └─ both buffers are full: a queue of senders, bounded
 * no room in the spool (`full`): the buffer is parked and tried again every lookAgainMs
 *      block       senders wait, until their deadline
 *      reject      senders get spool_full; only records that were offered stay
 *      dropOldest  the oldest segments are given up; where that is not enough, as reject
 * ```
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import { ServiceError } from "../errors.ts";
import type { StreamPlan } from "../manifest/plan.ts";
import type { RecordOptions } from "./contract.ts";
import type { LaneFiles } from "./lane_files.ts";
import type { LaneSeries, RefusedReason } from "./lane_series.ts";
import { checkHead, RecordBuffer, type RecordGroup, type RecordParts } from "./record_buffer.ts";
import { encodeHeaders, maxKeyBytes } from "./record_codec.ts";
import { SenderQueue } from "./sender_queue.ts";
import type { Prepared, PrepareValue } from "./value_encoders.ts";

export interface LaneWriterInit {
  readonly name: string;
  readonly files: LaneFiles;
  readonly prepare: PrepareValue;
  readonly full: StreamPlan["spool"]["full"];
  readonly sync: StreamPlan["spool"]["sync"];
  /** Longest record: key, headers and value. */
  readonly maxRecordBytes: number;
  /** Bytes that a group may have at most. */
  readonly groupBytes: number;
  /** Most bytes of each of the two buffers. */
  readonly bufferBytes: number;
  readonly series: LaneSeries;
  readonly clock: Clock;
  readonly log: Log;
}

/** Offered records are written after so long at most. */
const offerMs = 5;
/** Or when they are so many bytes. */
const offerBytes = 64 * 1024;
/** How often a parked buffer looks for room, and deadlines are looked at. */
export const lookAgainMs = 20;
/** Longest wait of a sender without a deadline. */
export const maxWaitMs = 60_000;
/** Senders whose deadlines lie within this share a promise. */
export const deadlineSpreadMs = 100;
/** After a failure offered records are refused for so long; then one may try again. */
const brokenMs = 100;
/** Others who look for room for so long without a break are as good as none. */
const busyMs = 2000;
/** Time that close() gives what waits. */
const closeMs = 1000;

const encoder = new TextEncoder();

/** See the module's header. */
export class LaneWriter {
  readonly #init: LaneWriterInit;
  #fill: RecordBuffer;
  #spare: RecordBuffer;
  /** What the commit that runs, or waits for room, writes. */
  #writing: RecordBuffer | undefined;
  /** Set where #writing waits for room. */
  #parked = false;
  readonly #queue: SenderQueue;
  /** The spool had no room when it was looked at last. */
  #full = false;
  #lookAt = -Infinity;
  #brokenUntil = -Infinity;
  #trouble = "";
  /** Monotonic ms since when others held the lock each time. */
  #busySince = Infinity;
  #closing: Promise<void> | undefined;
  #scheduled = false;
  #stopTimer: (() => void) | undefined;
  #stopTick: (() => void) | undefined;
  #stopSync: (() => void) | undefined;
  #syncing: Promise<void> | undefined;
  /** Something was written since the last sync. */
  #unsynced = false;
  #idle: (() => void) | undefined;
  /** Made once: to refuse must cost nothing. */
  readonly #refusals: Partial<Record<RefusedReason, Promise<never>>> = {};
  readonly #scratch = new Uint8Array(256);
  readonly #parts: { -readonly [key in keyof RecordParts]: RecordParts[key] } = {
    value: "",
    key: null,
    headers: null,
    timestamp: 0,
  };

  constructor(init: LaneWriterInit) {
    this.#init = init;
    const limits = {
      maxBytes: init.bufferBytes,
      groupBytes: init.groupBytes,
      deadlineSpreadMs: init.full === "block" ? deadlineSpreadMs : Infinity,
    };
    this.#fill = new RecordBuffer(limits);
    this.#spare = new RecordBuffer(limits);
    this.#queue = new SenderQueue(init.bufferBytes, limits);
    if (typeof init.sync === "number") {
      this.#stopSync = init.clock.every(init.sync, () => {
        if (this.#unsynced && !this.#syncing) this.#syncing = this.#sync();
      });
    }
  }

  /** See Stream.send; `deadline`: epoch ms. */
  send(record: unknown, options: RecordOptions | undefined, deadline: number): Promise<void> {
    const parts = this.#prepare(this.#init.prepare(record), options);
    if (this.#closing) return this.#refuse("closed");
    if (
      this.#full && this.#init.full !== "block" &&
      (this.#writing !== undefined || this.#init.clock.now() < this.#lookAt)
    ) {
      return this.#refuse("full");
    }
    if (deadline > Number.MAX_SAFE_INTEGER) deadline = this.#init.clock.epoch() + maxWaitMs;
    // A deadline may lie before 1970 where the clock does; below zero means that nobody waits.
    const group = this.#queue.size > 0 ? undefined : this.#append(parts, Math.max(0, deadline));
    if (group === undefined) return this.#enqueue(parts, Math.max(0, deadline));
    if (this.#writing === undefined && !this.#scheduled) this.#schedule();
    else if (this.#parked) this.#tick();
    return group.sent!.promise;
  }

  /** See Stream.offer. */
  offer(record: unknown, options: RecordOptions | undefined): boolean {
    return this.#offer(this.#prepare(this.#init.prepare(record), options));
  }

  /** As {@link offer} of a value that is encoded. */
  offerEncoded(value: Uint8Array): boolean {
    return this.#offer(this.#prepare(value, undefined));
  }

  #offer(parts: RecordParts): boolean {
    const reason = this.#notNow() ?? (this.#append(parts, -1) === undefined ? "buffer" : undefined);
    if (reason !== undefined) {
      this.#init.series.refused[reason].add();
      return false;
    }
    if (this.#writing !== undefined || this.#scheduled) return true;
    if (this.#fill.bytes >= offerBytes) this.#commit();
    else this.#stopTimer ??= this.#init.clock.after(offerMs, () => this.#commit());
    return true;
  }

  /** Bytes that wait in memory. */
  get bufferedBytes(): number {
    return this.#fill.bytes + (this.#writing?.bytes ?? 0) + this.#queue.bytes;
  }

  /** Writes what waits, for a second at most; what is left by then is refused. Never rejects. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  #prepare(value: Prepared, options: RecordOptions | undefined): RecordParts {
    const parts = this.#parts;
    parts.value = value;
    parts.key = null;
    parts.headers = null;
    if (options === undefined) {
      parts.timestamp = this.#init.clock.epoch();
      return parts;
    }
    parts.timestamp = options.timestamp ?? this.#init.clock.epoch();
    if (!Number.isFinite(parts.timestamp)) {
      throw new RangeError(`Cannot send a record of the time ${parts.timestamp}`);
    }
    if (options.key !== undefined) parts.key = this.#keyOf(options.key);
    if (options.headers !== undefined) parts.headers = encodeHeaders(options.headers);
    checkHead(parts.key, parts.headers);
    return parts;
  }

  #keyOf(key: string | Uint8Array): Uint8Array {
    if (key instanceof Uint8Array) return key;
    if (typeof key !== "string") {
      throw new TypeError("Cannot send a record: its key is neither bytes nor text");
    }
    if (key.length > maxKeyBytes) {
      throw new RangeError(
        `Cannot send a record with a key of ${key.length} characters: ${maxKeyBytes} bytes at most`,
      );
    }
    if (key.length * 3 > this.#scratch.length) return encoder.encode(key);
    return this.#scratch.subarray(0, encoder.encodeInto(key, this.#scratch).written);
  }

  #append(parts: RecordParts, deadline: number): RecordGroup | undefined {
    try {
      return this.#fill.append(parts, this.#init.maxRecordBytes, deadline);
    } catch (error) {
      if (error instanceof RangeError) this.#init.series.refused.too_large.add();
      throw error;
    }
  }

  /** Why nothing can be offered now. */
  #notNow(): RefusedReason | undefined {
    if (this.#closing) return "closed";
    if (this.#queue.size > 0) return "buffer";
    if (!this.#full && this.#trouble === "") return undefined;
    if (this.#full && this.#writing !== undefined) return "full";
    const now = this.#init.clock.now();
    return this.#full && now < this.#lookAt ? "full" : now < this.#brokenUntil ? "failed" : undefined;
  }

  /** Both buffers are full: waits in the queue, where that has room. */
  #enqueue(parts: RecordParts, deadline: number): Promise<void> {
    const { clock } = this.#init;
    const untilMs = clock.now() + Math.min(maxWaitMs, Math.max(0, deadline - clock.epoch()));
    const sent = this.#queue.push(parts, this.#init.maxRecordBytes, { deadline, untilMs });
    if (sent === undefined) return this.#refuse("buffer");
    this.#startTick();
    return sent;
  }

  #refuse(reason: RefusedReason): Promise<never> {
    this.#init.series.refused[reason].add();
    return this.#refusals[reason] ??= this.#refusal(reason);
  }

  #refusal(reason: RefusedReason): Promise<never> {
    const refused = Promise.reject(this.#errorOf(reason));
    refused.catch(() => {});
    return refused;
  }

  #errorOf(reason: RefusedReason, cause?: unknown): ServiceError {
    const { name } = this.#init;
    if (reason === "closed") return new ServiceError("draining", `streams.${name} is closed`);
    if (reason === "failed") {
      const text = cause instanceof Error ? cause.message : String(cause);
      return new ServiceError("spool_failed", `The spool of streams.${name} failed: ${text}`, { cause });
    }
    const text = reason === "full" ? "is full" : "has too many records waiting for the disk";
    return new ServiceError("spool_full", `The spool of streams.${name} ${text}`, { retryable: true });
  }

  /** A commit at the end of this turn: what continues when the one before is over shall be part of it. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commit();
    });
  }

  #commit(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (this.#writing !== undefined || this.#fill.records === 0) return;
    this.#writing = this.#fill;
    this.#fill = this.#spare;
    this.#init.series.buffered.set(this.bufferedBytes);
    void this.#run(this.#writing);
  }

  /** Never rejects. */
  async #run(buffer: RecordBuffer): Promise<void> {
    const { files, clock, series } = this.#init;
    const begun = clock.now();
    try {
      if (!files.isOpen && clock.now() < this.#lookAt) return this.#park(buffer, "full");
      const outcome = await files.write(buffer);
      if (outcome !== "written") return this.#park(buffer, outcome);
      this.#busySince = Infinity;
      this.#full = false;
      this.#lookAt = -Infinity;
      this.#recovered();
    } catch (error) {
      this.#failed(buffer, error);
    }
    series.commits.record(clock.now() - begun);
    this.#unsynced = true;
    this.#done(buffer);
  }

  /** The commit is over: goes on with what came meanwhile. */
  #done(buffer: RecordBuffer): void {
    buffer.reset();
    this.#spare = buffer;
    this.#writing = undefined;
    this.#parked = false;
    this.#queue.moveTo(this.#fill);
    this.#init.series.buffered.set(this.bufferedBytes);
    if (this.#queue.size === 0) this.#endTick();
    if (this.#fill.records === 0) this.#idle?.();
    else if (this.#closing || this.#fill.bytes >= offerBytes && !this.#fill.awaited) this.#commit();
    else if (this.#fill.awaited) this.#schedule();
    else this.#stopTimer ??= this.#init.clock.after(offerMs, () => this.#commit());
  }

  #park(buffer: RecordBuffer, why: "full" | "busy"): void {
    const { clock, log, full } = this.#init;
    this.#parked = true;
    if (why === "full") this.#busySince = Infinity;
    else {
      this.#busySince = Math.min(this.#busySince, clock.now());
      if (clock.now() - this.#busySince < busyMs && !this.#closing) return this.#startTick();
    }
    if (clock.now() >= this.#lookAt) this.#lookAt = clock.now() + lookAgainMs;
    if (!this.#full) log.warn("the spool is full", { full });
    this.#full = true;
    if (full !== "block" || this.#closing) this.#drop(buffer, (group) => group.sent !== null, "full");
    this.#expire();
    if (buffer.records === 0) return this.#done(buffer);
    this.#startTick();
    if (this.#closing) this.#idle?.();
  }

  #startTick(): void {
    this.#stopTick ??= this.#init.clock.every(lookAgainMs, () => this.#tick());
  }

  #endTick(): void {
    this.#stopTick?.();
    this.#stopTick = undefined;
  }

  #tick(): void {
    this.#expire();
    const buffer = this.#writing;
    if (!this.#parked || buffer === undefined) return;
    if (buffer.records === 0) return this.#done(buffer);
    if (this.#init.clock.now() < this.#lookAt) return;
    this.#parked = false;
    void this.#run(buffer);
  }

  /** Refuses senders who have waited until their deadline. */
  #expire(): void {
    const { clock, series } = this.#init;
    const epoch = clock.epoch();
    if (this.#parked) {
      const late = (group: RecordGroup) => group.sent !== null && group.deadline <= epoch;
      this.#drop(this.#writing!, late, "full");
      this.#drop(this.#fill, late, "full");
    }
    const refused = this.#queue.expire(clock.now(), () => this.#errorOf("buffer"));
    if (refused > 0) series.refused.buffer.add(refused);
    if (!this.#parked && this.#queue.size === 0) this.#endTick();
  }

  #drop(
    buffer: RecordBuffer,
    which: (group: RecordGroup) => boolean,
    reason: RefusedReason,
    cause?: unknown,
  ): void {
    if (!buffer.groups.some(which)) return;
    let records = 0;
    const error = this.#errorOf(reason, cause);
    for (const group of buffer.remove(which)) {
      records += group.records;
      group.sent?.reject(error);
    }
    this.#init.series.refused[reason].add(records);
  }

  #failed(buffer: RecordBuffer, error: unknown): void {
    const { clock, log } = this.#init;
    const cause = error instanceof Error && error.name === "ShortWrite" ? error.cause ?? error : error;
    this.#brokenUntil = clock.now() + brokenMs;
    if (this.#trouble === "") {
      log.error("the spool cannot be written; its records are refused", { error: cause });
    }
    this.#trouble = "write";
    this.#drop(buffer, () => true, "failed", cause);
  }

  #recovered(): void {
    if (this.#trouble === "") return;
    this.#trouble = "";
    this.#init.log.info("the spool can be written again");
  }

  async #sync(): Promise<void> {
    this.#unsynced = false;
    try {
      await this.#init.files.sync();
    } catch (error) {
      this.#unsynced = true;
      if (this.#trouble === "") this.#init.log.error("the spool cannot be synced", { error });
      this.#trouble = "sync";
    }
    this.#syncing = undefined;
  }

  async #close(): Promise<void> {
    const { clock, files, log } = this.#init;
    this.#stopSync?.();
    // #closing is set when this function waits for the first time.
    await null;
    let late = false;
    const limit = Promise.withResolvers<void>();
    const stop = clock.after(closeMs, () => {
      late = true;
      limit.resolve();
    });
    try {
      await Promise.race([this.#flush(), limit.promise]);
      if (this.#syncing) await Promise.race([this.#syncing, limit.promise]);
      this.#refuseLeft();
      if (!late) {
        await Promise.race([
          files.close().catch((error) => log.error("the lane did not end well", { error })),
          limit.promise,
        ]);
      }
    } catch (error) {
      log.error("the lane did not end well", { error });
    } finally {
      stop();
      this.#stopTimer?.();
      this.#endTick();
      files.abandon();
      this.#init.series.buffered.set(0);
    }
  }

  /** Resolves when nothing waits any more. */
  async #flush(): Promise<void> {
    if (this.#parked) {
      this.#lookAt = -Infinity;
      this.#tick();
    } else this.#commit();
    while (this.#writing !== undefined && !this.#parked || this.#fill.records > 0 && !this.#parked) {
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
  }

  #refuseLeft(): void {
    const all = () => true;
    const reason = this.#parked ? "full" : "closed";
    for (const buffer of [this.#writing, this.#fill]) {
      // A write that does not end still reads the memory of its buffer; its senders are told all the same.
      if (buffer) this.#drop(buffer, all, reason);
    }
    const refused = this.#queue.expire(Infinity, () => this.#errorOf("closed"));
    this.#init.series.refused.closed.add(refused);
  }
}
