/**
 * Brings a batch to its sink, for as long as it takes. A sink that cannot be reached gets the same records again, with
 * growing pauses; records that it refuses are found out, tried `attempts` times and become dead letters. One `send` is on
 * its way at any time; one that does not end is given up together with its sink.
 */
import { type Clock, jitter } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Batch } from "./batch.ts";
import { type MakeSink, type OutgoingRecord, type Sink, SinkError, type SinkInit } from "./contract.ts";
import type { DeadLetter, DeadLetters } from "./dead_letters.ts";
import type { Lane } from "./lane.ts";
import { Pause } from "./pause.ts";

/** What a delivery is made with. */
export interface DeliveryInit {
  load(): Promise<MakeSink>;
  readonly sink: SinkInit;
  readonly attempts: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadLetters: DeadLetters;
  /** Duration of a `send` that worked. */
  sent(durationMs: number, records: number): void;
}

/** Ends what waits in a delivery that was told to stop. */
export class Abandoned extends Error {
  override readonly name = "Abandoned";
}

const firstBackoffMs = 100;
const maxBackoffMs = 5000;
/** Before a refused record is tried again: short, because all others wait meanwhile. */
const firstRefusedMs = 10;
const sendMarginMs = 5000;
const closeWithinMs = 1000;
const logEveryMs = 30_000;
const maxErrorBytes = 256;

/** Delivers the batches of one stream, one at a time. */
export class Delivery {
  state: "idle" | "sending" | "backingOff" = "idle";
  retries = 0;
  /** The last failure, and its time in epoch ms. */
  error = "";
  errorAt = 0;
  readonly #init: DeliveryInit;
  readonly #pause: Pause;
  #sink: Sink | undefined;
  #abandoned = false;
  /** Ends what is waited for now. */
  #abandon: () => void = () => {};
  #failures = 0;
  /** The log says that the sink does not take records. */
  #told = false;
  #loggedAt = -Infinity;

  constructor(init: DeliveryInit) {
    this.#init = init;
    this.#pause = new Pause(init.clock);
  }

  /** Lines of the sink about itself. */
  describe(): string[] {
    return this.#sink?.describe?.() ?? [];
  }

  /**
   * Resolves when every record of `batch` is acknowledged or a dead letter, with the numbers of the latter by lane. Rejects
   * with {@link Abandoned} only.
   */
  async deliver(batch: Batch): Promise<ReadonlyMap<string, number>> {
    try {
      let refused = await this.#push(batch.records);
      for (let tries = 1; refused.length > 0 && tries < this.#init.attempts; tries++) {
        this.retries++;
        await this.#backOff(tries, firstRefusedMs);
        refused = await this.#push(refused.map(({ record }) => record));
      }
      if (refused.length > 0) await this.#bury(refused);
      return countByLane(refused);
    } finally {
      this.state = "idle";
    }
  }

  /** Ends the pause before a next try: there is not much time left. */
  hurry(): void {
    this.#pause.ring();
  }

  /** Gives up what is on its way, and the sink; resolves within a second. */
  async end(): Promise<void> {
    this.#abandoned = true;
    this.#abandon();
    this.#pause.ring();
    await this.#closeSink();
  }

