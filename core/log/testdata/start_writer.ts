/** Starts writer.ts and hands out its reports. */
import type { LogsPlan, SinkCounts } from "../logging.ts";

export interface Report {
  worstGapMs: number;
  counts: Record<string, SinkCounts>;
}

export interface Writer {
  child: Deno.ChildProcess;
  /** The next report; rejects when the process ends without one. */
  report(): Promise<Report>;
}

export function startWriter(
  options: { id: number; count: number; perTurn: number; turnMs: number; plan: LogsPlan; closeMs: number },
): Writer {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--unstable-net", new URL("writer.ts", import.meta.url).href, JSON.stringify(options)],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines = textLines(child.stderr);
  return {
    child,
    async report() {
      // a writer that hangs is a finding, not a reason to hang as well
      const patience = setTimeout(() => child.kill("SIGKILL"), 30_000);
      const { value, done } = await lines.next();
      clearTimeout(patience);
      if (done) throw new Error("the writer ended without a report");
      if (!value.startsWith("{")) throw new Error(`the writer said: ${value}`);
      return JSON.parse(value);
    },
  };
}

/** The lines of a byte stream. */
export async function* textLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
