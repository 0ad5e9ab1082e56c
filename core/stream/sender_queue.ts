/** Senders who wait because both buffers of their lane are full; bounded by number and bytes, first come, first served. */
import { type BufferLimits, RecordBuffer, type RecordParts } from "./record_buffer.ts";

const maxSenders = 4096;

interface Waiting {
  readonly laid: Uint8Array;
  /** Epoch ms, for the group it joins. */
  readonly deadline: number;
  /** Monotonic ms until which it waits here. */
  readonly untilMs: number;
  readonly sent: PromiseWithResolvers<void>;
}

/** See the module's header. */
export class SenderQueue {
  #waiting: Waiting[] = [];
  readonly #maxBytes: number;
  readonly #limits: BufferLimits;
  #bytes = 0;

  constructor(maxBytes: number, limits: BufferLimits) {
    this.#maxBytes = maxBytes;
    this.#limits = limits;
  }

  get size(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined where it is full. Throws RangeError as RecordBuffer.append() does. */
  push(
    parts: RecordParts,
    maxRecordBytes: number,
    until: { deadline: number; untilMs: number },
  ): Promise<void> | undefined {
    if (this.#waiting.length >= maxSenders || this.#bytes >= this.#maxBytes) return undefined;
    const buffer = new RecordBuffer(this.#limits);
    if (!buffer.append(parts, maxRecordBytes, -1)) return undefined;
    const laid = buffer.copy();
    const sent = Promise.withResolvers<void>();
    sent.promise.catch(() => {});
    this.#bytes += laid.length;
    this.#waiting.push({ laid, sent, ...until });
    return sent.promise;
  }

  /** Moves as many as fit. */
  moveTo(buffer: RecordBuffer): void {
    let moved = 0;
    for (const { laid, deadline, sent } of this.#waiting) {
      const group = buffer.appendLaid(laid, deadline);
      if (!group) break;
      sent.resolve(group.sent!.promise);
      this.#bytes -= laid.length;
      moved++;
    }
    if (moved > 0) this.#waiting.splice(0, moved);
  }

  /** Refuses those whose time is over; returns how many. */
  expire(nowMs: number, error: () => Error): number {
    const left = this.#waiting.filter((one) => one.untilMs > nowMs);
    const count = this.#waiting.length - left.length;
    for (const { untilMs, sent, laid } of count > 0 ? this.#waiting : []) {
      if (untilMs > nowMs) continue;
      this.#bytes -= laid.length;
      sent.reject(error());
    }
    this.#waiting = left;
    return count;
  }
}
