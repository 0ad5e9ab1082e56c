/**
 * One place lines go to: a bounded queue in front of an {@link Output}, emptied in batches. Logging never waits for
 * it: what does not fit is dropped and counted, and once the output works again it says how much is missing. Every
 * line handed in is either written or dropped, exactly. It knows nothing of formats or of what the output is.
 */
import type { Clock } from "../clock.ts";

/** What came of a batch: how many of its pieces are done with, and what stopped the rest. */
export interface WriteResult {
  written: number;
  /** Lines of those pieces that the output will never take. */
  refused?: number;
  error?: unknown;
}

/** Where a sink's lines end up. Never called again before the last call has settled; never rejects. */
export interface Output {
  /** Writes whole lines (each ends with its newline) in order. */
  write(lines: readonly string[]): Promise<WriteResult>;
  /** Opens a file again by its name before the next write. */
  reopen?(): void;
  /** Lets go of files and sockets; at once, also while a write hangs. */
  close(): void;
}

/** A total for the statistics memory. */
export interface LogCounter {
  add(n?: number): void;
}

/** Options of {@link Sink}. */
export interface SinkOptions {
  clock: Clock;
  /** Most lines waiting or being written. */
  maxLines?: number;
  /** Most UTF-16 units waiting or being written. */
  maxChars?: number;
  /** Longest wait for more lines before a batch is written. */
  gatherMs?: number;
  written?: LogCounter;
  dropped?: LogCounter;
  /** The line that says that `count` lines are missing; not counted itself. */
  droppedLine?: (count: number) => string;
  /** Called once per outage. */
  onTrouble?: (error: unknown) => void;
  /** Called when lines go out again after an outage. */
  onRecovered?: () => void;
}

// a write costs the loop about 25 us, whatever its size: this much makes it 50 ns a line
const batchChars = 128 * 1024;
const mostBatchChars = 256 * 1024;
const leastBackoffMs = 50;
const mostBackoffMs = 5000;
const noticeEveryMs = 1000;

/** A bounded, batching, counting queue in front of an output. */
export class Sink {
  readonly name: string;
  /** Lines that reached the output. */
  written = 0;
  /** Lines that never will. */
  dropped = 0;
  readonly #output: Output;
  readonly #options: SinkOptions;
  readonly #maxLines: number;
  readonly #maxChars: number;
  #lines: string[] = [];
  #heldLines = 0;
  #heldChars = 0;
  #busy = false;
  #urgent = false;
  #closed = false;
  #failing = false;
  #backoffMs = 0;
  #unsaid = 0;
  #lastNotice = -Infinity;
  #cancelTimer: (() => void) | undefined;
  #cancelNotice: (() => void) | undefined;
  #waiters: Array<() => void> = [];

  constructor(name: string, output: Output, options: SinkOptions) {
    this.name = name;
    this.#output = output;
    this.#options = options;
    this.#maxLines = options.maxLines ?? 32_768;
    this.#maxChars = options.maxChars ?? 4 * 1024 * 1024;
  }

