/**
 * One breaker, the same for all workers of the host. It counts what goes through it in a sliding window and stops what
 * fails; a word of shared memory says what it does (see breaker_word.ts), so that each change is made once, by whoever
 * gets there first, and no worker that dies can leave it half-way.
 *
 * ```
 * closed    calls ≥ minimum and failures / calls ≥ share (both inclusive), asked at each end of a call → open
 * open      for `open`, up to 10 % longer by lot, so that breakers that open together do not probe together → halfOpen
 *           with the next call
 * halfOpen  lets exactly `probes` calls through. All good → ramp. One not → open. A probe that nobody told the end of
 *           (its worker is gone) is lost after the call's time limit: then `probes` others may go
 * ramp      lets a share of the calls through, from probes/minimum (5 to 50 %) to all of them, over one `open` → closed.
 *           A failure → open, when there were fewer than `minimum` calls and it is the first quarter; or when the share
 *           of failures is reached over as much of `minimum` as of the ramp has passed
 * ```
 *
 * Becoming ramp or closed clears the window. Counted are calls that went through and say something about the upstream,
 * timeouts with the others: not what was refused here, not what the caller gave up. An end that comes while it is open or
 * half-open belongs to a call from before, and counts for nothing. (One that comes in the ramp is taken for new; that
 * needs a call to last longer than the breaker was open.)
 */
import type { Clock } from "../../core/clock.ts";
import type { SharedInt32 } from "../../core/stats/mod.ts";
import type { Breaker, BreakerState, PassValue, PolicyHost } from "../../core/upstream/contract.ts";
import { Pass } from "../../core/upstream/contract.ts";
import { SharedWindow, WindowCursor } from "../retry/shared_window.ts";
import type { BreakerMetrics } from "./breaker_metrics.ts";
import * as words from "./breaker_word.ts";

const { Force, Mode } = words;

const buckets = 10;
/** Beyond the time limit of a call: until then a busy worker has told the end of its probe. */
const probeGraceMs = 250;

type State = BreakerState["state"];
type BreakerPlan = NonNullable<PolicyHost["plan"]["breaker"]>;

/** What a breaker needs. */
export interface SharedBreakerInit {
  key: string;
  plan: BreakerPlan;
  /** Probes of this half-open state, over those who share the numbers. */
  probes: number;
  /** Longest time of a call, ms. */
  callMs: number;
  clock: Clock;
  /** Two blocks of 16 shared integers, 0 at first. */
  blocks: readonly [readonly SharedInt32[], readonly SharedInt32[]];
  metrics: BreakerMetrics;
}

/** See the module's header. */
export class SharedBreaker implements Breaker {
  readonly key: string;
  readonly #clock: Clock;
  readonly #plan: BreakerPlan;
  readonly #probes: number;
  readonly #firstShare: number;
  readonly #enoughFailures: number;
  readonly #times: words.BreakerTimes;
  readonly #word: SharedInt32;
  readonly #calls: SharedWindow;
  readonly #failures: SharedWindow;
  readonly #cursor: WindowCursor;
  readonly #metrics: BreakerMetrics;
  /** What this worker saw last. */
  #seen = 0;
  #shown: State = "closed";
  #reason = "";
  /** Monotonic ms of the last call that asked; for those who keep a bounded number of breakers. */
  usedAt = -Infinity;

  constructor({ key, plan, probes, callMs, clock, blocks, metrics }: SharedBreakerInit) {
    this.key = key;
    this.#clock = clock;
    this.#plan = plan;
    this.#probes = Math.min(words.mostProbes, probes);
    this.#firstShare = Math.min(0.5, Math.max(0.05, this.#probes / plan.minimum));
    this.#enoughFailures = Math.max(1, plan.minimum * plan.failures - 1e-9);
    this.#times = new words.BreakerTimes(plan.open, callMs + probeGraceMs);
    this.#calls = new SharedWindow(blocks[0].slice(0, buckets));
    this.#word = blocks[0][buckets]!;
    this.#failures = new SharedWindow(blocks[1].slice(0, buckets));
    this.#cursor = new WindowCursor(clock, plan.window / buckets, buckets);
    this.#metrics = metrics;
  }

