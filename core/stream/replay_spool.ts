/**
 * Hands records of a spool to a sink again: those that wait and those that are done alike. Changes nothing in the spool, so
 * the shipper sends what waits all the same; whoever reads sees a record as often as it was handed over.
 */
import { type OutgoingRecord, type Sink, SinkError } from "./contract.ts";
import { type FoundStream, readSegments } from "./find_lanes.ts";
import type { Unread } from "./segment_reader.ts";

/** Which records. */
export interface ReplayRange {
  /** This lane alone; the dead letters are asked for it, the others are found without. */
  readonly lane: string | undefined;
  /** Begin with this lane; the older ones are left out. */
  readonly fromLane: string | undefined;
  /** First sequence, of that lane alone where one is named. */
  readonly from: number;
  /** Last sequence of every lane. */
  readonly to: number;
}

/** Bytes that nobody can read, and where. */
export interface UnreadPlace extends Unread {
  readonly lane: string;
  readonly file: string;
}

/** How it went. */
export interface Replayed {
  /** Records that the sink has. */
  readonly handed: number;
  /** The first record of the batch that it did not take; begin with it to go on. */
  readonly stoppedAt: { readonly lane: string; readonly sequence: number } | undefined;
  /** Why; empty where it took all. */
  readonly cause: string;
}

/** The records of `stream` in the order of their lanes; `unread` hears of what is left out because it is damaged. */
export function* recordsOf(
  stream: FoundStream,
  range: ReplayRange,
  unread: (what: UnreadPlace) => void = () => {},
): Generator<OutgoingRecord> {
  const begin = range.fromLane === undefined
    ? 0
    : stream.lanes.findIndex(({ name }) => name === range.fromLane);
  if (begin < 0) throw new Error(`Cannot find the lane ${range.fromLane} of ${stream.name}`);
  for (const [index, lane] of stream.lanes.slice(begin).entries()) {
    const from = range.fromLane === undefined || index === 0 ? range.from : 0;
    for (const { segment, reader } of readSegments(lane)) {
      for (const { record } of reader) {
        const { sequence } = record;
        if (sequence >= from && sequence <= range.to) yield { ...record, lane: lane.name };
      }
      for (const passed of reader.unread) {
        const isOpen = passed.isTail && segment.last === 0;
        if (!isOpen) unread({ ...passed, lane: lane.name, file: segment.file });
      }
    }
  }
}

/** Hands `records` over, batch by batch, and ends with the first batch that the sink does not take. */
export async function replay(
  records: Iterable<OutgoingRecord>,
  sink: Sink,
  limits: { readonly records: number; readonly bytes: number },
): Promise<Replayed> {
  let handed = 0;
  for (const batch of batchesOf(records, limits)) {
    try {
      await sink.send(batch);
    } catch (error) {
      if (!(error instanceof SinkError)) throw error;
      const refused = error.refused?.[0];
      const { lane, sequence } = batch[refused ?? 0]!;
      const which = refused === undefined ? "" : ` (it is ${lane}/${sequence} that it will not have)`;
      const { lane: firstLane, sequence: first } = batch[0]!;
      return {
        handed,
        stoppedAt: { lane: firstLane, sequence: first },
        cause: `${error.message}${which}`,
      };
    }
    handed += batch.length;
  }
  return { handed, stoppedAt: undefined, cause: "" };
}

function* batchesOf(
  records: Iterable<OutgoingRecord>,
  limits: { readonly records: number; readonly bytes: number },
): Generator<OutgoingRecord[]> {
  let batch: OutgoingRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const more = record.value.length + (record.key?.length ?? 0);
    if (batch.length > 0 && (batch.length >= limits.records || bytes + more > limits.bytes)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(record);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
