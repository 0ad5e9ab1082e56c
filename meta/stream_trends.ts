/**
 * How the counts of streams went in the last minute. They stand in rows and not in series, so that all figures of a stream
 * are of one moment, and the histories of series do not see them. A minute per stream, bounded by the rows there can be.
 */

import type { WorkerStream } from "../core/stats/mod.ts";
import type { Trend } from "./sight.ts";
import { figuresOf } from "./stream_rows.ts";

const seconds = 60;
const rateSeconds = 10;

/** What has a trend. */
export interface StreamTrend {
  /** Records that came into the spool. */
  sent: Trend;
  /** Records that the sink got. */
  acked: Trend;
}

const counts = ["sent", "acked"] as const;
type Sample = { ms: number } & Record<typeof counts[number], number>;

/** See the header. */
export class StreamTrends {
  readonly #samples = new Map<string, Sample[]>();

  /** Once a second. `nowMs` is monotonic. */
  tick(nowMs: number, rows: readonly WorkerStream[]): void {
    const names = new Set(rows.map(({ stream }) => stream));
    for (const name of this.#samples.keys()) if (!names.has(name)) this.#samples.delete(name);
    for (const name of names) {
      const { sent, acked } = figuresOf(rows, name)!;
      let samples = this.#samples.get(name);
      if (!samples) this.#samples.set(name, samples = []);
      const last = samples.at(-1);
      // A spool that was made anew counts from nothing.
      if (last && (sent < last.sent || acked < last.acked)) samples.length = 0;
      samples.push({ ms: nowMs, sent, acked });
      if (samples.length > seconds + 1) samples.shift();
    }
  }

  /** Stream `name`; nothing known before its second tick. */
  of(name: string): StreamTrend {
    const samples = this.#samples.get(name) ?? [];
    return { sent: trend(samples, "sent"), acked: trend(samples, "acked") };
  }
}

function trend(samples: readonly Sample[], count: typeof counts[number]): Trend {
  const rate = (from: Sample, to: Sample) =>
    to.ms > from.ms ? (to[count] - from[count]) / ((to.ms - from.ms) / 1000) : 0;
  const last = samples.at(-1);
  const first = samples.at(-1 - rateSeconds) ?? samples[0];
  return {
    ratePerSecond: last && first && samples.length > 1 ? rate(first, last) : null,
    points: samples.slice(1).map((sample, before) => rate(samples[before]!, sample)),
  };
}
