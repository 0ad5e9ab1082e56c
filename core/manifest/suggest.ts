/** Which of the known names somebody meant: the "did you mean" of every diagnostic. Pure. */

/** The nearest of `known`, or `undefined` when none is near enough to be worth saying. */
export function suggest(written: string, known: Iterable<string>): string | undefined {
  const wanted = fold(written);
  if (wanted === "") return undefined;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    if (name === written) continue;
    const candidate = fold(name);
    const distance = candidate === wanted
      ? 0
      : related(wanted, candidate)
      ? 1.5
      : editDistance(wanted, candidate);
    const allowed = Math.max(1.5, Math.floor(Math.max(wanted.length, candidate.length) / 3));
    if (
      distance <= allowed && distance < Math.min(wanted.length, candidate.length) && distance < bestDistance
    ) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `max_connections`, `Max-Connections` and `maxConnections` are one word to the one who types. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, "").slice(0, 64);
}

/** One is the beginning of the other (`warn`, `warning`; `concurrency`, `concurrencyLimit`). */
function related(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= 3 && long.startsWith(short);
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(last[column] + 1, next[column - 1] + 1, last[column - 1] + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, beforeLast[column - 2] + 1);
      next.push(cost);
    }
    beforeLast = last;
    last = next;
  }
  return last[b.length];
}
