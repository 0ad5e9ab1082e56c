/**
 * Ships one stream: holds its folder, fills the next batch from the lanes while the one before is on its way, settles
 * what was delivered, and tells its figures. All of it is one loop of short synchronous turns; only the sink is waited for.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers";
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { StreamPlan } from "../manifest/plan.ts";
import type { SeriesWriter } from "../series_writer.ts";
import { Batch } from "./batch.ts";
import type { MakeSink, StreamFigures, StreamStateName } from "./contract.ts";
import { DeadLetters } from "./dead_letters.ts";
import { Abandoned, cut, Delivery } from "./delivery.ts";
import { Lanes } from "./lanes.ts";
import { Pause } from "./pause.ts";
import { recordOverheadBytes } from "./record_codec.ts";
import { type OpenSegment, openSegment } from "./segment_file.ts";
import { streamFolder } from "./spool_names.ts";
import { streamFigures } from "./stream_figures.ts";
import { TotalsFile } from "./totals_file.ts";

/** What a stream is shipped with. */
export interface StreamShipperInit {
  readonly name: string;
  readonly plan: StreamPlan;
  /** Loads what makes the sink. */
  load(): Promise<MakeSink>;
  publish(figures: StreamFigures): void;
  readonly stats: SeriesWriter;
  readonly clock: Clock;
  readonly log: Log;
  /** Opens segments; the ones of the disk unless given. */
  readonly open?: OpenSegment;
}

const sinkTimeoutMs = 30_000;
const lockEveryMs = 500;
const publishBusyMs = 200;
const publishIdleMs = 1000;
const minPollMs = 10;
const maxPollMs = 100;
const errorRestMs = 1000;
const logErrorEveryMs = 30_000;
/** A record that was written under larger limits than those of now is no damage. */
const leastMaxRecordBytes = 64 * 1024 * 1024;

export class StreamShipper {
  readonly #init: StreamShipperInit;
  readonly #folder: string;
  readonly #pause: Pause;
  readonly #totals: TotalsFile;
  readonly #lanes: Lanes;
  readonly #delivery: Delivery;
  readonly #ended: Promise<void>;
  #lock: Deno.FsFile | undefined;
  #lockState: "unknown" | "waiting" | "failed" | "held" = "unknown";
  #ahead: Batch;
  #sending: Batch | undefined;
  #pollMs = minPollMs;
  #drainUntil = Infinity;
  #drained: Promise<number> | undefined;
  #stopped = false;
  /** Something changed since the figures were told. */
  #changed = false;
  #publishedAt = -Infinity;
  #tailsKnown = false;
  #error = "";
  #errorAt = 0;
  #errorLoggedAt = -Infinity;

