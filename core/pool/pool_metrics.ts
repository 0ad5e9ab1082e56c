/**
 * The series of one pool. Waiting and running are separate: a long wait wants threads, a long run wants a look at the code.
 */
import type { SeriesWriter } from "../series_writer.ts";

/** Makes the series of pool `name`. */
export function poolMetrics(writer: SeriesWriter, name: string) {
  const labels = { pool: name };
  const counter = (series: string, help: string) => writer.counter(series, labels, help);
  return {
    wait: writer.histogram("weir_pool_wait_seconds", labels, {
      unit: "ms",
      help: "Time from submission until a thread began",
    }),
    run: writer.histogram("weir_pool_run_seconds", labels, { unit: "ms", help: "Time on the thread" }),
    depth: writer.gauge("weir_pool_depth", labels, "Calls that wait for a thread"),
    busy: writer.gauge("weir_pool_busy_threads", labels, "Threads that run a call"),
    threads: writer.gauge("weir_pool_threads", labels, "Threads that are ready"),
    calls: counter("weir_pool_calls_total", "Calls answered by a thread"),
    inline: counter("weir_pool_inline_total", "Calls run in place because they were cheap"),
    refused: counter("weir_pool_refused_total", "Calls refused because the queue was full"),
    timeouts: counter("weir_pool_timeouts_total", "Calls that passed their time limit"),
    lost: counter("weir_pool_lost_total", "Calls lost with their thread"),
    left: counter("weir_pool_left_total", "Calls whose caller left"),
    replaced: counter("weir_pool_replaced_total", "Threads replaced"),
    forwardLost: counter(
      "weir_pool_forward_lost_total",
      "Log lines and statistics of threads that were dropped",
    ),
  };
}

/** The series of a pool. */
export type PoolMetrics = ReturnType<typeof poolMetrics>;
