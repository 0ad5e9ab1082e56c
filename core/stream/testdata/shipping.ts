/** A stream that is shipped in the process of a test: scripted sinks, and the balance of its figures at every publish. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Clock, systemClock } from "../../clock.ts";
import type { Log } from "../../context.ts";
import type { StreamPlan } from "../../manifest/plan.ts";
import type { SeriesWriter } from "../../series_writer.ts";
import type { MakeSink, OutgoingRecord, StreamFigures } from "../contract.ts";
import type { OpenSegment } from "../segment_file.ts";
import { StreamShipper } from "../stream_shipper.ts";

export const noStats: SeriesWriter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ record() {} }),
};

export interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

export function keptLog(lines: Line[]): Log {
  const at = (level: string) => (message: string, fields: Record<string, unknown> = {}) =>
    void lines.push({ level, message, fields });
  const log: Log = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => log,
  };
  return log;
}

export function streamPlan(directory: string, more: Record<string, unknown> = {}): StreamPlan {
  return {
    codec: "json",
    spool: { directory, max: 1 << 30, full: "block", sync: "never" },
    batch: { records: 100, bytes: 512 * 1024, wait: 1 },
    attempts: 3,
    limits: { record: 1 << 20 },
    stdout: {},
    ...more,
  } as StreamPlan;
}

export interface ShippingOptions {
  send?(records: readonly OutgoingRecord[], sink: number): Promise<void> | void;
  make?: MakeSink;
  plan?: Record<string, unknown>;
  clock?: Clock;
  open?: OpenSegment;
}

/** One stream `s` below a temporary folder. */
export class Shipping {
  readonly directory: string;
  readonly folder: string;
  readonly lines: Line[] = [];
  readonly published: StreamFigures[] = [];
  /** `<lane> <sequence>` of what the sink took, in order. */
  taken: string[] = [];
  sinks = 0;
  closed = 0;
  shipper: StreamShipper | undefined;
  readonly #options: ShippingOptions;
  readonly #broken: string[] = [];
  #concurrent = 0;

  constructor(
    options: ShippingOptions = {},
    directory: string = Deno.makeTempDirSync({ prefix: "weir-ship-" }),
  ) {
    this.#options = options;
    this.directory = directory;
    this.folder = join(directory, "s");
  }

  get figures(): StreamFigures | undefined {
    return this.published.at(-1);
  }

  start(): this {
    const { plan, clock = systemClock, open, make } = this.#options;
    this.shipper = new StreamShipper({
      name: "s",
      plan: streamPlan(this.directory, plan),
      load: () => Promise.resolve(make ?? (() => this.#sink())),
      publish: (figures) => this.#publish(figures),
      stats: noStats,
      clock,
      log: keptLog(this.lines),
      open,
    });
    return this;
  }

  #sink() {
    const number = ++this.sinks;
    return {
      send: async (records: readonly OutgoingRecord[]) => {
        if (this.#concurrent > 0) this.#broken.push("two sends at once");
        this.#concurrent++;
        try {
          await this.#options.send?.(records, number);
          for (const { lane, sequence } of records) this.taken.push(`${lane} ${sequence}`);
        } finally {
          this.#concurrent--;
        }
      },
      close: () => {
        this.closed++;
        this.#concurrent = 0;
        return Promise.resolve();
      },
    };
  }

  #publish(figures: StreamFigures): void {
    const { sent, acked, failed, dropped, queued } = figures;
    const before = this.published.at(-1);
    if (sent !== acked + failed + dropped + queued || queued < 0) this.#broken.push(JSON.stringify(figures));
    if (before !== undefined && before.state !== "waitingForLock") {
      for (const figure of ["sent", "acked", "failed", "dropped", "damagedBytes"] as const) {
        if (figures[figure] < before[figure]) {
          this.#broken.push(`${figure} goes back: ${JSON.stringify([before, figures])}`);
        }
      }
    }
    this.published.push(figures);
    if (this.published.length > 200) this.published.shift();
  }

  /** Waits until `fact` is true of the figures. */
  async until(fact: (figures: StreamFigures) => boolean, withinMs = 20_000): Promise<StreamFigures> {
    const from = performance.now();
    for (;;) {
      const { figures } = this;
      if (figures !== undefined && fact(figures)) return figures;
      if (performance.now() - from > withinMs) {
        throw new Error(
          `not within ${withinMs} ms: ${fact}; ${JSON.stringify(figures)} ${JSON.stringify(this.lines)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Drains, and checks that the figures were in balance all the time. */
  async end(drainMs = 20_000): Promise<number> {
    const left = await this.shipper!.drain(drainMs);
    assert.deepEqual(this.#broken, []);
    return left;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}
