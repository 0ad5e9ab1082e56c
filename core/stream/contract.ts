/**
 * What the parts of a stream say to each other. A worker's {@link Stream} appends records to its lane of the spool; the
 * shipper, another process, tails all lanes and hands batches to a {@link Sink}, which is the only part that knows where
 * records go.
 *
 * ```
 * ctx.stream("decisions").send(record)
 *   └─ lane writer: <spool>/decisions/<lane>/… (record_codec.ts)       worker
 *        └─ stream shipper: reads lanes, batches, retries, counts        shipper
 *             └─ sink: kafka, file, stdout
 * ```
 *
 * A record is in exactly one place of `sent = acked + failed + dropped + queued`, at any moment.
 */
import type { Log } from "../context.ts";
import type { StreamPlan } from "../manifest/plan.ts";

/** How a record goes to its sink. */
export interface RecordOptions {
  /** Records of one key keep their order and go to one partition. */
  key?: string | Uint8Array;
  /** Names and texts that travel beside the value. */
  headers?: Readonly<Record<string, string>>;
  /** Epoch ms; now unless given. */
  timestamp?: number;
}

/** A declared stream as a handler sees it. */
export interface Stream {
  readonly name: string;
  /**
   * Appends a record and resolves when it is as safe as `spool.sync` says: with `never` or an interval when the kernel
   * has it (it survives the end of this process), with `always` when the disk has it (it survives a power failure).
   * Where the spool is full it waits no longer than the deadline (`full: block`). Rejects with ServiceError `spool_full`:
   * then the record is in no place; or with `spool_failed` where the disk does not take it: then it may still arrive, where the
   * disk took a part. Throws RangeError for a record larger than `limits.record` and TypeError for one that the codec
   * cannot encode.
   */
  send(record: unknown, options?: RecordOptions): Promise<void>;
  /**
   * Appends a record and does not wait: true when it was taken, and will be written within some milliseconds; false when
   * the spool is full or broken, which is counted. Throws as {@link send} does.
   */
  offer(record: unknown, options?: RecordOptions): boolean;
}

/** The streams of one worker. */
export interface Streams {
  /** `deadline`: epoch ms until which `send` may wait for room. TypeError where no stream has that name. */
  handle(name: string, call: { readonly deadline: number }): Stream;
  /**
   * As `offer` of the stream `name`, for a value that is encoded already (a line of a log). RangeError where it is longer
   * than `limits.record`.
   */
  offerEncoded(name: string, value: Uint8Array): boolean;
  /** Writes what waits, within a limit, and gives up its lanes. Never rejects. */
  close(): Promise<void>;
}

/** A record as it stands in a spool. */
export interface SpoolRecord {
  /** Running number within its lane, 1…; no number is used twice. */
  readonly sequence: number;
  /** Epoch ms. */
  readonly timestamp: number;
  /** null where there is none. */
  readonly key: Uint8Array | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Encoded. A view of memory that stays as it is as long as the record is held. */
  readonly value: Uint8Array;
}

/** A record on its way to a sink. */
export interface OutgoingRecord extends SpoolRecord {
  /** Name of the lane; with `sequence` it says for good which record this is. */
  readonly lane: string;
}

/**
 * Where the records of one stream go. Not called again before its promise is settled: order is the shipper's matter,
 * and so are retries of a whole batch. Within one call a sink may try again as often as it likes within `timeoutMs`.
 */
export interface Sink {
  /**
   * Resolves when all of `records` are acknowledged. Rejects with {@link SinkError}; records that it did write by then may be written
   * once more by the next call.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  /** What is worth telling on the page of the stream: brokers, partitions; a text per line. */
  describe?(): string[];
  /** Gives up its connections; never rejects. */
  close(): Promise<void>;
}

/** What a sink is made with. */
export interface SinkInit {
  /** `decisions` of `streams.decisions`. */
  readonly name: string;
  readonly plan: StreamPlan;
  /** Longest time of one `send`, ms. */
  readonly timeoutMs: number;
  /** `streams.<name>`. */
  readonly log: Log;
}

/** Makes sinks of one kind; does not connect yet. */
export type MakeSink = (init: SinkInit) => Sink;

/** Why a sink did not take records. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  /**
   * unavailable: nothing is wrong with the records, the same ones are sent again for as long as it takes. refused: the
   * sink will not have at least one of them; which one is found out by halves, unless `refused` says it.
   */
  readonly kind: "unavailable" | "refused";
  /** Indexes of the records that it will not have; undefined where it does not know. */
  readonly refused: readonly number[] | undefined;

  constructor(
    kind: "unavailable" | "refused",
    message: string,
    options: { cause?: unknown; refused?: readonly number[] } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.refused = options.refused;
  }
}

/** What the shipper says of one stream; all figures are of the same moment. */
export interface StreamFigures {
  state: StreamStateName;
  /** Records that the spool took, since it was made. */
  sent: number;
  /** Records that the sink has. */
  acked: number;
  /** Records in the dead-letter file, and those whose bytes were damaged. */
  failed: number;
  /** Records that were given up for newer ones (`full: dropOldest`). */
  dropped: number;
  /** Records that wait, those on their way among them. */
  queued: number;
  /** Bytes of the spool's files. */
  queuedBytes: number;
  /** Epoch ms of the oldest record that waits; 0 where none does. */
  oldestAt: number;
  /** Records of the batch that is on its way: as many may come twice when the shipper is killed now. */
  inflight: number;
  /** Batches that were sent again. */
  retries: number;
  /** Lanes that have records, or a living writer. */
  lanes: number;
  /** Bytes of segments that could not be read. */
  damagedBytes: number;
  /** Epoch ms of the last acknowledgement; 0 before the first. */
  ackedAt: number;
  /** Epoch ms when these figures were true. */
  at: number;
  /** The last failure, empty without one; cut at 256 bytes. */
  error: string;
  /** Epoch ms; 0 without one. */
  errorAt: number;
}

/** What a stream's shipper does. The number in the shared row is the place in this list. */
export const streamStates = ["idle", "sending", "backingOff", "waitingForLock", "stopped"] as const;
export type StreamStateName = typeof streamStates[number];
