/** Spools for tests: one stream, `s`, in a folder of its own, with its log and counts in memory. */
import { type Clock, systemClock } from "../../clock.ts";
import type { Log } from "../../context.ts";
import type { Plan, StreamPlan } from "../../manifest/plan.ts";
import type { SeriesWriter } from "../../series_writer.ts";
import type { Stream, Streams } from "../contract.ts";
import { openSpools, prepareSpools } from "../spools.ts";

export interface WritingOptions {
  directory: string;
  codec?: StreamPlan["codec"];
  max?: number;
  full?: StreamPlan["spool"]["full"];
  sync?: StreamPlan["spool"]["sync"];
  record?: number;
  workers?: number;
  id?: number;
  clock?: Clock;
}

/** Counters and gauges by name and labels. */
export class MemorySeries implements SeriesWriter {
  readonly values = new Map<string, number>();

  counter(name: string, labels: Record<string, string> = {}) {
    const key = keyOf(name, labels);
    this.values.set(key, 0);
    return { add: (n = 1) => void this.values.set(key, this.values.get(key)! + n) };
  }
  gauge(name: string, labels: Record<string, string> = {}) {
    return { set: (value: number) => void this.values.set(keyOf(name, labels), value) };
  }
  histogram(name: string, labels: Record<string, string> = {}) {
    const counter = this.counter(name, labels);
    return { record: () => counter.add() };
  }
  refused(reason: string): number {
    return this.values.get(`weir_stream_refused_total s ${reason}`)!;
  }
  of(name: string): number {
    return this.values.get(`${name} s`)!;
  }
}

function keyOf(name: string, labels: Record<string, string>): string {
  return [name, ...Object.values(labels)].join(" ");
}

export function memoryLog(lines: string[]): Log {
  const line = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Log = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: () => log,
  };
  return log;
}

export function planOf(options: WritingOptions): Plan {
  const { directory, codec = "json", max = 2 ** 30, full = "block", sync = "never", record = 2 ** 20 } =
    options;
  const stream = { codec, spool: { directory, max, full, sync }, limits: { record } };
  return { workers: { count: options.workers ?? 1 }, streams: { s: stream } } as unknown as Plan;
}

export interface Writing {
  streams: Streams;
  stream: Stream;
  series: MemorySeries;
  lines: string[];
  folder: string;
  withDeadline(deadline: number): Stream;
}

export async function startWriting(options: WritingOptions): Promise<Writing> {
  const plan = planOf(options);
  await prepareSpools(plan);
  const series = new MemorySeries();
  const lines: string[] = [];
  const clock = options.clock ?? systemClock;
  const log = memoryLog(lines);
  const streams = openSpools({
    plan,
    role: "worker",
    id: options.id ?? 1,
    stats: series,
    clock,
    logger: () => log,
  });
  const withDeadline = (deadline: number) => streams.handle("s", { deadline });
  return {
    streams,
    stream: withDeadline(Infinity),
    series,
    lines,
    folder: `${options.directory}/s`,
    withDeadline,
  };
}

/** Bytes of all segments of a stream's folder, as a bound sees them. */
export function bytesOfSegments(folder: string): number {
  let sum = 0;
  for (const lane of Deno.readDirSync(folder)) {
    if (!lane.isDirectory) continue;
    try {
      for (const { name } of Deno.readDirSync(`${folder}/${lane.name}`)) {
        if (/\.(open|seg)$/.test(name)) sum += sizeOf(`${folder}/${lane.name}/${name}`);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return sum;
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
