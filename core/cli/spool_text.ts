/** What `spool inspect` prints for people. */
import type { LaneReport, StreamReport } from "../stream/inspect_spool.ts";
import { timeOf } from "../stream/record_line.ts";

const heads = [
  "lane",
  "writer",
  "segments",
  "records",
  "bytes",
  "sequences",
  "done",
  "waiting",
  "first",
  "last",
];

/** A stream as a table of its lanes. */
export function spoolText({ name, folder, lanes, deadLetters }: StreamReport): string {
  const waiting = lanes.reduce((sum, lane) => sum + lane.waiting, 0);
  const title = `${name}: ${waiting} records wait, ${deadLetters} dead letters (${folder})`;
  if (lanes.length === 0) return `${title}\n  no lanes`;
  const rows = [heads, ...lanes.map(rowOf)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  );
  return [title, ...lines.map((line) => `  ${line}`), ...lanes.flatMap(unreadLine)].join("\n");
}

function rowOf(lane: LaneReport): string[] {
  const { name, written, segments, records, bytes, first, last, done, waiting, firstAt, lastAt } = lane;
  return [
    name,
    written ? "alive" : "dead",
    `${segments}`,
    `${records}`,
    `${bytes}`,
    records === 0 ? "-" : `${first}-${last}`,
    done === null ? "-" : `${done}`,
    `${waiting}`,
    ...[firstAt, lastAt].map((at) => records === 0 ? "-" : `${timeOf(at)}`),
  ];
}

function unreadLine({ name, unreadBytes }: LaneReport): string[] {
  return unreadBytes === 0
    ? []
    : [`  ${name}: ${unreadBytes} bytes cannot be read; \`spool verify\` says where`];
}