  /**
   * Takes one line (or, as one piece, `count` lines), or drops it when the queue is full. Never throws, never waits.
   */
  push(line: string, count = 1): void {
    if (
      this.#heldLines >= this.#maxLines || this.#heldChars + line.length > this.#maxChars || this.#closed
    ) return this.#drop(count);
    this.#heldLines += count;
    this.#heldChars += line.length;
    this.#lines.push(line);
    if (this.#busy) return;
    if (this.#cancelTimer === undefined) this.#arm(this.#options.gatherMs ?? 50);
    else if (this.#heldChars >= batchChars && !this.#failing) this.#pump();
  }

  /** Starts writing now instead of at the end of the gathering time. */
  kick(): void {
    this.#urgent = true;
    if (!this.#busy && !this.#failing && this.#lines.length > 0) this.#pump();
  }

  /** Resolves with true once nothing is waiting, with false after `deadlineMs`. An outage is tried again at once. */
  flush(deadlineMs: number): Promise<boolean> {
    if (this.#heldLines === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        resolve(true);
      };
      const cancel = this.#options.clock.after(deadlineMs, () => {
        this.#waiters = this.#waiters.filter((waiter) => waiter !== done);
        resolve(false);
      });
      this.#waiters.push(done);
      if (!this.#busy) this.#pump();
    });
  }

  /** Opens the file again before the next batch. */
  reopen(): void {
    this.#output.reopen?.();
    // an outage may be over with the new file
    if (this.#failing && !this.#busy) this.#pump();
  }

  /** Writes what it can within `deadlineMs`, counts the rest as dropped and lets go. */
  async close(deadlineMs: number): Promise<void> {
    if (this.#closed) return;
    this.#lastNotice = -Infinity;
    const flushed = await this.flush(deadlineMs);
    if (flushed && !this.#busy) await this.#say();
    this.#closed = true;
    this.#cancelNotice?.();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#drop(this.#heldLines);
    this.#heldLines = 0;
    this.#lines = [];
    this.#output.close();
  }

  #drop(count: number): void {
    if (count === 0) return;
    this.dropped += count;
    this.#unsaid += count;
    this.#options.dropped?.add(count);
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#options.clock.after(delayMs, () => this.#pump());
  }

  async #pump(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#busy = true;
    do {
      this.#urgent = false;
      const batch = this.#nextBatch();
      const result = await this.#output.write(batch);
      if (this.#closed) return;
      this.#account(batch, result.written, result.refused ?? 0);
      if (result.written < batch.length) {
        this.#lines = batch.slice(result.written).concat(this.#lines);
        this.#busy = false;
        return this.#failed(result.error);
      }
      await this.#succeeded();
      if (this.#closed) return;
    } while (this.#lines.length > 0 && this.#mustGoOn());
    this.#busy = false;
    if (this.#lines.length > 0) return this.#arm(this.#options.gatherMs ?? 50);
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** Not all at once after a long wait: turning megabytes into bytes would hold up the loop. */
  #nextBatch(): string[] {
    const lines = this.#lines;
    let count = lines.length;
    if (this.#heldChars > mostBatchChars) {
      let chars = 0;
      for (count = 0; count < lines.length && chars < mostBatchChars; count++) chars += lines[count]!.length;
    }
    this.#lines = lines.slice(count);
    return count === lines.length ? lines : lines.slice(0, count);
  }

  #mustGoOn(): boolean {
    return this.#urgent || this.#waiters.length > 0 || this.#heldChars >= batchChars;
  }

  #account(batch: readonly string[], written: number, refused: number): void {
    let chars = 0;
    let lines = 0;
    for (let i = 0; i < written; i++) {
      chars += batch[i]!.length;
      lines += linesIn(batch[i]!);
    }
    this.#heldLines -= lines;
    this.#heldChars -= chars;
    this.#drop(refused);
    lines -= refused;
    this.written += lines;
    if (lines > 0) this.#options.written?.add(lines);
  }

  #failed(error: unknown): void {
    this.#backoffMs = Math.min(mostBackoffMs, this.#backoffMs === 0 ? leastBackoffMs : this.#backoffMs * 2);
    this.#arm(this.#backoffMs * (0.75 + this.#options.clock.random() / 2));
    if (this.#failing) return;
    this.#failing = true;
    this.#options.onTrouble?.(error);
  }

  async #succeeded(): Promise<void> {
    this.#backoffMs = 0;
    if (this.#failing) {
      this.#failing = false;
      this.#lastNotice = -Infinity;
      this.#options.onRecovered?.();
    }
    await this.#say();
  }

  /** Says how many lines are missing, at most once a second. */
  async #say(): Promise<void> {
    if (this.#unsaid === 0 || this.#options.droppedLine === undefined) return;
    const waitMs = this.#lastNotice + noticeEveryMs - this.#options.clock.now();
    if (waitMs > 0) {
      this.#cancelNotice ??= this.#options.clock.after(waitMs, () => this.#sayLater());
      return;
    }
    this.#lastNotice = this.#options.clock.now();
    const count = this.#unsaid;
    const { written } = await this.#output.write([this.#options.droppedLine(count)]);
    this.#unsaid -= written === 1 ? count : 0;
  }

  async #sayLater(): Promise<void> {
    this.#cancelNotice = undefined;
    // a batch under way says it itself
    if (this.#busy || this.#failing || this.#closed) return;
    this.#busy = true;
    await this.#say();
    this.#busy = false;
    if (this.#lines.length > 0 && this.#cancelTimer === undefined) this.#pump();
    else if (this.#lines.length === 0) { for (const waiter of this.#waiters.splice(0)) waiter(); }
  }
}

function linesIn(piece: string): number {
  let count = 0;
  for (let at = piece.indexOf("\n"); at >= 0; at = piece.indexOf("\n", at + 1)) count++;
  return count;
}
