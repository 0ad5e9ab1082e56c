/** The console of the supervisor's own log: the same bounded output that carries its children's lines. */
import type { Output as LogOutput, WriteResult } from "../log/sink.ts";
import type { Output } from "./output.ts";

const encoder = new TextEncoder();

/** Log lines go to `output`, which drops rather than waits. */
export function consoleLines(output: Output): LogOutput {
  return {
    write(lines: readonly string[]): Promise<WriteResult> {
      output.write(encoder.encode(lines.join("")));
      return Promise.resolve({ written: lines.length });
    },
    close() {},
  };
}
