/** What the parts of a pool share: its settings, its places for threads, its services, its series. */
import { pathToFileURL } from "node:url";
import { type Clock, systemClock } from "../clock.ts";
import type { Log } from "../context.ts";
import { ServiceError } from "../errors.ts";
import type { Job } from "./job.ts";
import { Place } from "./place.ts";
import { type PoolMetrics, poolMetrics } from "./pool_metrics.ts";
import type { PoolOptions, PoolSettings } from "./pool_options.ts";
import type { ServiceSource } from "./thread_protocol.ts";

/** A thread with this many calls that were given up but never settled is replaced. */
export const maxAbandoned = 16;

/** See the module's header. */
export class PoolCore {
  readonly name: string;
  readonly plan: PoolSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PoolMetrics;
  /** URL that modules resolve against. */
  readonly directory: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly places: readonly Place[];
  /** By their number; threads load all of them. */
  readonly services: ServiceSource[] = [];
  /** No more calls are taken, no more threads started. */
  closing = false;

  constructor(name: string, plan: PoolSettings, options: PoolOptions) {
    if (!(plan.threads >= 1)) {
      throw new RangeError(`Cannot start pool "${name}" with ${plan.threads} threads`);
    }
    this.name = name;
    this.plan = plan;
    this.clock = options.clock ?? systemClock;
    this.log = options.log;
    this.metrics = poolMetrics(options.stats, name);
    this.directory = pathToFileURL(`${options.directory}/`).href;
    this.config = options.context?.config ?? {};
    this.places = Array.from({ length: plan.threads }, (_, number) => new Place(number));
  }

  /** Names `job` in logs and errors. */
  textOf(job: Job): string {
    const source = job.source ?? this.services[job.service]!;
    return `${source.module.slice(source.module.lastIndexOf("/") + 1)}#${source.export}`;
  }

  /** The error of a call that passed its limit `where`. */
  timeoutError(job: Job, where: string): ServiceError {
    const text = `${this.textOf(job)} passed its time limit ${where} (pool "${this.name}")`;
    return new ServiceError("pool_timeout", text);
  }
}
