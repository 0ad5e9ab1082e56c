/**
 * Reads the tables of all slots: processes, requests in flight, connections, endpoints, upstreams, loops. Rows may be written meanwhile: a row is
 * read again when its sequence number moved, and what a dead writer left half-written is shown and called torn.
 */
import { type EndpointFigures, endpointStates } from "./endpoint_table.ts";
import { readText } from "./fixed_text.ts";
import * as layout from "./layout.ts";
import { type LoopFigures, loopStates } from "./loop_table.ts";
import type { Slot, SlotInfo } from "./slot.ts";
import type { StatsMemory } from "./stats_memory.ts";
import type { UpstreamFigures } from "./upstream_table.ts";

/** One request in flight. Times are epoch ms. */
export interface InflightRequest {
  slot: number;
  /** Stable id of the worker. */
  worker: string;
  /** Running number in its slot. */
  id: number;
  listener: string;
  phase: number;
  startedAt: number;
  text: string;
  /** Last mark, empty without one, and when. */
  mark: string;
  markedAt: number;
  /** Row of its connection in the same slot, -1 without one. */
  connection: number;
  /** True when the row was caught half-written: its writer died or hangs in it. */
  torn: boolean;
}

/** One open connection. Times are epoch ms. */
export interface OpenConnection {
  slot: number;
  worker: string;
  /** Row in the slot. */
  row: number;
  listener: string;
  peer: string;
  tls: boolean;
  phase: number;
  openedAt: number;
  activeAt: number;
  requests: number;
  bytesIn: number;
  bytesOut: number;
  torn: boolean;
}

/** One endpoint as one worker sees it. */
export interface WorkerEndpoint extends EndpointFigures {
  slot: number;
  /** Stable id of the worker. */
  worker: string;
  upstream: string;
  address: string;
  /** Empty without one. */
  role: string;
}

/** One upstream as one worker sees it. */
export interface WorkerUpstream extends UpstreamFigures {
  slot: number;
  /** Stable id of the worker. */
  worker: string;
  upstream: string;
}

/** One loop as one worker sees it. */
export interface WorkerLoop extends LoopFigures {
  slot: number;
  /** Stable id of the worker. */
  worker: string;
  loop: string;
}

/** Rows in the order of their table (requests and connections: oldest first), at most `limit` of the `total`. */
export interface Rows<T> {
  total: number;
  rows: T[];
}

const attempts = 32;

/** The head of every slot that was ever written. */
export function readSlots(memory: StatsMemory): SlotInfo[] {
  return memory.usedSlots().map((slot) => slot.info());
}

/** The requests in flight of all processes, or of those `only` accepts. */
export function readInflight(
  memory: StatsMemory,
  options: { limit?: number; only?: (slot: Slot) => boolean } = {},
): Rows<InflightRequest> {
  const { inflightRow: r } = layout;
  return readRows(memory, options, {
    highAt: layout.slotI32.inflightHigh,
    max: layout.maxInflight,
    at: layout.inflightAt,
    bytes: layout.inflightBytes,
    live: ({ f64 }) => f64[r.id] !== 0,
    decode: ({ bytes, i32, f64 }, slot, worker, _row, torn) => ({
      slot: slot.number,
      worker,
      id: f64[r.id]!,
      listener: slot.text(i32[r.listener]!),
      phase: i32[r.phase]!,
      startedAt: f64[r.startedAt]!,
      text: readText(bytes, r.text, r.textBytes, i32[r.textLen]!),
      mark: readText(bytes, r.mark, r.textBytes, i32[r.markLen]!),
      markedAt: i32[r.markLen] === 0 ? 0 : f64[r.markedAt]!,
      connection: i32[r.connection]!,
      torn,
    }),
    order: (a, b) => a.startedAt - b.startedAt,
  });
}

/** The open connections of all processes, or of those `only` accepts. */
export function readConnections(
  memory: StatsMemory,
  options: { limit?: number; only?: (slot: Slot) => boolean } = {},
): Rows<OpenConnection> {
  const { connectionRow: r } = layout;
  return readRows(memory, options, {
    highAt: layout.slotI32.connectionHigh,
    max: layout.maxConnections,
    at: layout.connectionsAt,
    bytes: layout.connectionBytes,
    live: ({ i32 }) => i32[r.open] === 1,
    decode: ({ bytes, i32, f64 }, slot, worker, row, torn) => ({
      slot: slot.number,
      worker,
      row,
      listener: slot.text(i32[r.listener]!),
      peer: readText(bytes, r.peer, r.peerBytes, i32[r.peerLen]!),
      tls: i32[r.tls] === 1,
      phase: i32[r.phase]!,
      openedAt: f64[r.openedAt]!,
      activeAt: f64[r.activeAt]!,
      requests: f64[r.requests]!,
      bytesIn: f64[r.bytesIn]!,
      bytesOut: f64[r.bytesOut]!,
      torn,
    }),
    order: (a, b) => a.openedAt - b.openedAt,
  });
}

