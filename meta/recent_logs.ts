/** Recent log lines for the pages, from the files that every process keeps of its last ones. */

import type { LogFilter, LogLine, RecentLogs } from "./sight.ts";

/** Parts of a line that have a column of their own, or are the same on every line. */
const ownParts = new Set(["ts", "level", "logger", "message", "service"]);
/** Lines looked at when a text is wanted, because the reader does not filter by text. */
const searched = 20_000;

/** The last lines of the service with this runtime folder that pass `filter`. Never rejects. */
export async function recentLogs(runtimeFolder: string, filter: LogFilter): Promise<RecentLogs> {
  const { logger, level, text, limit } = filter;
  try {
    const { readRecent } = await import("../core/log/recent_lines.ts");
    const query = { logger: logger || undefined, level: level || undefined, limit: text ? searched : limit };
    const read = (await readRecent(runtimeFolder, query)).map(lineOf);
    const wanted = text?.toLowerCase();
    const found = wanted ? read.filter((line) => contains(line, wanted)).slice(-limit) : read;
    return { lines: found, note: "" };
  } catch (error) {
    return { lines: [], note: `The lines cannot be read: ${error instanceof Error ? error.message : error}` };
  }
}

function lineOf(raw: Readonly<Record<string, unknown>>): LogLine {
  const fields = Object.entries(raw).filter(([name]) => !ownParts.has(name));
  return {
    at: Date.parse(String(raw.ts)),
    level: String(raw.level),
    logger: String(raw.logger),
    message: String(raw.message ?? ""),
    fields: Object.fromEntries(fields),
  };
}

function contains({ message, logger, fields }: LogLine, wanted: string): boolean {
  return `${logger} ${message} ${JSON.stringify(fields)}`.toLowerCase().includes(wanted);
}
