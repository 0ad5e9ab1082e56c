/** What one stream amounts to at a moment: each figure from its own source, none from the others. */
import type { Batch } from "./batch.ts";
import type { StreamFigures, StreamStateName } from "./contract.ts";
import type { Lane } from "./lane.ts";
import type { Totals } from "./totals_file.ts";

/** Where the figures come from; all of it as it is at one moment. */
export interface FigureSources {
  readonly state: StreamStateName;
  readonly lanes: readonly Lane[];
  readonly totals: Readonly<Totals>;
  /** On its way. */
  readonly sending: Batch | undefined;
  /** Read ahead. */
  readonly ahead: Batch;
  readonly retries: number;
  readonly error: string;
  readonly errorAt: number;
  readonly at: number;
}

/** Sums it up. */
export function streamFigures(sources: FigureSources): StreamFigures {
  const { state, lanes, totals, sending, ahead, retries, error, errorAt, at } = sources;
  const figures: StreamFigures = {
    state,
    sent: totals.sent,
    acked: totals.acked,
    failed: totals.failed,
    dropped: totals.dropped,
    queued: (sending?.count ?? 0) + ahead.count,
    queuedBytes: 0,
    oldestAt: 0,
    inflight: sending?.records.length ?? 0,
    retries,
    lanes: lanes.length,
    damagedBytes: totals.damagedBytes,
    ackedAt: totals.ackedAt,
    at,
    error,
    errorAt,
  };
  let oldestAt = Infinity;
  for (const lane of lanes) {
    const { counts } = lane;
    figures.sent += lane.sent;
    figures.acked += counts.acked;
    figures.failed += counts.failed;
    figures.dropped += counts.dropped;
    figures.queued += lane.unread;
    figures.queuedBytes += lane.list.bytes;
    figures.damagedBytes += counts.damagedBytes;
    figures.ackedAt = Math.max(figures.ackedAt, counts.ackedAt);
    const oldest = sending?.slices.get(lane)?.oldestAt || ahead.slices.get(lane)?.oldestAt ||
      lane.oldestUnreadAt;
    if (oldest > 0 && oldest < oldestAt) oldestAt = oldest;
  }
  if (oldestAt < Infinity) figures.oldestAt = oldestAt;
  return figures;
}
