/** An output that keeps its lines, and can be blocked or made to fail. */
import type { Output, WriteResult } from "../sink.ts";

export class MemoryOutput implements Output {
  readonly lines: string[] = [];
  /** Sizes of the batches. */
  readonly batches: number[] = [];
  closed = false;
  reopened = 0;
  /** Takes this many lines and then fails. */
  failAfter = Infinity;
  #gate: PromiseWithResolvers<void> | undefined;

  async write(lines: readonly string[]): Promise<WriteResult> {
    if (this.#gate) await this.#gate.promise;
    const written = Math.min(lines.length, this.failAfter);
    this.failAfter -= written;
    this.lines.push(...lines.slice(0, written));
    this.batches.push(written);
    return written === lines.length ? { written } : { written, error: new Error("no space") };
  }

  block(): void {
    this.#gate = Promise.withResolvers();
  }

  unblock(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  reopen(): void {
    this.reopened++;
  }

  close(): void {
    this.closed = true;
  }

  /** The lines as JSON. */
  // deno-lint-ignore no-explicit-any -- tests look into them freely
  get records(): any[] {
    return this.lines.map((line) => JSON.parse(line));
  }
}
