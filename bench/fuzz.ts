/**
 * `deno task bench fuzz [--seed 1] [--count n] [--only name]…`: millions of real messages, changed, through every bounded
 * parser and through listeners of Thrift. Exits with 1 where one does anything but read or refuse them; see
 * fuzz/target.ts. `--count`: as many for each instead of a full run. The same seed gives the same cases and counts.
 */
import { parseArgs } from "node:util";
import { type Outcome, run } from "./fuzz/target.ts";
import { targets } from "./fuzz/targets.ts";
import { table } from "./table.ts";

const heads = [
  "",
  "cases",
  "accepted",
  "refused",
  "waiting",
  "slowest us",
  "RSS MiB before",
  "half",
  "after",
  "failures",
];

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: "1" },
      count: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
    },
  });
  const seed = whole(values.seed, "--seed");
  const count = values.count === undefined ? undefined : whole(values.count, "--count");
  const { only } = values;
  console.log(`fuzz: seed ${seed}, Deno ${Deno.version.deno}, ${new Date().toISOString()}\n`);
  const outcomes: Outcome[] = [];
  for (const target of await targets()) {
    if (only.length > 0 && !only.some((part) => target.name.includes(part))) continue;
    outcomes.push(await run(target, seed, count ?? target.cases));
  }
  console.log(table(heads, outcomes.map(rowOf)));
  const failures = outcomes.flatMap((outcome) => outcome.failures);
  for (const failure of failures) console.error(`\n${failure}`);
  const cases = outcomes.reduce((sum, outcome) => sum + outcome.cases, 0);
  console.log(`\n${cases} cases, ${failures.length} failures`);
  return failures.length > 0 || cases === 0 ? 1 : 0;
}

function rowOf({ name, cases, counts, slowestUs, rssBytes, failures }: Outcome): string[] {
  const { accepted, refused, waiting } = counts;
  const figures = [cases, accepted, refused, waiting, Math.round(slowestUs), ...rssBytes.map(mebibytes)];
  return [name, ...figures.map(String), String(failures.length)];
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / (1024 * 1024));
}

function whole(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new RangeError(`${name} must be a whole number above 0, not ${text}`);
  }
  return value;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
