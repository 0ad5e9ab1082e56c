/** Tables of measurements: for every contender the median, the extremes and the ratio to the first one. */

/** The middle one; the mean of the two middle ones of an even number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which `share` (0 to 1) of the sorted `values` lie, nearest rank; NaN of none. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/** Samples of one figure per contender, alternation by alternation. */
export type Samples = ReadonlyMap<string, readonly number[]>;

/**
 * `ratio` is the median over the alternations of contender ÷ first contender, both measured in the same alternation:
 * what slows the machine for a while slows both.
 */
export function ratioTable(title: string, unit: string, samples: Samples): string {
  const base = [...samples.values()][0] ?? [];
  const rows = [...samples].map(([name, values]) => {
    const ratios = values.map((value, i) => value / base[i]).filter(Number.isFinite);
    return [name, ratios.length === 0 ? "-" : median(ratios).toFixed(3), ...[
      ratios.length === 0 ? "-" : `${Math.min(...ratios).toFixed(3)}..${Math.max(...ratios).toFixed(3)}`,
      number(Math.min(...values)),
      number(median(values)),
      number(Math.max(...values)),
    ]];
  });
  return `${title}, ${unit}\n${table(["", "ratio", "ratios", "min", "median", "max"], rows)}`;
}

/**
 * As {@link ratioTable}, the other way round: first contender ÷ contender, with what that is to be at least where there
 * is something it is to be.
 */
export function shareTable(
  title: string,
  unit: string,
  samples: Samples,
  targets?: ReadonlyMap<string, number | undefined>,
): string {
  const [[first, base] = ["", []]] = samples;
  const rows = [...samples].map(([name, values]) => {
    const ratios = values.map((value, i) => base[i] / value).filter(Number.isFinite);
    const target = targets?.get(name);
    return [
      name,
      number(Math.min(...values)),
      number(median(values)),
      number(Math.max(...values)),
      ratios.length === 0 ? "-" : median(ratios).toFixed(2),
      ratios.length === 0 ? "-" : `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`,
      ...(targets ? [target === undefined ? "" : `>= ${target.toFixed(1)}`] : []),
    ];
  });
  const heads = ["", "min", "median", "max", `${first} ÷ it`, "ratios", ...(targets ? ["target"] : [])];
  return `${title}, ${unit}\n${table(heads, rows)}`;
}

/** Columns of equal width; the first is to the left, the others to the right. */
export function table(heads: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    "  " + cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ");
  return [line(heads), ...rows.map(line)].join("\n");
}

/** Three or more significant digits, and a dash where there is nothing. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? Math.round(value).toString() : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
