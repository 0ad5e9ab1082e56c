/**
 * Which worker of this host runs a loop that is `on: oneWorker`. Whoever holds its lease does: a block of shared integers
 * with the holder's pid, taken by compare-exchange, kept by a heartbeat. A holder that died is noticed by the next look
 * (its pid and start time are asked of the system), one that hangs after `workers.hang` without a beat. A newer
 * generation asks for the lease, and an older one gives it back between two runs.
 *
 * ```
 * i32 pid of the holder (0: free) · start time of that process, 0 unknown · beats · its generation
 *     · generation that asks for it · start of the last run: epoch seconds, ms
 * ```
 *
 * A holder that hangs and wakes again learns at its next beat, or before its next run, that it holds nothing: until then two
 * may run. Where no numbers are shared, worker 1 is always the one.
 */
import type { SharedInt32 } from "../stats/mod.ts";
import { isProcessAlive, processStart } from "../stats/process_alive.ts";

/** How often leases are looked at, ms. */
export const leasePeriodMs = 250;
/** How long an older generation leaves a free lease to the newer one that asked for it, in looks. */
const patience = 8;

const at = { pid: 0, start: 1, beats: 2, generation: 3, wanted: 4, seconds: 5, ms: 6 } as const;

/** What a look at a lease brought. */
export type LeaseChange = "taken" | "lost" | "kept";

/** The right to run a loop. */
export interface LoopLease {
  /** Whether this worker has it, at this moment. */
  readonly held: boolean;
  /** Epoch ms of the last start of a run, by whoever ran it; 0 before the first. */
  readonly lastStart: number;
  /** Whether it should be given back between two runs. */
  readonly wanted: boolean;
  /** To be called every {@link leasePeriodMs}; takes the lease when it is free and `may`. */
  look(now: number, may: boolean): LeaseChange;
  /** A run starts. */
  started(epochMs: number): void;
  /** Gives it back, for another to take. */
  release(): void;
}

/** Who asks for a lease, and how it judges others. */
export interface LeaseIdentity {
  generation: number;
  /** Silence after which a holder counts as hung, ms. */
  hangMs: number;
  pid?: number;
  start?: number;
  alive?: (pid: number, start: number) => boolean;
}

/** A lease over all processes of the service; see the module's header. */
export class SharedLease implements LoopLease {
  readonly #block: readonly SharedInt32[];
  readonly #generation: number;
  readonly #hangMs: number;
  readonly #pid: number;
  readonly #start: number;
  readonly #alive: (pid: number, start: number) => boolean;
  #held = false;
  #seenPid = 0;
  #seenBeats = -1;
  #silentMs = 0;
  #lookedAt = 0;
  #left = 0;

  constructor(block: readonly SharedInt32[], identity: LeaseIdentity) {
    this.#block = block;
    this.#generation = identity.generation;
    this.#hangMs = identity.hangMs;
    this.#pid = identity.pid ?? Deno.pid;
    const start = identity.start ?? Math.max(0, processStart(this.#pid));
    // Ticks since boot: after 248 days they do not fit, and count as unknown.
    this.#start = start > 0x7fff_ffff ? 0 : start;
    this.#alive = identity.alive ?? isProcessAlive;
  }

  get held(): boolean {
    return this.#held && this.#block[at.pid]!.load() === this.#pid;
  }

  get lastStart(): number {
    const seconds = this.#block[at.seconds]!.load();
    return seconds === 0 ? 0 : (seconds >>> 0) * 1000 + this.#block[at.ms]!.load();
  }

  get wanted(): boolean {
    return this.#block[at.wanted]!.load() > this.#generation;
  }

  look(now: number, may: boolean): LeaseChange {
    const block = this.#block;
    const passedMs = Math.min(now - this.#lookedAt, 2 * leasePeriodMs);
    this.#lookedAt = now;
    const holder = block[at.pid]!.load();
    if (this.#held) {
      if (holder === this.#pid) {
        block[at.start]!.store(this.#start);
        block[at.generation]!.store(this.#generation);
        block[at.beats]!.add(1);
        return "kept";
      }
      this.#held = false;
      return "lost";
    }
    if (holder !== 0 && !this.#gone(holder, passedMs)) {
      const wanted = block[at.wanted]!;
      if (block[at.generation]!.load() < this.#generation && wanted.load() < this.#generation) {
        wanted.store(this.#generation);
      }
      return "kept";
    }
    if (!may || (this.wanted && ++this.#left < patience)) return "kept";
    // The former holder's start time must not be taken for ours by who looks in between.
    block[at.start]!.store(0);
    if (block[at.pid]!.compareExchange(holder, this.#pid) !== holder) return "kept";
    block[at.start]!.store(this.#start);
    block[at.generation]!.store(this.#generation);
    block[at.wanted]!.store(0);
    block[at.beats]!.add(1);
    this.#left = 0;
    this.#held = true;
    return "taken";
  }

  /** Its heart stands still, and it is dead, or has been silent for too long; looks while this process slept do not count. */
  #gone(holder: number, passedMs: number): boolean {
    const block = this.#block;
    const beats = block[at.beats]!.load();
    if (holder !== this.#seenPid || beats !== this.#seenBeats) {
      this.#seenPid = holder;
      this.#seenBeats = beats;
      this.#silentMs = 0;
      return false;
    }
    this.#silentMs += passedMs;
    // Our own pid, and we hold nothing: a process that had the same number.
    if (holder === this.#pid || this.#silentMs >= this.#hangMs) return true;
    return !this.#alive(holder, block[at.start]!.load());
  }

  started(epochMs: number): void {
    this.#block[at.ms]!.store(Math.floor(epochMs) % 1000);
    this.#block[at.seconds]!.store(Math.floor(epochMs / 1000) | 0);
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    // For the time between its going and the next one's coming nobody's start time stands there.
    if (this.#block[at.pid]!.load() !== this.#pid) return;
    this.#block[at.start]!.store(0);
    this.#block[at.pid]!.compareExchange(this.#pid, 0);
  }
}

/** Where workers share nothing: worker 1, after `waitMs` in which its predecessor may still end. */
export class LocalLease implements LoopLease {
  readonly #chosen: boolean;
  readonly #from: number;
  #held = false;
  readonly lastStart = 0;
  readonly wanted = false;

  constructor(worker: number, now: number, waitMs: number) {
    this.#chosen = worker === 1;
    this.#from = now + waitMs;
  }

  get held(): boolean {
    return this.#held;
  }

  look(now: number, may: boolean): LeaseChange {
    if (this.#held || !this.#chosen || !may || now < this.#from) return "kept";
    this.#held = true;
    return "taken";
  }

  started(): void {}

  release(): void {
    this.#held = false;
  }
}
