/** The streams of one process that writes them. */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Plan } from "../manifest/plan.ts";
import type { SeriesWriter } from "../series_writer.ts";
import type { Streams } from "./contract.ts";

/** What spools are opened with. */
export interface SpoolsInit {
  readonly plan: Plan;
  /** Who writes: part of the names of its lanes. */
  readonly role: string;
  readonly id: number;
  readonly stats: SeriesWriter;
  readonly clock: Clock;
  /** `streams.<name>`. */
  logger(name: string): Log;
}

/** Opens a lane for every stream of the plan. Throws where a folder cannot be made. */
export function openSpools(_init: SpoolsInit): Streams {
  throw new Error("Cannot open spools: nothing writes them yet");
}
