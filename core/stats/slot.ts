/**
 * The reading side of one slot: who writes it, how it is, and what its directory says. Any process may read at any time,
 * also when the writer hangs and after it died; nothing read here is trusted to be well-formed.
 */
import { readText } from "./fixed_text.ts";
import * as layout from "./layout.ts";
import { isProcessAlive } from "./process_alive.ts";
import { readEntries, type SeriesEntry } from "./series_directory.ts";
import { type SlotState, slotStates, SlotWriter, type WriterIdentity } from "./slot_writer.ts";

const { slotF64, slotI32, slotText } = layout;

/** The head of a slot at one moment. Times are epoch ms. */
export interface SlotInfo {
  slot: number;
  /** 0 after the process left in order. */
  pid: number;
  role: string;
  id: string;
  generation: number;
  state: SlotState;
  /** Whether the writer's process runs. */
  alive: boolean;
  startedAt: number;
  beats: number;
  beatAt: number;
  loopDelayMs: number;
  loopDelayMaxMs: number;
  /** Last mark of the process and when; empty and 0 without one. */
  mark: string;
  markedAt: number;
  inflight: number;
  connections: number;
  series: number;
  /** How many processes have written this slot. */
  writers: number;
}

/** One slot of a statistics memory; get it from `StatsMemory.slot()`. */
export class Slot {
  /** Its number. */
  readonly number: number;
  /** The raw memory, for the readers of this folder. */
  readonly views: layout.SlotViews;
  readonly #markUsed: () => void;
  #entries: SeriesEntry[] = [];
  #decoded = 0;

  constructor(number: number, views: layout.SlotViews, markUsed: () => void) {
    this.number = number;
    this.views = views;
    this.#markUsed = markUsed;
  }

  /** Takes the slot for writing. Throws an Error naming the pid while another living process writes it. */
  writer(identity: WriterIdentity): SlotWriter {
    const writer = new SlotWriter(this.views, identity);
    this.#markUsed();
    return writer;
  }

  /** The series of the slot; decoded once, they never change. */
  entries(): readonly SeriesEntry[] {
    const count = Atomics.load(this.views.i32, slotI32.seriesCount);
    if (count > this.#decoded) {
      this.#entries = this.#entries.concat(readEntries(this.views, this.#decoded));
      this.#decoded = count;
    }
    return this.#entries;
  }

  get pid(): number {
    return Atomics.load(this.views.i32, slotI32.pid);
  }

  get state(): SlotState {
    return slotStates[this.views.i32[slotI32.state]!] ?? "free";
  }

  get id(): string {
    return this.#text("id");
  }

  /** What readers call the writer: the id of a worker and of its threads, role and id of other processes. */
  get worker(): string {
    const role = this.#text("role");
    return role === "worker" || role === "thread" ? this.id : `${role}-${this.id}`;
  }

  /** Milliseconds since the last heartbeat, at epoch ms `now`; wrong by what the clock was set in between. */
  silentForMs(now: number = Date.now()): number {
    return Math.max(0, now - this.views.f64[slotF64.beatAt]!);
  }

  /** Number of heartbeats of this writer: a watcher with its own clock sees silence when it stands still. */
  get beats(): number {
    return this.views.f64[slotF64.beats]!;
  }

  /** Whether the writer's process runs. */
  get alive(): boolean {
    const pid = this.pid;
    return pid !== 0 && isProcessAlive(pid, this.views.f64[slotF64.pidStart]!);
  }

  /** The text of an index that the writer interned; empty for one it did not. */
  text(index: number): string {
    const { bytes, i32 } = this.views;
    if (index < 0 || index >= Math.min(i32[slotI32.stringCount]!, layout.maxStrings)) return "";
    const at = layout.stringsAt + index * layout.stringBytes;
    return readText(bytes, at + 4, layout.stringBytes - 4, i32[at / 4]!);
  }

  /** The head of the slot. */
  info(): SlotInfo {
    const { i32, f64 } = this.views;
    return {
      slot: this.number,
      pid: this.pid,
      role: this.#text("role"),
      id: this.id,
      generation: i32[slotI32.generation]!,
      state: this.state,
      alive: this.alive,
      startedAt: f64[slotF64.startedAt]!,
      beats: this.beats,
      beatAt: f64[slotF64.beatAt]!,
      loopDelayMs: f64[slotF64.loopDelayMs]!,
      loopDelayMaxMs: f64[slotF64.loopDelayMaxMs]!,
      mark: this.#text("mark"),
      markedAt: f64[slotF64.markedAt]!,
      inflight: i32[slotI32.inflightCount]!,
      connections: i32[slotI32.connectionCount]!,
      series: i32[slotI32.seriesCount]!,
      writers: f64[slotF64.writers]!,
    };
  }

  #text(part: keyof typeof slotText): string {
    const { bytes, i32 } = this.views;
    const { at, lengthAt, maxBytes } = slotText[part];
    let text = "";
    for (let attempt = 0; attempt < 3; attempt++) {
      const before = Atomics.load(i32, slotI32.textSequence);
      text = readText(bytes, at, maxBytes, i32[lengthAt / 4]!);
      if ((before & 1) === 0 && Atomics.load(i32, slotI32.textSequence) === before) break;
    }
    return text;
  }
}