/** The endpoints of all processes, or of those `only` accepts, by upstream, address, role and slot. */
export function readEndpoints(
  memory: StatsMemory,
  options: { limit?: number; only?: (slot: Slot) => boolean } = {},
): Rows<WorkerEndpoint> {
  const { endpointRow: r } = layout;
  return readRows(memory, options, {
    highAt: layout.slotI32.endpointHigh,
    max: layout.maxEndpoints,
    at: layout.endpointsAt,
    bytes: layout.endpointBytes,
    live: ({ i32 }) => i32[r.live] === 1,
    decode: ({ bytes, i32, f64 }, slot, worker) => ({
      slot: slot.number,
      worker,
      upstream: slot.text(i32[r.upstream]!),
      address: readText(bytes, r.address, r.addressBytes, i32[r.addressLen]!),
      role: readText(bytes, r.role, r.roleBytes, i32[r.roleLen]!),
      state: endpointStates[i32[r.state]!] ?? "usable",
      until: f64[r.until]!,
      cause: readText(bytes, r.cause, r.causeBytes, i32[r.causeLen]!),
      weight: f64[r.weight]!,
      priority: i32[r.priority]!,
      ewmaMs: f64[r.ewmaMs]!,
      inflight: i32[r.inflight]!,
      idle: i32[r.idle]!,
      busy: i32[r.busy]!,
      waiters: i32[r.waiters]!,
      attempts: f64[r.attempts]!,
      failures: f64[r.failures]!,
      oldestMs: f64[r.oldestMs]!,
    }),
    order: (a, b) =>
      compare(a.upstream, b.upstream) || compare(a.address, b.address) || compare(a.role, b.role) ||
      a.slot - b.slot,
  });
}

/** The upstreams of all processes, or of those `only` accepts, by name and slot. */
export function readUpstreams(
  memory: StatsMemory,
  options: { limit?: number; only?: (slot: Slot) => boolean } = {},
): Rows<WorkerUpstream> {
  const { upstreamRow: r } = layout;
  return readRows(memory, options, {
    highAt: layout.slotI32.upstreamHigh,
    max: layout.maxUpstreams,
    at: layout.upstreamsAt,
    bytes: layout.upstreamBytes,
    live: ({ i32 }) => i32[r.live] === 1,
    decode: ({ bytes, i32, f64 }, slot, worker) => ({
      slot: slot.number,
      worker,
      upstream: slot.text(i32[r.upstream]!),
      source: readText(bytes, r.source, r.sourceBytes, i32[r.sourceLen]!),
      updatedAt: f64[r.updatedAt]!,
      error: readText(bytes, r.error, r.errorBytes, i32[r.errorLen]!),
      cached: i32[r.cached] === 1,
      panic: i32[r.panic] === 1,
      breakers: readText(bytes, r.breakers, r.breakersBytes, i32[r.breakersLen]!),
      retryLeft: f64[r.retryLeft]!,
      throttleInflight: i32[r.throttleInflight]!,
      throttleWaiting: i32[r.throttleWaiting]!,
    }),
    order: (a, b) => compare(a.upstream, b.upstream) || a.slot - b.slot,
  });
}

/** The loops of all processes, or of those `only` accepts, by name and slot. */
export function readLoops(
  memory: StatsMemory,
  options: { limit?: number; only?: (slot: Slot) => boolean } = {},
): Rows<WorkerLoop> {
  const { loopRow: r } = layout;
  return readRows(memory, options, {
    highAt: layout.slotI32.loopHigh,
    max: layout.maxLoops,
    at: layout.loopsAt,
    bytes: layout.loopBytes,
    live: ({ i32 }) => i32[r.live] === 1,
    decode: ({ bytes, i32, f64 }, slot, worker) => ({
      slot: slot.number,
      worker,
      loop: slot.text(i32[r.loop]!),
      state: loopStates[i32[r.state]!] ?? "waiting",
      failures: i32[r.failures]!,
      runs: f64[r.runs]!,
      errors: f64[r.errors]!,
      startedAt: f64[r.startedAt]!,
      durationMs: f64[r.durationMs]!,
      nextAt: f64[r.nextAt]!,
      error: readText(bytes, r.error, r.errorBytes, i32[r.errorLen]!),
      errorAt: f64[r.errorAt]!,
    }),
    order: (a, b) => compare(a.loop, b.loop) || a.slot - b.slot,
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Table<T> {
  highAt: number;
  max: number;
  at: number;
  bytes: number;
  live(row: layout.SlotViews): boolean;
  decode(row: layout.SlotViews, slot: Slot, worker: string, index: number, torn: boolean): T;
  order(a: T, b: T): number;
}

function readRows<T>(
  memory: StatsMemory,
  { limit = 1000, only }: { limit?: number; only?: (slot: Slot) => boolean },
  table: Table<T>,
): Rows<T> {
  const rows: T[] = [];
  const copy = layout.viewsOf(new ArrayBuffer(table.bytes), 0, table.bytes);
  for (const slot of memory.usedSlots()) {
    if (only && !only(slot)) continue;
    const worker = slot.worker;
    const high = Math.min(Math.max(slot.views.i32[table.highAt]!, 0), table.max);
    for (let row = 0; row < high; row++) {
      const torn = !copyRow(slot.views, table.at + row * table.bytes, copy);
      if (table.live(copy)) rows.push(table.decode(copy, slot, worker, row, torn));
    }
  }
  rows.sort(table.order);
  return { total: rows.length, rows: rows.slice(0, limit) };
}

/** Copies one row; false when it could not be had in one piece. */
function copyRow(views: layout.SlotViews, at: number, copy: layout.SlotViews): boolean {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = Atomics.load(views.i32, at / 4);
    copy.bytes.set(views.bytes.subarray(at, at + copy.bytes.byteLength));
    if ((before & 1) === 0 && Atomics.load(views.i32, at / 4) === before) return true;
  }
  return false;
}
