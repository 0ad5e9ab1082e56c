/** A record as a line of text: its value as it is where that is JSON, JSON around it otherwise. */
import type { StreamPlan } from "../manifest/plan.ts";
import type { OutgoingRecord } from "./contract.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const lineEnd = 10;

/** The lines of a batch, one behind the other. */
export function outgoingLines(
  records: readonly OutgoingRecord[],
  codec: StreamPlan["codec"],
): Uint8Array<ArrayBuffer> {
  const lines = records.map((record) => codec === "json" ? record.value : encoder.encode(wrapped(record)));
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length + 1, 0));
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length;
    bytes[at++] = lineEnd;
  }
  return bytes;
}

function wrapped({ timestamp, key, headers, value }: OutgoingRecord): string {
  return JSON.stringify({
    timestamp,
    key: key === null ? null : decoder.decode(key),
    headers,
    value: value.toBase64(),
  });
}
