/** What a listener of protocol kafka has instead of connections: a consumer group, its partitions, how far it is behind. */

import type { KafkaListenerPlan } from "../../core/manifest/plan.ts";
import { cell, type Facts, type Section, type Table } from "../document.ts";
import { formatAddress } from "../meta_address.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";

const lag = "weir_kafka_lag_records";

/** The sections of listener `name`. */
export function kafkaSections(
  sight: Sight,
  series: SeriesIndex,
  name: string,
  plan: KafkaListenerPlan,
): Section[] {
  return [
    group(series, name, plan),
    records(sight, series, name),
    partitions(sight, series, name),
    members(sight, name),
  ];
}

function group(series: SeriesIndex, listener: string, plan: KafkaListenerPlan): Facts {
  const sum = (name: string) => cell(series.sum(name, { listener }), "count");
  return {
    kind: "facts",
    key: "consumer",
    title: "Consumer group",
    facts: [
      { key: "topic", label: "Topic", value: cell(plan.topic, "code") },
      { key: "group", label: "Group", value: cell(plan.group, "code") },
      {
        key: "brokers",
        label: "Brokers to begin with",
        value: cell(plan.brokers.map(formatAddress).join(", "), "code"),
      },
      { key: "assigned", label: "Partitions of this service", value: sum("weir_kafka_assigned_partitions") },
      { key: "lag", label: "Records behind, all partitions", value: sum(lag) },
      { key: "rebalances", label: "Rebalances", value: sum("weir_kafka_rebalances_total") },
      { key: "deadLetters", label: "Dead letters in", value: cell(plan.deadLetters, "code") },
    ],
  };
}

function records(sight: Sight, series: SeriesIndex, listener: string): Table {
  return {
    kind: "table",
    key: "records",
    title: "Records by result",
    columns: [
      { key: "result", label: "Result", as: "code" },
      { key: "total", label: "Total", as: "count" },
      { key: "perSecond", label: "Rate", as: "rate" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: series.all("weir_kafka_records_total", { listener }).map((one) => {
      const { result = "" } = one.labels;
      const { ratePerSecond, points } = sight.trend(one);
      const tone = result === "done"
        ? "good"
        : one.value === 0
        ? undefined
        : result === "dead"
        ? "bad"
        : "warn";
      return [cell(result, "code", { tone }), one.value, cell(ratePerSecond), cell(points, "history")];
    }),
    empty: "No record has come yet.",
  };
}

function partitions(sight: Sight, series: SeriesIndex, listener: string): Table {
  const workers = new SeriesIndex(sight.seriesPerWorker());
  const found = series.all(lag, { listener }).sort((a, b) =>
    Number(a.labels.partition) - Number(b.labels.partition)
  );
  return {
    kind: "table",
    key: "partitions",
    title: "Partitions",
    note: "Of this service: other members of the group are not seen here.",
    columns: [
      { key: "partition", label: "Partition", as: "code" },
      { key: "workers", label: "Worker", as: "code" },
      { key: "lag", label: "Behind", as: "count" },
      { key: "history", label: "Last minute", as: "history" },
    ],
    rows: found.map((one) => {
      const { partition = "" } = one.labels;
      const having = workers.all(lag, { listener, partition }).map(({ worker }) => worker ?? "");
      return [partition, having.join(", "), one.value, cell(sight.trend(one).points, "history")];
    }),
    empty: "No partition is assigned to this service.",
  };
}

function members(sight: Sight, listener: string): Table {
  const index = new SeriesIndex(sight.seriesPerWorker());
  const of = (name: string) => index.all(name, { listener });
  const total = (name: string, worker: string, result?: string) => {
    const found = of(name).filter((one) =>
      one.worker === worker && (result === undefined || one.labels.result === result)
    );
    return cell(found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0));
  };
  const counted = "weir_kafka_records_total";
  const names = ["weir_kafka_assigned_partitions", counted, lag];
  const workers = [...new Set(names.flatMap(of).map(({ worker }) => worker ?? ""))].sort();
  return {
    kind: "table",
    key: "members",
    title: "Members of this service",
    columns: [
      { key: "worker", label: "Worker", as: "code" },
      { key: "assigned", label: "Partitions", as: "count" },
      { key: "lag", label: "Behind", as: "count" },
      { key: "done", label: "Done", as: "count" },
      { key: "retried", label: "Retried", as: "count" },
      { key: "dead", label: "Dead", as: "count" },
      { key: "rebalances", label: "Rebalances", as: "count" },
    ],
    rows: workers.map((worker) => [
      worker,
      total("weir_kafka_assigned_partitions", worker),
      total(lag, worker),
      total(counted, worker, "done"),
      total(counted, worker, "retried"),
      total(counted, worker, "dead"),
      total("weir_kafka_rebalances_total", worker),
    ]),
    empty: "No worker has told of the group.",
  };
}
