/** What load at a constant rate was answered with, contender beside contender. */
import type { LoadReport } from "./load.ts";
import { ratioTable } from "./table.ts";

const figures: ReadonlyArray<readonly [title: string, unit: string, pick: (report: LoadReport) => number]> = [
  ["p50", "ms", ({ ok }) => ok.p50],
  ["p99", "ms", ({ ok }) => ok.p99],
  ["p99.9", "ms", ({ ok }) => ok.p999],
  ["failed, refused or lost", "", ({ failed, refused, lost }) => failed + refused.count + lost],
  ["generator late, p99.9", "ms", ({ lateMs }) => lateMs.p999],
];

/** A table per figure, with the ratios to the first contender. */
export function latencyTables(reports: ReadonlyMap<string, readonly LoadReport[]>): string {
  return figures.map(([title, unit, pick]) => {
    const samples = new Map([...reports].map(([name, rounds]) => [name, rounds.map(pick)]));
    return ratioTable(title, unit, samples) + "\n";
  }).join("\n");
}
