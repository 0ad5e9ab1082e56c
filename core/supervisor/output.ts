/**
 * Writes to this process's own stdout or stderr without ever waiting for who reads it: what does not fit the bound is
 * dropped and counted, and the count is written once there is room again.
 */

/** The part of Deno.stdout that is used. */
export interface OutputTarget {
  write(bytes: Uint8Array): Promise<number>;
}

/** A bounded, never blocking writer of whole lines. */
export class Output {
  readonly #target: OutputTarget;
  readonly #maxBytes: number;
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #busy: Promise<void> | undefined;
  #dropped = 0;

  constructor(target: OutputTarget, maxBytes = 1024 * 1024) {
    this.#target = target;
    this.#maxBytes = maxBytes;
  }

  /** Lines lost so far for lack of room. */
  dropped = 0;

  /** Queues `bytes` (whole lines) or drops them. */
  write(bytes: Uint8Array): void {
    if (this.#bytes + bytes.length > this.#maxBytes) {
      this.#dropped++;
      this.dropped++;
      return;
    }
    this.#queue.push(bytes);
    this.#bytes += bytes.length;
    this.#busy ??= this.#drain();
  }

  /** Resolves when everything is written, at the latest after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#busy === undefined) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, timeoutMs);
    await Promise.race([this.#busy, late.promise]);
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    await Promise.resolve();
    try {
      while (this.#queue.length > 0) {
        const batch = join(this.#queue);
        this.#queue = [];
        for (let at = 0; at < batch.length;) at += await this.#target.write(batch.subarray(at));
        this.#bytes -= batch.length;
        if (this.#dropped > 0 && this.#queue.length === 0) {
          const note = `${this.#dropped} writes of output dropped: nobody read them\n`;
          this.#dropped = 0;
          await this.#target.write(new TextEncoder().encode(note));
        }
      }
    } catch {
      // The reader is gone for good: nobody is left to tell.
      this.#queue = [];
      this.#bytes = 0;
    }
    this.#busy = undefined;
  }
}

function join(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
