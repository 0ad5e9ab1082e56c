/** Reads the dead letters of a stream back into records, the older file first; see dead_letters.ts for the lines. */
import { join } from "node:path";
import type { OutgoingRecord } from "./contract.ts";
import type { FoundStream } from "./find_lanes.ts";
import type { ReplayRange } from "./replay_spool.ts";

/** Names of the files, the older one first. */
export const deadLetterFiles = ["dead.1.jsonl", "dead.jsonl"] as const;

const decoder = new TextDecoder();

/**
 * The dead letters of `stream` and its lanes, as they stand in the files. A range with a lane begins with that very record.
 * `spoiled` hears of lines that hold none.
 */
export function* readDeadLetters(
  stream: FoundStream,
  range: ReplayRange,
  spoiled: (file: string, line: number) => void = () => {},
): Generator<OutgoingRecord> {
  let begun = range.fromLane === undefined;
  for (const file of deadLetterFiles) {
    let line = 0;
    for (const text of linesOf(join(stream.folder, file))) {
      line++;
      const record = parse(text);
      if (record === undefined) {
        spoiled(file, line);
        continue;
      }
      begun ||= record.lane === range.fromLane && record.sequence === range.from;
      if (!begun || record.sequence > range.to) continue;
      if (range.fromLane === undefined && record.sequence < range.from) continue;
      if (range.lane === undefined || record.lane === range.lane) yield record;
    }
  }
}

/** Whole lines: what stands behind the last line break is being written. */
function* linesOf(path: string): Generator<string> {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  let from = 0;
  for (let to = bytes.indexOf(10); to >= 0; to = bytes.indexOf(10, from)) {
    yield decoder.decode(bytes.subarray(from, to));
    from = to + 1;
  }
}

function parse(text: string): OutgoingRecord | undefined {
  try {
    const { lane, sequence, timestamp, key, headers, value } = JSON.parse(text);
    if (typeof lane !== "string" || typeof sequence !== "number" || typeof timestamp !== "number") {
      return undefined;
    }
    return {
      lane,
      sequence,
      timestamp,
      key: key === null ? null : Uint8Array.fromBase64(key),
      headers: { ...headers },
      value: Uint8Array.fromBase64(value),
    };
  } catch {
    return undefined;
  }
}
