/** The series of one loop in this worker. */
import type { LoopFigures } from "../stats/mod.ts";
import type { SeriesWriter } from "../series_writer.ts";

/** See the module's header. */
export class LoopSeries {
  readonly ok: () => void;
  readonly error: () => void;
  readonly timeout: () => void;
  /** Beats that passed without a run. */
  readonly skipped: (beats: number) => void;
  readonly duration: (ms: number) => void;
  readonly #running: { set(value: number): void };
  readonly #failures: { set(value: number): void };
  readonly #next: { set(value: number): void };

  constructor(loop: string, series: SeriesWriter) {
    const counted = (result: string) =>
      series.counter("weir_loop_runs_total", { loop, result }, "Runs of loops, and beats that were skipped");
    const [ok, error, timeout, skipped] = ["ok", "error", "timeout", "skipped"].map(counted);
    this.ok = () => ok!.add();
    this.error = () => error!.add();
    this.timeout = () => timeout!.add();
    this.skipped = (beats) => beats > 0 && skipped!.add(beats);
    const duration = series.histogram("weir_loop_duration_seconds", { loop }, {
      unit: "ms",
      help: "Time of one run of a loop",
    });
    this.duration = (ms) => duration.record(ms);
    this.#running = series.gauge("weir_loop_running", { loop }, "Runs of a loop that go on");
    this.#failures = series.gauge(
      "weir_loop_failures",
      { loop },
      "Failed runs of a loop since its last good one, in the worker where that is most",
      "max",
    );
    this.#next = series.gauge(
      "weir_loop_next_run_timestamp_seconds",
      { loop },
      "When a loop runs next; 0 where nothing is planned",
      "max",
    );
  }

  /** What is true now. */
  now({ state, failures, nextAt }: LoopFigures): void {
    this.#running.set(state === "running" || state === "late" ? 1 : 0);
    this.#failures.set(failures);
    this.#next.set(nextAt / 1000);
  }
}
