/**
 * The body of a reply between the connection, which pushes, and its reader, who pulls. Holds a little ahead, so that a
 * short rest frees the connection although nobody reads it; more is not taken from the connection. A body that is
 * dropped without being read or cancelled is cancelled when the memory of its stream is reclaimed.
 */

import type { Clock } from "../../../core/clock.ts";

/** Bytes that are held for a reader; at this many nothing more is taken from the connection. */
export const aheadBytes = 64 * 1024;

/** What the body tells the session. */
export interface BodyOwner {
  /** There is room again. */
  wanted(): void;
  /** Nobody reads on. */
  unwanted(): void;
  /** Nothing came for as long as the body may pause; `text` says so. */
  stalled(text: string): void;
}

const dropped = new FinalizationRegistry<ReplyBody>((body) => body.cancel());

/** See the module's header. Must not refer to its stream, or that would never be reclaimed. */
export class ReplyBody {
  readonly #owner: BodyOwner;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #error: Error | undefined;
  #cancelled = false;
  /** Goes on with a pull that waits. */
  #pull: (() => void) | undefined;
  readonly #clock: Clock;
  readonly #pauseMs: number;
  /** When something came, or was asked for again. */
  #heardAt: number;
  #cancelWatch: () => void;

  /** `pauseMs` is how long nothing may come while there is room. */
  constructor(owner: BodyOwner, clock: Clock, pauseMs: number) {
    this.#owner = owner;
    this.#clock = clock;
    this.#pauseMs = pauseMs;
    this.#heardAt = clock.now();
    this.#cancelWatch = clock.after(pauseMs, () => this.#watch());
  }

  /** Whether it holds as much as it may. */
  get full(): boolean {
    return this.#bytes >= aheadBytes;
  }

  /** Whether its reader has let go of it. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Takes over `piece`. */
  push(piece: Uint8Array): void {
    if (this.#cancelled) return;
    this.#heardAt = this.#clock.now();
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#goOn();
  }

  /** It is complete. */
  end(): void {
    this.#ended = true;
    this.#cancelWatch();
    dropped.unregister(this);
    this.#goOn();
  }

  /** It will not be complete. What was received before is still read. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#error = error;
    this.end();
  }

  /** Nobody wants the rest. */
  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#cancelWatch();
    this.#pieces = [];
    this.#bytes = 0;
    if (this.#ended) return;
    dropped.unregister(this);
    this.#owner.unwanted();
  }

  /** The stream of it; there can be one. */
  stream(): ReadableStream<Uint8Array> {
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => this.#give(controller) ? undefined : this.#wait(controller),
      cancel: () => this.cancel(),
    }, { highWaterMark: 0 });
    if (!this.#ended) dropped.register(stream, this, this);
    return stream;
  }

  /** False where there is nothing to give yet. */
  #give(controller: ReadableStreamDefaultController<Uint8Array>): boolean {
    if (this.#cancelled) return true;
    const piece = this.#pieces.shift();
    if (piece) {
      const wasFull = this.full;
      this.#bytes -= piece.length;
      controller.enqueue(piece);
      if (this.#ended && !this.#error && this.#pieces.length === 0) controller.close();
      else if (wasFull && !this.full && !this.#ended) {
        this.#heardAt = this.#clock.now();
        this.#owner.wanted();
      }
      return true;
    }
    if (!this.#ended) return false;
    if (this.#error) controller.error(this.#error);
    else controller.close();
    return true;
  }

  /** Only while somebody reads is the stream referred to from here. */
  #wait(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    return new Promise((resolve) => {
      this.#pull = () => {
        this.#give(controller);
        resolve();
      };
    });
  }

  /** A reader that takes its time is not the upstream's pause. */
  #watch(): void {
    const leftMs = this.full ? this.#pauseMs : this.#heardAt + this.#pauseMs - this.#clock.now();
    if (leftMs <= 0) {
      return this.#owner.stalled(`nothing more of a reply's body came for ${this.#pauseMs} ms`);
    }
    this.#cancelWatch = this.#clock.after(leftMs, () => this.#watch());
  }

  #goOn(): void {
    const pull = this.#pull;
    this.#pull = undefined;
    pull?.();
  }
}