  /** Sends all of `records` except those that are refused, which it returns. */
  async #push(records: readonly OutgoingRecord[]): Promise<DeadLetter[]> {
    const refused: DeadLetter[] = [];
    const parts = [records];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const error = part.length === 0 ? undefined : await this.#sendUntilKnown(part);
      if (error === undefined) continue;
      const cause = cut(error.message);
      const { length } = part;
      const indexes = new Set(error.refused?.filter((index) => index >= 0 && index < length));
      if (indexes.size > 0 || length === 1) {
        const whose = indexes.size > 0 ? indexes : new Set([0]);
        for (const index of whose) refused.push({ record: part[index]!, cause });
        parts.push(part.filter((_, index) => !whose.has(index)));
      } else {
        const half = length >> 1;
        parts.push(part.slice(half), part.slice(0, half));
      }
    }
    return refused;
  }

  /** Sends until the sink has them all (undefined) or refuses some. */
  async #sendUntilKnown(records: readonly OutgoingRecord[]): Promise<SinkError | undefined> {
    const { clock, log } = this.#init;
    for (let tries = 1;; tries++) {
      if (this.#abandoned) throw new Abandoned("the stream ends");
      this.state = "sending";
      const startedAt = clock.now();
      try {
        await this.#sendOnce(records);
        if (this.#told) log.info("the sink takes records again", { tries: this.#failures });
        this.#failures = 0;
        this.#told = false;
        this.#init.sent(clock.now() - startedAt, records.length);
        return undefined;
      } catch (error) {
        if (error instanceof Abandoned) throw error;
        if (error instanceof SinkError && error.kind === "refused") {
          this.#fail(error, "the sink refuses records");
          return error;
        }
        this.#failures++;
        this.#told = this.#fail(error, "the sink does not take records: they are sent again") || this.#told;
      }
      this.retries++;
      await this.#backOff(tries);
    }
  }

  async #sendOnce(records: readonly OutgoingRecord[]): Promise<void> {
    const sink = this.#sink ??= await this.#load();
    const { timeoutMs } = this.#init.sink;
    await this.#limited(sendBy(sink, records), timeoutMs + sendMarginMs, () => {
      void this.#closeSink();
      return new SinkError("unavailable", `no answer within ${timeoutMs + sendMarginMs} ms`);
    });
  }

  async #load(): Promise<Sink> {
    const { load, sink: { timeoutMs } } = this.#init;
    const make = await this.#limited(
      load(),
      timeoutMs,
      () => new SinkError("unavailable", `what makes the sink did not load within ${timeoutMs} ms`),
    );
    return make(this.#init.sink);
  }

  /** Settles as `work` does, or when the time or the stream ends; what `work` does after that is nobody's. */
  #limited<T>(work: Promise<T>, limitMs: number, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#init.clock.after(limitMs, () => reject(late()));
      const settle = (end: () => void) => {
        cancel();
        this.#abandon = () => {};
        end();
      };
      this.#abandon = () => settle(() => reject(new Abandoned("the stream ends")));
      work.then((value) => settle(() => resolve(value)), (error) => settle(() => reject(error)));
    });
  }

  async #closeSink(): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink === undefined) return;
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => cancel = this.#init.clock.after(closeWithinMs, resolve));
    const closed = closing(sink).catch((error) => void this.#fail(error, "the sink does not close"));
    await Promise.race([closed, limit]);
    cancel();
  }

  /** Writes dead letters, for as long as it takes: until then the records wait. */
  async #bury(letters: readonly DeadLetter[]): Promise<void> {
    const { clock, deadLetters, log } = this.#init;
    for (let tries = 1;; tries++) {
      if (this.#abandoned) throw new Abandoned("the stream ends");
      try {
        deadLetters.append(letters, clock.epoch());
        log.error("records are dead letters: the sink refused them", {
          records: letters.length,
          lane: letters[0]!.record.lane,
          sequence: letters[0]!.record.sequence,
          cause: letters[0]!.cause,
        });
        return;
      } catch (error) {
        this.#fail(error, "the dead letters cannot be written: the stream waits");
      }
      await this.#backOff(tries);
    }
  }

  async #backOff(tries: number, firstMs = firstBackoffMs): Promise<void> {
    this.state = "backingOff";
    const { clock } = this.#init;
    await this.#pause.wait(
      jitter(clock, Math.min(maxBackoffMs, firstMs * 2 ** Math.min(tries - 1, 16)), 0.2),
    );
    if (this.#abandoned) throw new Abandoned("the stream ends");
  }

  /** Notes a failure; true when it was logged. */
  #fail(error: unknown, message: string): boolean {
    const { clock, log } = this.#init;
    this.error = cut(error instanceof Error ? error.message : String(error));
    this.errorAt = clock.epoch();
    if (clock.now() - this.#loggedAt < logEveryMs) return false;
    this.#loggedAt = clock.now();
    log.warn(message, { error: this.error });
    return true;
  }
}

async function sendBy(sink: Sink, records: readonly OutgoingRecord[]): Promise<void> {
  await sink.send(records);
}

async function closing(sink: Sink): Promise<void> {
  await sink.close();
}

function countByLane(letters: readonly DeadLetter[]): Map<Lane["name"], number> {
  const counts = new Map<string, number>();
  for (const { record: { lane } } of letters) counts.set(lane, (counts.get(lane) ?? 0) + 1);
  return counts;
}

/** At most 256 bytes of a text. */
export function cut(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxErrorBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxErrorBytes - 3)).replace(/\uFFFD+$/, "");
}
