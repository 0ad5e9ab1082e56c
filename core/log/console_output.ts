/**
 * The process's standard output as an output. Writes run on a thread of the runtime, so a reader that stopped reading
 * holds up this sink and nothing else. Several processes may share one pipe: pieces of up to 4096 bytes are atomic
 * there, so lines of different processes do not mix. It never writes synchronously: that would wait for the reader.
 */
import type { Output, WriteResult } from "./sink.ts";
import { writeWholeLines } from "./whole_lines.ts";

// PIPE_BUF of Linux: what a pipe takes in one piece
const atomicBytes = 4096;

/** Standard output; only one per process, the runtime has but one lock for it. */
export class ConsoleOutput implements Output {
  readonly #pieceBytes = isPipe() ? atomicBytes : 64 * 1024;
  #torn = false;

  async write(lines: readonly string[]): Promise<WriteResult> {
    if (this.#torn) lines = ["\n" + lines[0]!, ...lines.slice(1)];
    const result = await writeWholeLines(lines, this.#pieceBytes, (bytes) => Deno.stdout.write(bytes));
    this.#torn = result.torn || (this.#torn && result.written === 0);
    return result;
  }

  close(): void {}
}

function isPipe(): boolean {
  try {
    return Deno.statSync("/dev/stdout").isFifo === true;
  } catch {
    return false;
  }
}
