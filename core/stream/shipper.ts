/** Ships all streams of a plan, each on its own: one that does not work says so and holds up no other. */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Plan, StreamPlan } from "../manifest/plan.ts";
import type { SeriesWriter } from "../series_writer.ts";
import type { MakeSink, StreamFigures } from "./contract.ts";
import { StreamShipper } from "./stream_shipper.ts";

/** What a shipper is made with. */
export interface ShipperInit {
  plan: Plan;
  /** Makers of sinks by the key of the plan (kafka, file, stdout), loaded when needed. */
  sinks: Readonly<Record<string, () => Promise<MakeSink>>>;
  /** Tells the figures of a stream, at least every 250 ms while something happens and every second otherwise. */
  publish(stream: string, figures: StreamFigures): void;
  stats: SeriesWriter;
  clock: Clock;
  /** `streams.<name>`. */
  logger(name: string): Log;
}

/** Streams that are shipped. */
export interface Shipper {
  /**
   * Ships what is there, at most `drainMs`; resolves with what is left, by stream (records), cursors written, locks
   * released. Never rejects. Workers have stopped before.
   */
  drain(drainMs: number): Promise<Record<string, number>>;
}

/** Begins to ship. Never throws for a stream that does not work: it says so in its figures and log and tries again. */
export function startShipper(init: ShipperInit): Shipper {
  const { plan, sinks, publish, stats, clock, logger } = init;
  const streams = Object.entries(plan.streams).map(([name, stream]) => ({
    name,
    shipper: new StreamShipper({
      name,
      plan: stream,
      load: () => loadSink(sinks, stream),
      publish: (figures) => publish(name, figures),
      stats,
      clock,
      log: logger(`streams.${name}`),
    }),
  }));
  return {
    async drain(drainMs) {
      const left: Record<string, number> = {};
      await Promise.all(streams.map(async ({ name, shipper }) => {
        left[name] = await shipper.drain(drainMs);
      }));
      return left;
    },
  };
}

async function loadSink(sinks: ShipperInit["sinks"], plan: StreamPlan): Promise<MakeSink> {
  // Not the list of the schema: that would load the schema library.
  const kind = Object.keys(sinks).find((key) => plan[key as keyof StreamPlan] !== undefined);
  if (kind === undefined) throw new TypeError("Cannot ship records: nothing is given that sends them there");
  return await sinks[kind]!();
}
