/** What a lane says of itself on the metrics page: counted per commit, only refusals one by one. */
import type { SeriesWriter } from "../series_writer.ts";

/**
 * Why a record was not taken. full: the spool is at its bound. failed: the disk did not take it. too_large: longer than
 * allowed. buffer: so much waits for the disk that no more is kept in memory. closed: the worker stops.
 */
export type RefusedReason = "full" | "failed" | "too_large" | "buffer" | "closed";

type Counter = { add(n?: number): void };

/** The series of one stream in one process. */
export class LaneSeries {
  readonly written: Counter;
  readonly writtenBytes: Counter;
  readonly refused: Readonly<Record<RefusedReason, Counter>>;
  readonly commits: { record(value: number): void };
  readonly buffered: { set(value: number): void };
  readonly dropped: Counter;
  readonly restored: Counter;

  constructor(stats: SeriesWriter, stream: string) {
    const labels = { stream };
    this.written = stats.counter("weir_stream_written_total", labels, "Records written to the spool");
    this.writtenBytes = stats.counter(
      "weir_stream_written_bytes_total",
      labels,
      "Bytes of records written to the spool",
    );
    const refused = (reason: RefusedReason) =>
      stats.counter("weir_stream_refused_total", { stream, reason }, "Records that the spool did not take");
    this.refused = {
      full: refused("full"),
      failed: refused("failed"),
      too_large: refused("too_large"),
      buffer: refused("buffer"),
      closed: refused("closed"),
    };
    this.commits = stats.histogram("weir_stream_commit_seconds", labels, {
      unit: "ms",
      help: "Time in which a group of records was written to the spool",
    });
    this.buffered = stats.gauge(
      "weir_stream_buffered_bytes",
      labels,
      "Bytes of records that wait in memory to be written",
    );
    this.dropped = stats.counter(
      "weir_stream_dropped_segments_total",
      labels,
      "Segments given up to make room",
    );
    this.restored = stats.counter(
      "weir_stream_lane_restored_total",
      labels,
      "Times that files of a lane were gone and made again",
    );
  }
}
