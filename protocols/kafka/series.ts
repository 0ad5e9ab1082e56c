/** What is counted of a kafka listener. */
import type { SeriesWriter } from "../../core/series_writer.ts";
import type { Partition } from "./partition.ts";

const resultHelp = "Records by what became of them: done, retried (each further try), dead (dead letters)";

/** Series of one listener in one worker. */
export class KafkaSeries {
  readonly #stats: SeriesWriter;
  readonly #listener: string;
  readonly #results: Readonly<Record<"done" | "retried" | "dead", { add(n?: number): void }>>;
  readonly #rebalances: { add(n?: number): void };
  readonly #assigned: { set(value: number): void };
  readonly #paused: { set(value: number): void };
  readonly #buffered: { set(value: number): void };
  readonly #partitions = new Map<
    number,
    { lag: { set(n: number): void }; committed: { set(n: number): void } }
  >();

  constructor(stats: SeriesWriter, listener: string) {
    this.#stats = stats;
    this.#listener = listener;
    const counter = (result: string) =>
      stats.counter("weir_kafka_records_total", { listener, result }, resultHelp);
    this.#results = { done: counter("done"), retried: counter("retried"), dead: counter("dead") };
    this.#rebalances = stats.counter(
      "weir_kafka_rebalances_total",
      { listener },
      "Assignments of partitions after the first one",
    );
    const gauge = (name: string, help: string) => stats.gauge(name, { listener }, help);
    this.#assigned = gauge("weir_kafka_assigned_partitions", "Partitions that members own");
    this.#paused = gauge(
      "weir_kafka_paused_partitions",
      "Partitions that wait for another try, or to be let in",
    );
    this.#buffered = gauge("weir_kafka_buffered_bytes", "Bytes of records that were read and are not done");
    this.assigned([]);
  }

  count(result: "done" | "retried" | "dead", records: number): void {
    this.#results[result].add(records);
  }

  rebalanced(): void {
    this.#rebalances.add();
  }

  assigned(partitions: Iterable<Partition>): void {
    this.show(partitions);
    const now = new Set([...partitions].map(({ index }) => index));
    for (const [index, { lag, committed }] of this.#partitions) {
      if (now.has(index)) continue;
      // Not a number: not shown. Whoever owns it now says how it is.
      lag.set(NaN);
      committed.set(NaN);
      this.#partitions.delete(index);
    }
  }

  /** Gauges as they are now. */
  show(partitions: Iterable<Partition>): void {
    let [count, paused, bytes] = [0, 0, 0];
    for (const partition of partitions) {
      count++;
      if (partition.waiting > 0) paused++;
      bytes += partition.bytes;
      const { lag, committed } = this.#of(partition.index);
      if (partition.highWatermark >= 0n) lag.set(partition.lag);
      if (partition.committed >= 0n) committed.set(Number(partition.committed));
    }
    this.#assigned.set(count);
    this.#paused.set(paused);
    this.#buffered.set(bytes);
  }

  #of(index: number) {
    const known = this.#partitions.get(index);
    if (known) return known;
    const labels = { listener: this.#listener, partition: String(index) };
    const made = {
      lag: this.#stats.gauge("weir_kafka_lag_records", labels, "Records that are not done yet"),
      committed: this.#stats.gauge(
        "weir_kafka_committed_offset",
        labels,
        "Offset that the group goes on from",
      ),
    };
    this.#partitions.set(index, made);
    return made;
  }
}