  enter(now: number): PassValue {
    this.usedAt = now;
    const word = this.#word.peek();
    if (word !== this.#seen) this.#look(word);
    return word === 0 ? Pass.yes : this.#admit();
  }

  #admit(): PassValue {
    const pass = this.#pass();
    if (pass === Pass.no) this.#metrics.refused();
    return pass;
  }

  #pass(): PassValue {
    for (;;) {
      // In this order: who loses his core in between cannot exchange a word that he has judged by an old time.
      const word = this.#word.load();
      const epoch = this.#clock.epoch();
      const force = words.forceOf(word);
      if (force !== Force.auto) return force === Force.open ? Pass.no : Pass.yes;
      switch (words.modeOf(word)) {
        case Mode.closed:
          return Pass.yes;
        case Mode.open:
          if (this.#times.leftMs(word, epoch) > 0) return Pass.no;
          if (this.#change(word, this.#times.halfOpen(epoch, force, 1), "its time is over")) {
            return Pass.probe;
          }
          break;
        case Mode.halfOpen:
          if (words.givenOf(word) < this.#probes) {
            if (this.#exchange(word, words.withGiven(word, 1))) return Pass.probe;
          } else {
            if (!this.#times.probesLost(word, epoch)) return Pass.no;
            const again = this.#times.halfOpen(epoch, force, 1);
            if (this.#change(word, again, "probes were lost: others may go")) return Pass.probe;
          }
          break;
        case Mode.ramp: {
          const share = this.#share(word, epoch);
          if (share < 1) return this.#clock.random() < share ? Pass.yes : Pass.no;
          if (this.#change(word, 0, "the ramp is over")) this.#clear();
        }
      }
    }
  }

  leave(pass: PassValue, ok: boolean, counts: boolean, now: number): void {
    if (pass === Pass.no) return;
    const word = this.#word.peek();
    if (pass === Pass.probe) return this.#probed(ok, counts);
    if (!counts || isClosedToCalls(word)) return;
    this.#cursor.move(now);
    this.#calls.add(this.#cursor, 1);
    if (!ok) this.#failures.add(this.#cursor, 1);
    if (word === 0) this.#judge();
    else if (!ok && words.modeOf(word) === Mode.ramp) this.#judgeRamp(word);
  }

  #judge(): void {
    // A glance first: fewer than the share of the minimum can never be enough, and in good times there are fewer.
    const seen = this.#failures.glance(this.#cursor);
    if (seen < this.#enoughFailures) return;
    if (seen < this.#calls.glance(this.#cursor) * this.#plan.failures - 1e-9) return;
    const failures = this.#failures.sum(this.#cursor);
    const calls = this.#calls.sum(this.#cursor);
    if (calls < this.#plan.minimum || failures < calls * this.#plan.failures - 1e-9) return;
    this.#open(0, `${failures} of ${calls} calls failed`);
  }

  #judgeRamp(word: number): void {
    const { minimum, failures: share, open } = this.#plan;
    const failures = this.#failures.sum(this.#cursor);
    const calls = this.#calls.sum(this.#cursor);
    const passed = this.#times.rampMs(word, this.#clock.epoch()) / open;
    const first = passed < 0.25 && calls < minimum;
    const enough = calls >= Math.min(1, passed) * minimum;
    if (!first && !(enough && failures >= calls * share - 1e-9)) return;
    this.#open(word, `${failures} of ${calls} calls failed after it had let calls through again`);
  }

  /** The end of a probe; one of an earlier half-open state is as good as any, and told as one of this. */
  #probed(ok: boolean, counts: boolean): void {
    for (;;) {
      const word = this.#word.load();
      if (words.modeOf(word) !== Mode.halfOpen || words.forceOf(word) !== Force.auto) return;
      const outstanding = words.givenOf(word) - words.goodOf(word);
      if (outstanding <= 0) return;
      if (!counts) {
        if (this.#exchange(word, words.withGiven(word, -1))) return;
      } else if (!ok) {
        if (this.#open(word, "a probe failed")) return;
      } else if (words.goodOf(word) + 1 < this.#probes) {
        if (this.#exchange(word, words.withGood(word))) return;
      } else {
        // Nobody counts while it is half-open, so this is the moment to clear.
        this.#clear();
        const ramp = this.#times.ramp(this.#clock.epoch(), words.forceOf(word));
        if (this.#change(word, ramp, "all probes were good")) return;
      }
    }
  }

  #open(word: number, reason: string): boolean {
    const forMs = this.#plan.open * (1 + words.jitterShare * this.#clock.random());
    const next = this.#times.open(this.#clock.epoch() + forMs, words.forceOf(word));
    return this.#change(word, next, reason, { forMs: Math.round(forMs) });
  }

  force(state: "open" | "closed" | "auto", reason: string): void {
    const force = Force[state];
    for (;;) {
      const word = this.#word.load();
      if (words.forceOf(word) === force) {
        if (force !== Force.auto) this.#reason = reason;
        return;
      }
      // Afterwards it judges for itself: what was kept open probes at once, what was kept closed begins anew.
      let next = words.withForce(word, force);
      if (force === Force.auto) {
        const keptOpen = words.forceOf(word) === Force.open;
        next = keptOpen ? this.#times.halfOpen(this.#clock.epoch(), force, 0) : 0;
      }
      if (!this.#change(word, next, reason)) continue;
      if (next === 0) this.#clear();
      return;
    }
  }

  state(now: number): BreakerState {
    const word = this.#word.load();
    if (word !== this.#seen) this.#look(word);
    this.#cursor.move(now);
    const epoch = this.#clock.epoch();
    let state = stateOf(word);
    let until = 0;
    if (state === "open") {
      const leftMs = this.#times.leftMs(word, epoch);
      // The next call is a probe.
      if (leftMs > 0) until = now + leftMs;
      else state = "halfOpen";
    }
    let share = state === "closed" || state === "forcedClosed" ? 1 : 0;
    if (state === "ramp") share = this.#share(word, epoch);
    const calls = this.#calls.sum(this.#cursor);
    const failures = this.#failures.sum(this.#cursor);
    return { state, until, share, calls, failures, reason: this.#reason };
  }

  #share(word: number, epoch: number): number {
    const passed = this.#times.rampMs(word, epoch) / this.#plan.open;
    return Math.min(1, this.#firstShare + (1 - this.#firstShare) * passed);
  }

  /** A change that is told to people; false where somebody else was faster. */
  #change(word: number, next: number, reason: string, fields: Record<string, unknown> = {}): boolean {
    if (!this.#exchange(word, next)) return false;
    const to = stateOf(next);
    this.#reason = to === "closed" ? "" : reason;
    this.#shown = to;
    this.#metrics.changed(to, { from: stateOf(word), reason, ...fields });
    this.#metrics.show(to);
    return true;
  }

  #exchange(word: number, next: number): boolean {
    if (this.#word.compareExchange(word, next) !== word) return false;
    this.#seen = next;
    return true;
  }

  /** What another worker has done. */
  #look(word: number): void {
    this.#seen = word;
    const state = stateOf(word);
    if (state === this.#shown) return;
    this.#shown = state;
    this.#reason = "";
    this.#metrics.show(state);
  }

  #clear(): void {
    this.#calls.clear();
    this.#failures.clear();
  }
}

function stateOf(word: number): State {
  const force = words.forceOf(word);
  if (force === Force.open) return "forcedOpen";
  if (force === Force.closed) return "forcedClosed";
  return (["closed", "open", "halfOpen", "ramp"] as const)[words.modeOf(word)]!;
}

/** Open, half-open or kept open: calls that end now have begun before. */
function isClosedToCalls(word: number): boolean {
  const force = words.forceOf(word);
  if (force !== Force.auto) return force === Force.open;
  const mode = words.modeOf(word);
  return mode === Mode.open || mode === Mode.halfOpen;
}
