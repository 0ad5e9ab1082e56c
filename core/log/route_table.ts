/**
 * Which lines are written, and where to: the manifest's routes and the levels set at run time, answered per logger and
 * level. A line goes to every route that matches, up to the first with `only`; where none matches, to the console.
 * Asked once per logger and change of levels, never per line.
 */
import type { Clock } from "../clock.ts";
import { fatalLevel, levelNumber, traceLevel } from "./log_level.ts";
import { compileLoggerGlob } from "./logger_glob.ts";

/** The sink that is always there. */
export const consoleSink = "console";
/** The sink that forgets. */
export const nullSink = "null";

/** The part of the manifest's `logs` this table needs. */
export interface RoutesPlan {
  level: string;
  routes: ReadonlyArray<{ match: string; level: string; to: readonly string[]; only: boolean }>;
}

interface Route {
  matches: (logger: string) => boolean;
  level: number;
  to: readonly string[];
  only: boolean;
}

interface Override {
  glob: string;
  matches: (logger: string) => boolean;
  level: number;
  cancel?: () => void;
}

const maxOverrides = 64;

/** Routes and levels of one process. */
export class RouteTable {
  /** Grows with every change of levels: whoever keeps an answer asks again when it differs. */
  version = 0;
  readonly #level: number;
  readonly #routes: Route[];
  readonly #clock: Clock;
  /** Newest first. */
  #overrides: Override[] = [];

  /** Throws RangeError for an unknown level. */
  constructor(plan: RoutesPlan, clock: Clock) {
    this.#clock = clock;
    this.#level = levelNumber(plan.level);
    this.#routes = plan.routes.map((route) => ({
      matches: compileLoggerGlob(route.match),
      level: levelNumber(route.level),
      to: route.to,
      only: route.only,
    }));
  }

  /** Least level that `logger` writes at all. */
  threshold(logger: string): number {
    return this.#overrides.find((override) => override.matches(logger))?.level ?? this.#level;
  }

  /** The sinks a line of `logger` at `level` goes to; empty below the threshold. */
  sinks(logger: string, level: number): string[] {
    if (level < this.threshold(logger)) return [];
    const to = new Set<string>();
    let matched = false;
    for (const route of this.#routes) {
      if (level < route.level || !route.matches(logger)) continue;
      matched = true;
      for (const name of route.to) to.add(name);
      if (route.only) break;
    }
    if (!matched) to.add(consoleSink);
    to.delete(nullSink);
    return [...to];
  }

  /** Sinks for all levels at once; the place in the list is the level. */
  sinksByLevel(logger: string): string[][] {
    const byLevel: string[][] = [];
    for (let level = traceLevel; level <= fatalLevel; level++) byLevel.push(this.sinks(logger, level));
    return byLevel;
  }

  /**
   * Sets the least level of every logger that matches `glob`, replacing what was set for the same glob; with `ttlMs`
   * (> 0) only for that long, and a level without end shows again after it. Throws RangeError for an unknown level or
   * for too many of them.
   */
  setLevel(glob: string, level: string, ttlMs = 0): void {
    const number = levelNumber(level);
    const replaced = this.#overrides.filter((other) => other.glob === glob && (ttlMs <= 0 || other.cancel));
    if (this.#overrides.length - replaced.length >= maxOverrides) {
      throw new RangeError(`Cannot set the level of "${glob}": ${maxOverrides} levels are set already`);
    }
    for (const former of replaced) this.#remove(former);
    const override: Override = { glob, matches: compileLoggerGlob(glob), level: number };
    if (ttlMs > 0) override.cancel = this.#clock.after(ttlMs, () => this.#remove(override));
    this.#overrides.unshift(override);
    this.#changed();
  }

  /** What {@link setLevel} set and what has not yet gone back, newest first. */
  get overrides(): Array<{ glob: string; level: number }> {
    return this.#overrides.map(({ glob, level }) => ({ glob, level }));
  }

  /** Called after every change of levels. */
  onChange: () => void = () => {};

  /** Cancels what would still go back later. */
  close(): void {
    for (const override of this.#overrides) override.cancel?.();
    this.#overrides = [];
  }

  #remove(override: Override): void {
    override.cancel?.();
    this.#overrides = this.#overrides.filter((other) => other !== override);
    this.#changed();
  }

  #changed(): void {
    this.version++;
    this.onChange();
  }
}
