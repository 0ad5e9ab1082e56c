/**
 * A process that writes a spool for tests: `spool_child.ts <options as JSON>`. Prints `ready`, then a line per thing that
 * happened: `ack <n>`, or at the end `end <JSON>`.
 */
import type { Stream } from "../contract.ts";
import { startWriting, type WritingOptions } from "./writing.ts";

export interface ChildOptions extends WritingOptions {
  /** Senders that await each record. */
  senders: number;
  /** Records of each; Infinity is null in JSON: until it is killed. */
  records: number | null;
  /** Bytes of each, about. */
  bytes: number;
  acks: boolean;
}

const options: ChildOptions = JSON.parse(Deno.args[0]!);
const filler = "x".repeat(options.bytes);
const { stream, streams, series } = await startWriting(options);
let [acked, failed] = [0, 0];
const lines: string[] = [];

// A line of which the reader knows is an acknowledgement of which it knows: written at once, not by console.log per line.
function print(line: string): void {
  lines.push(line);
  if (lines.length === 1) {
    queueMicrotask(() => Deno.stdout.writeSync(new TextEncoder().encode(lines.splice(0).join("\n") + "\n")));
  }
}

async function sendAll(stream: Stream, sender: number): Promise<void> {
  for (let n = 0; n < (options.records ?? Infinity); n++) {
    try {
      await stream.send({ sender, n, filler });
      acked++;
      if (options.acks) print(`ack ${sender}-${n}`);
    } catch {
      failed++;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

console.log("ready");
await Promise.all(Array.from({ length: options.senders }, (_, sender) => sendAll(stream, sender)));
await streams.close();
print(`end ${JSON.stringify({ acked, failed, written: series.of("weir_stream_written_total") })}`);
