/**
 * The streams of one process that writes them: a lane per stream (lane_writer.ts), opened at once and given up at the end.
 * Refuses to know where records go: that is the shipper's matter.
 */
import { dirname } from "node:path";
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Plan, StreamPlan } from "../manifest/plan.ts";
import type { SeriesWriter } from "../series_writer.ts";
import type { RecordOptions, Stream, Streams } from "./contract.ts";
import { LaneFiles } from "./lane_files.ts";
import { LaneFolder, type LaneOwner } from "./lane_folder.ts";
import { LaneSeries } from "./lane_series.ts";
import { LaneWriter } from "./lane_writer.ts";
import { recordOverheadBytes, segmentHeaderBytes } from "./record_codec.ts";
import { Room } from "./room.ts";
import { segmentBytesOf, streamFolder } from "./spool_names.ts";
import { encoderOf, loadEncoders } from "./value_encoders.ts";

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

/** Bound of each of the two buffers of a lane; longer where a record may be longer. */
const bufferBytes = 4 * 1024 * 1024;

interface Lane {
  readonly writer: LaneWriter;
  readonly folder: LaneFolder;
  readonly room: Room;
}

/** Loads what the codecs of `plan` need; before {@link openSpools}. */
export function prepareSpools(plan: Pick<Plan, "streams">): Promise<void> {
  return loadEncoders(Object.values(plan.streams).map(({ codec }) => codec));
}

/** Opens a lane for every stream of the plan. Throws where a folder cannot be made, or {@link prepareSpools} was left out. */
export function openSpools(init: SpoolsInit): Streams {
  const lanes = new Map<string, Lane>();
  const owner = { role: init.role, id: init.id, pid: Deno.pid, startedAt: init.clock.epoch() };
  try {
    for (const [name, plan] of Object.entries(init.plan.streams)) {
      lanes.set(name, openLane(name, plan, owner, init));
    }
  } catch (error) {
    closeAll(lanes.values());
    throw error;
  }
  const writerOf = (name: string): LaneWriter => {
    const lane = lanes.get(name);
    if (lane) return lane.writer;
    throw new TypeError(`There is no stream "${name}"; declared are: ${[...lanes.keys()].join(", ")}`);
  };
  return {
    handle: (name, call) => new LaneHandle(name, writerOf(name), call),
    offerEncoded: (name, value) => writerOf(name).offerEncoded(value),
    close: () => closeAll(lanes.values()),
  };
}

function openLane(name: string, plan: StreamPlan, owner: LaneOwner, init: SpoolsInit): Lane {
  const { clock } = init;
  const log = init.logger(`streams.${name}`);
  const { directory, max, full, sync } = plan.spool;
  const folder = streamFolder(directory, name);
  const segmentBytes = segmentBytesOf(max, init.plan.workers.count);
  const series = new LaneSeries(init.stats, name);
  const prepare = encoderOf(plan.codec);
  const lane = LaneFolder.open(folder, owner);
  const room = new Room({
    folder: dirname(lane.folder),
    maxBytes: max,
    segmentBytes,
    lane: lane.name,
    clock,
  });
  const drop = full === "dropOldest";
  const files = new LaneFiles({ lane, room, segmentBytes, sync, drop, series, clock, log });
  // What the whole spool cannot hold is too long at any time.
  const maxRecordBytes = Math.min(plan.limits.record, max - segmentHeaderBytes - recordOverheadBytes);
  const writer = new LaneWriter({
    name,
    files,
    prepare,
    full,
    sync,
    maxRecordBytes,
    groupBytes: segmentBytes - segmentHeaderBytes,
    bufferBytes: Math.max(bufferBytes, maxRecordBytes + recordOverheadBytes),
    series,
    clock,
    log,
  });
  return { writer, folder: lane, room };
}

async function closeAll(lanes: Iterable<Lane>): Promise<void> {
  await Promise.all(Array.from(lanes, async ({ writer, folder, room }) => {
    await writer.close();
    room.close();
    folder.close();
  }));
}

/** What a handler holds. */
class LaneHandle implements Stream {
  readonly name: string;
  readonly #writer: LaneWriter;
  readonly #call: { readonly deadline: number };

  constructor(name: string, writer: LaneWriter, call: { readonly deadline: number }) {
    this.name = name;
    this.#writer = writer;
    this.#call = call;
  }

  send(record: unknown, options?: RecordOptions): Promise<void> {
    return this.#writer.send(record, options, this.#call.deadline);
  }

  offer(record: unknown, options?: RecordOptions): boolean {
    return this.#writer.offer(record, options);
  }
}
