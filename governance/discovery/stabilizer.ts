/**
 * Between a source and everybody who uses its endpoints: turns whole answers into changes, and keeps the set when an
 * answer is empty, absurd or missing. Each trouble is logged once, and its end, too. After Finagle's stabilizer; unlike
 * there, single endpoints leave at once, because health and panic mode are somebody else's.
 */
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/context.ts";
import type { EndpointChange, EndpointSourceState, EndpointSpec } from "../../core/endpoint.ts";
import { diffEndpoints, type EndpointMap, isNoChange } from "../../core/upstream/endpoint_feed_diff.ts";
import { type EndpointSet, mostEndpoints } from "../../core/upstream/endpoint_feed_source.ts";

/** Longest text of a trouble. */
const mostText = 500;

/** What a {@link Stabilizer} works with. */
export interface StabilizerOptions {
  /** As in EndpointSourceState. */
  source: string;
  clock: Clock;
  log: Log;
  /** What was known before. */
  known?: EndpointSet | undefined;
  onChange(set: EndpointSet, change: EndpointChange): void;
}

/** The believed set of one source. */
export class Stabilizer {
  readonly #options: StabilizerOptions;
  #state: EndpointSourceState;
  #specs: readonly EndpointSpec[];
  #map: EndpointMap;
  #version: number;
  /** What the log was told last; empty while all is well. */
  #logged = "";

  constructor(options: StabilizerOptions) {
    const { known, source } = options;
    this.#options = options;
    this.#specs = known?.specs ?? [];
    this.#map = diffEndpoints(new Map(), this.#specs).after;
    this.#version = known?.version ?? 0;
    this.#state = { updatedAt: 0, error: "", cached: false, ...known?.state, source };
  }

  /** An answer; `problem` where only a part of it can be used. */
  take(answer: readonly EndpointSpec[], problem = ""): void {
    const kept = this.#map.size;
    if (answer.length > mostEndpoints) {
      return this.fail(`the answer has ${answer.length} endpoints, more than ${mostEndpoints}`);
    }
    if (answer.length === 0) {
      const why = problem === "" ? "the answer is empty" : problem;
      return this.fail(kept === 0 ? why : `${why}; the ${kept} known are kept`);
    }
    const { change, after } = diffEndpoints(this.#map, answer);
    const text = problem.slice(0, mostText);
    this.#tell(text);
    const same = isNoChange(change);
    if (same && this.#state.error === text && !this.#state.cached && this.#state.updatedAt > 0) return;
    if (!same) this.#specs = [...after.values()];
    this.#map = after;
    const updatedAt = this.#options.clock.epoch();
    this.#state = { source: this.#options.source, updatedAt, error: text, cached: false };
    this.#changed(change);
  }

  /** No answer, or none that can be believed. */
  fail(error: unknown): void {
    const text = (error instanceof Error ? error.message : String(error)).slice(0, mostText);
    this.#tell(text);
    if (this.#state.error === text) return;
    this.#state = { ...this.#state, error: text };
    this.#changed({ added: [], removed: [], changed: [] });
  }

  #changed(change: EndpointChange): void {
    const { clock, onChange } = this.#options;
    this.#version = Math.max(this.#version + 1, Math.floor(clock.epoch()));
    onChange({ version: this.#version, state: this.#state, specs: this.#specs }, change);
  }

  /** Once per trouble: while it lasts, other words for it are for those who look closer. */
  #tell(text: string): void {
    const { log, source } = this.#options;
    if (text === this.#logged) return;
    const fields = { source, endpoints: this.#map.size };
    if (text === "") log.info("endpoints can be had again", fields);
    else if (this.#logged === "") log.warn("no good answer about endpoints", { ...fields, cause: text });
    else log.debug("still no good answer about endpoints", { ...fields, cause: text });
    this.#logged = text;
  }
}
