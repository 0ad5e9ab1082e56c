/** Series of one look by name, with the three questions that pages ask. Pure. */

import type { Series } from "../core/stats/mod.ts";

/** Labels that must be equal. */
export type LabelFilter = Readonly<Record<string, string>>;

/** An index over the series of one look. */
export class SeriesIndex {
  readonly #byName = new Map<string, Series[]>();

  constructor(series: Iterable<Series>) {
    for (const one of series) {
      const named = this.#byName.get(one.name);
      if (named) named.push(one);
      else this.#byName.set(one.name, [one]);
    }
  }

  /** All series of `name` whose labels match. */
  all(name: string, labels: LabelFilter = {}): Series[] {
    const wanted = Object.entries(labels);
    return (this.#byName.get(name) ?? []).filter((one) =>
      wanted.every(([label, value]) => one.labels[label] === value)
    );
  }

  /** The first of them. */
  one(name: string, labels: LabelFilter = {}): Series | undefined {
    return this.all(name, labels)[0];
  }

  /** Their values added; null when there is no such series, which is not the same as 0. */
  sum(name: string, labels: LabelFilter = {}): number | null {
    const found = this.all(name, labels);
    return found.length === 0 ? null : found.reduce((total, one) => total + one.value, 0);
  }

  /** The values that `label` takes in the series of `name`. */
  values(name: string, label: string): string[] {
    return [...new Set(this.all(name).flatMap((one) => one.labels[label] ?? []))];
  }

  /** Names that begin with `prefix`. */
  names(prefix: string): string[] {
    return [...this.#byName.keys()].filter((name) => name.startsWith(prefix)).sort();
  }
}
