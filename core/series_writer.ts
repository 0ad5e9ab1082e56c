/** The part of a SlotWriter (core/stats) that makes series: all that pools, filters and upstreams need of it. */

/** Makes counters, gauges and histograms; the same name and labels give the same series. */
export interface SeriesWriter {
  counter(name: string, labels?: Record<string, string>, help?: string): { add(n?: number): void };
  /** `merge` says what the gauges of all workers amount to; their sum unless given. */
  gauge(
    name: string,
    labels?: Record<string, string>,
    help?: string,
    merge?: "sum" | "max" | "each",
  ): { set(value: number): void };
  histogram(
    name: string,
    labels?: Record<string, string>,
    options?: { unit?: "ms"; help?: string },
  ): { record(value: number): void };
}
