/**
 * One reader against many changed messages: what it may do is make something of them, wait for more, or refuse them with
 * the error it declares. Whatever else it throws, a case that takes too long and memory that grows are failures.
 */
import { type Case, mutated, randomOf, type Sample } from "./mutation.ts";

/** What came of a case. */
export type Verdict = "accepted" | "refused" | "waiting";

/** A reader under test. */
export interface Target<Meta = undefined> {
  readonly name: string;
  /** Cases of a full run. */
  readonly cases: number;
  readonly corpus: ReadonlyArray<Sample<Meta>>;
  /** Reads one case; throws what the reader must not throw. Keeps nothing. */
  read(one: Case<Meta>): Verdict | Promise<Verdict>;
}

/** What came of all of them. */
export interface Outcome {
  readonly name: string;
  readonly cases: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  /** Best of four attempts of the slowest case. */
  readonly slowestUs: number;
  /** Resident memory before the first case, after half of them, and after the last one. */
  readonly rssBytes: readonly [before: number, half: number, after: number];
  readonly failures: readonly string[];
}

/** Longest that a case may take. */
export const mostMs = 100;
/** Most that resident memory may grow by in the second half. */
export const mostGrowthBytes = 64 * 1024 * 1024;

const attempts = 4;
const mostFailures = 10;

/** Puts `count` cases to `target`; the same `seed`, the same cases. Stops after ten failures. */
export async function run<Meta>(target: Target<Meta>, seed: number, count: number): Promise<Outcome> {
  const { name, corpus } = target;
  const counts: Record<Verdict, number> = { accepted: 0, refused: 0, waiting: 0 };
  const failures: string[] = [];
  const before = rss();
  let half = before;
  let slowestMs = 0;
  let index = 0;
  for (; index < count && failures.length < mostFailures; index++) {
    if (index === count >> 1) half = rss();
    const one = mutated(randomOf(seed, name, index), corpus);
    try {
      const from = performance.now();
      const found = target.read(one);
      counts[typeof found === "string" ? found : await found]++;
      const tookMs = performance.now() - from;
      if (tookMs <= slowestMs) continue;
      // Compilers and neighbours take their time too; a slow case is slow every time.
      const bestMs = await bestOf(target, one, tookMs);
      slowestMs = Math.max(slowestMs, bestMs);
      if (bestMs > mostMs) failures.push(describe(`took ${bestMs} ms`, seed, name, index, one));
    } catch (error) {
      failures.push(describe(textOf(error), seed, name, index, one));
    }
  }
  const after = rss();
  if (after - half > mostGrowthBytes) {
    failures.push(`${name}, seed ${seed}: memory grew by ${after - half} bytes in the second half`);
  }
  return {
    name,
    cases: index,
    counts,
    slowestUs: slowestMs * 1000,
    rssBytes: [before, half, after],
    failures,
  };
}

async function bestOf<Meta>(target: Target<Meta>, one: Case<Meta>, firstMs: number): Promise<number> {
  let bestMs = firstMs;
  for (let attempt = 1; attempt < attempts; attempt++) {
    const from = performance.now();
    await target.read(one);
    bestMs = Math.min(bestMs, performance.now() - from);
  }
  return bestMs;
}

function rss(): number {
  return Deno.memoryUsage().rss;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

function describe(what: string, seed: number, name: string, index: number, one: Case<unknown>): string {
  const { bytes, cuts, meta } = one;
  const said = meta === undefined ? "" : `, ${JSON.stringify(meta)}`;
  return `${name}, seed ${seed}, case ${index}${said}, cut at [${cuts}]: ${what}\n  ${bytes.toHex()}`;
}
