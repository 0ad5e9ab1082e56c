/**
 * What the supervisor knows of its children without asking them: heartbeat, requests and connections from the
 * statistics memory, RSS from the system. Reading never waits for the child, so it works on one that hangs.
 */
import { type InflightRequest, readInflight, type Slot, type StatsMemory } from "../stats/mod.ts";

const requestsTotal = "weir_requests_total";
const connectionsOpen = "weir_connections_open";
const residentBytes = "weir_rss_bytes";
/** Where statistics come as snapshots, once a second, so do heartbeats. */
const snapshotGraceMs = 1500;

let pageBytes: number | undefined;

/** The vital signs of the process in one slot. */
export class Vitals {
  readonly #memory: StatsMemory;
  readonly #slot: Slot;
  readonly #pid: number;
  #watching = false;
  #beats = 0;
  #silentMs = 0;

  /** `pid` is whose signs these are: what a former process left in the slot is not taken for them. */
  constructor(memory: StatsMemory, slot: number, pid: number) {
    this.#memory = memory;
    this.#slot = memory.slot(slot);
    this.#pid = pid;
  }

  /** From here on silence counts: the process is ready, so its heart beats. */
  watch(): void {
    this.#watching = true;
  }

  /** Looks at the heartbeat, `elapsedMs` after the last look. */
  observe(elapsedMs: number): void {
    const beats = this.#slot.pid === this.#pid ? this.#slot.beats : 0;
    // A jump of the clock or a stopped machine must not look like silence: no look counts for more than a second.
    this.#silentMs = this.#watching && beats === this.#beats ? this.#silentMs + Math.min(elapsedMs, 1000) : 0;
    this.#beats = beats;
  }

  /** How long the heartbeat has been silent; 0 before watch(). */
  get silentMs(): number {
    return this.#memory.path === undefined ? Math.max(0, this.#silentMs - snapshotGraceMs) : this.#silentMs;
  }

  /** Requests that this process (with its predecessors in the slot) has counted. */
  get requests(): number {
    return this.#sum(requestsTotal);
  }

  /** Open connections; undefined where the process does not say. */
  get connections(): number | undefined {
    return this.#slot.pid === this.#pid && this.#has(connectionsOpen)
      ? this.#sum(connectionsOpen)
      : undefined;
  }

  /** Requests in flight, oldest first. */
  inflight(limit: number): InflightRequest[] {
    const rows = readInflight(this.#memory, { limit, only: (slot) => slot.number === this.#slot.number });
    return rows.rows;
  }

  /** Resident bytes; 0 where nobody can tell. */
  get rssBytes(): number {
    return residentFromProc(this.#pid) ?? this.#sum(residentBytes);
  }

  #has(name: string): boolean {
    return this.#slot.entries().some((entry) => entry.name === name);
  }

  #sum(name: string): number {
    let sum = 0;
    for (const entry of this.#slot.entries()) {
      if (entry.name === name) sum += this.#slot.views.f64[entry.cell] || 0;
    }
    return sum;
  }
}

function residentFromProc(pid: number): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]) * pageSize();
  } catch {
    return undefined;
  }
}

/** Bytes of a memory page, from the size of this process as the runtime and as the kernel tell it. */
function pageSize(): number {
  if (pageBytes !== undefined) return pageBytes;
  const pages = Number(Deno.readTextFileSync("/proc/self/statm").split(" ")[1]);
  const ratio = Deno.memoryUsage().rss / pages;
  return pageBytes = ratio > 32 * 1024 ? 65_536 : ratio > 8 * 1024 ? 16_384 : 4096;
}