  constructor(init: StreamShipperInit) {
    const { name, plan, stats, clock, log } = init;
    this.#init = init;
    this.#folder = streamFolder(plan.spool.directory, name);
    this.#pause = new Pause(clock);
    this.#totals = new TotalsFile(this.#folder);
    const labels = { stream: name };
    const seconds = stats.histogram("weir_stream_batch_seconds", labels, {
      unit: "ms",
      help: "Time in which a sink took a batch.",
    });
    const records = stats.histogram("weir_stream_batch_records", labels, { help: "Records of a batch." });
    const givenUp = stats.counter(
      "weir_stream_dead_letter_bytes_given_up_total",
      labels,
      "Bytes of older dead letters that made room for newer ones.",
    );
    this.#lanes = new Lanes({
      streamFolder: this.#folder,
      maxRecordBytes: Math.max(plan.limits.record, leastMaxRecordBytes) + recordOverheadBytes,
      totals: this.#totals,
      open: init.open ?? openSegment,
      now: () => clock.now(),
      log,
      failed: (error) => this.#fail(error),
    });
    this.#delivery = new Delivery({
      load: init.load,
      sink: { name, plan, timeoutMs: sinkTimeoutMs, log },
      attempts: plan.attempts,
      clock,
      log,
      deadLetters: new DeadLetters(this.#folder, {
        gaveUp(bytes) {
          givenUp.add(bytes);
          log.error("older dead letters are given up: there are too many", { bytes });
        },
      }),
      sent(durationMs, count) {
        seconds.record(durationMs);
        records.record(count);
      },
    });
    this.#ahead = this.#newBatch();
    this.#ended = this.#run();
  }

  /** Ships what is there within `drainMs`; how many records are left. Never rejects. */
  drain(drainMs: number): Promise<number> {
    return this.#drained ??= this.#drain(drainMs);
  }

  async #drain(drainMs: number): Promise<number> {
    const { clock, log } = this.#init;
    this.#drainUntil = Math.min(this.#drainUntil, clock.now() + drainMs);
    this.#delivery.hurry();
    this.#pause.ring();
    await this.#ended;
    const held = this.#lockState === "held";
    this.#stopped = true;
    await this.#delivery.end();
    if (!held) {
      this.#publish();
      return 0;
    }
    this.#lanes.writeCursors(this.#lanes.all, { sync: true });
    this.#lanes.tidy();
    const { queued } = this.#publish();
    if (queued > 0) log.warn(`${queued} records are left and will be shipped next time`);
    this.#lanes.close();
    this.#lock?.close();
    return queued;
  }

  #newBatch(): Batch {
    return new Batch(this.#init.plan.batch);
  }

  get #draining(): boolean {
    return this.#drainUntil < Infinity;
  }

  async #run(): Promise<void> {
    const { clock } = this.#init;
    // whoever made this is not called from within
    await Promise.resolve();
    while (clock.now() < this.#drainUntil) {
      let waitMs: number;
      try {
        waitMs = this.#turn();
      } catch (error) {
        this.#fail(error);
        if (!this.#draining) waitMs = errorRestMs;
        else waitMs = this.#lockState === "held" ? maxPollMs : -1;
      }
      this.#publishIfDue();
      if (waitMs < 0) return;
      if (waitMs === 0) await new Promise((resolve) => setImmediate(resolve));
      else await this.#pause.wait(Math.max(1, Math.min(waitMs, this.#drainUntil - clock.now())));
    }
  }

  /** One turn; ms until the next one, 0: at once, -1: all is shipped and draining. */
  #turn(): number {
    const { clock, plan } = this.#init;
    if (!this.#hold()) return this.#draining ? -1 : lockEveryMs;
    this.#lanes.look(this.#draining);
    const before = this.#ahead.count;
    const taken = this.#ahead.full
      ? "more"
      : this.#lanes.fill(this.#ahead, plan.batch.records, this.#draining);
    const moved = this.#ahead.count > before;
    if (moved) {
      this.#changed = true;
      if (before === 0) this.#ahead.startedAt = clock.now();
    }
    const dueMs = this.#dispatch(taken);
    this.#lanes.tidy();
    if (this.#draining && taken === "end" && this.#sending === undefined && this.#ahead.empty) return -1;
    this.#pollMs = moved ? minPollMs : Math.min(maxPollMs, this.#pollMs * 1.5);
    // the delivery rings when it is done
    if (this.#ahead.full) return maxPollMs;
    if (taken === "more") return 0;
    return Math.max(1, Math.min(taken === "wait" ? minPollMs : this.#pollMs, dueMs));
  }

  /** Holds the folder; false while another shipper does. */
  #hold(): boolean {
    if (this.#lockState === "held") return true;
    const { log, name } = this.#init;
    let lock: Deno.FsFile | undefined;
    try {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      lock = Deno.openSync(join(this.#folder, "lock"), {
        read: true,
        write: true,
        create: true,
        mode: 0o600,
      });
      if (!lock.tryLockSync(true)) {
        lock.close();
        if (this.#lockState !== "waiting") {
          log.warn("another process ships this stream: waiting until it ends");
        }
        this.#lockState = "waiting";
        return false;
      }
      if (!this.#totals.load()) {
        log.error("the totals of the stream are damaged: counting begins anew", { stream: name });
      }
    } catch (error) {
      lock?.close();
      this.#lockState = "failed";
      throw error;
    }
    if (this.#lockState === "waiting") log.info("the other process has ended: shipping");
    this.#lock = lock;
    this.#lockState = "held";
    return true;
  }

  /** Sends the next batch when it is due and none is on its way; ms until it is due. */
  #dispatch(taken: string): number {
    const batch = this.#ahead;
    if (batch.empty || this.#sending !== undefined) return maxPollMs;
    const { clock, plan } = this.#init;
    const dueMs = batch.startedAt + plan.batch.wait - clock.now();
    const hurried = this.#draining && taken === "end";
    if (!batch.full && batch.records.length > 0 && dueMs > 0 && !hurried) return dueMs;
    this.#sending = batch;
    this.#ahead = this.#newBatch();
    if (batch.records.length === 0) this.#settle(batch, new Map());
    else void this.#deliver(batch);
    return maxPollMs;
  }

  async #deliver(batch: Batch): Promise<void> {
    try {
      const refused = await this.#delivery.deliver(batch);
      if (!this.#stopped) this.#settle(batch, refused);
    } catch (error) {
      if (!(error instanceof Abandoned)) {
        // nothing else is thrown; the batch stays where it is and is delivered again
        this.#fail(error);
        this.#init.clock.after(errorRestMs, () => void this.#deliver(batch));
      }
    } finally {
      this.#pause.ring();
    }
  }

  /** From here on the records of the batch are done. */
  #settle(batch: Batch, refused: ReadonlyMap<string, number>): void {
    const epoch = this.#init.clock.epoch();
    for (const slice of batch.slices.values()) {
      slice.lane.settle(slice, refused.get(slice.lane.name) ?? 0, epoch);
    }
    this.#sending = undefined;
    this.#changed = true;
    this.#lanes.writeCursors(batch.slices.keys(), { sync: false });
  }

  #publishIfDue(): void {
    const since = this.#init.clock.now() - this.#publishedAt;
    if (since < (this.#changed ? publishBusyMs : publishIdleMs)) return;
    // what was told before a restart does not go back: all lanes are looked at to their ends first
    if (this.#lockState === "held" && !this.#tailsKnown) {
      this.#tailsKnown = this.#lanes.lookAtTails();
      if (!this.#tailsKnown) return;
    }
    this.#publish();
  }

  #publish(): StreamFigures {
    const { clock } = this.#init;
    if (this.#lockState === "held") this.#lanes.lookAtTails();
    const delivery = this.#delivery;
    const own = this.#errorAt >= delivery.errorAt;
    const figures = streamFigures({
      state: this.#stateName(),
      lanes: this.#lanes.all,
      totals: this.#totals.totals,
      sending: this.#sending,
      ahead: this.#ahead,
      retries: delivery.retries,
      error: own ? this.#error : delivery.error,
      errorAt: own ? this.#errorAt : delivery.errorAt,
      at: clock.epoch(),
    });
    this.#publishedAt = clock.now();
    this.#changed = false;
    try {
      this.#init.publish(figures);
    } catch (error) {
      this.#fail(error);
    }
    return figures;
  }

  #stateName(): StreamStateName {
    if (this.#stopped) return "stopped";
    if (this.#lockState === "waiting") return "waitingForLock";
    if (this.#lockState === "failed") return "backingOff";
    return this.#delivery.state;
  }

  #fail(error: unknown): void {
    const { clock, log } = this.#init;
    this.#error = cut(error instanceof Error ? error.message : String(error));
    this.#errorAt = clock.epoch();
    this.#changed = true;
    if (clock.now() - this.#errorLoggedAt < logErrorEveryMs) return;
    this.#errorLoggedAt = clock.now();
    log.error("the stream cannot go on for now", { error: this.#error });
  }
}
