/**
 * What a pool and its threads say to each other. Small calls and answers travel as records of two rings, everything else
 * as messages. Every call, also one whose particulars come by message, has a record in the request ring: the record is
 * what a thread claims and what the pool can take back, so that exactly one of them decides whether it runs.
 *
 * ```
 * request  i32 state · i32 call · i32 service (-1: particulars by message) · i32 payload bytes (-1: by message)
 *          · f64 deadline (epoch ms) · i32 request info bytes · i32 shape · info (JSON) · payload
 * answer   i32 call · i32 status · f64 run time (ms) · i32 bytes · i32 shape · payload (of an error: JSON as its head)
 * ```
 * The shape of a payload: see message.ts.
 */
import type { RequestInfo } from "../context.ts";
import type { Payload } from "./message.ts";
import type { WireError } from "./wire_error.ts";

/** Byte length of the fixed part of a request. */
export const requestHead = 32;
/** Byte length of the fixed part of an answer. */
export const answerHead = 24;

/** Values of the state word, changed by compare-and-exchange only. */
export const CallState = { queued: 1, claimed: 2, revoked: 3 } as const;

/** Values of an answer's status. */
export const AnswerStatus = { ok: 0, error: 1 } as const;

/** Words of the memory that a thread shares with its pool beside the rings; a text of `markBytes` follows at `markAt`. */
export const SharedWord = { forwarded: 0, markLength: 1, markCall: 2 } as const;
export const markAt = 16;
export const markBytes = 240;
export const sharedBytes = markAt + markBytes;

/** What a thread is started with. */
export interface ThreadStart {
  readonly pool: string;
  readonly thread: number;
  readonly requests: SharedArrayBuffer;
  readonly answers: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly shared: SharedArrayBuffer;
  /** How long an idle thread may block its event loop at a time. */
  readonly blockMs: number;
  /** Whether the thread joins its process's inspector, by which it can be stopped whatever it runs. */
  readonly inspector: boolean;
  readonly directory: string;
  readonly services: readonly ServiceSource[];
  readonly config: Readonly<Record<string, unknown>>;
}

/** Where a service's adapter and handler come from; all URLs. */
export interface ServiceSource {
  readonly adapter: string;
  readonly module: string;
  readonly export: string;
}

/** A call of an exported function. */
export interface CallSource {
  /** URL. */
  readonly module: string;
  readonly export: string;
  readonly args: unknown[];
}

/** Pool to thread. */
export type ToThread =
  | { t: "load"; index: number; source: ServiceSource }
  | { t: "payload"; call: number; payload: Payload }
  | { t: "call"; call: number; source: CallSource }
  | { t: "abort"; call: number; error: WireError; drop: boolean }
  | { t: "nested"; id: number; ok: true; value: unknown }
  | { t: "nested"; id: number; ok: false; error: WireError }
  | { t: "stop" };

/** One thing that a thread hands to the services of the main thread. */
export type Forwarded =
  | { k: "log"; level: "debug" | "info" | "warn" | "error"; path: string; message: string; fields?: Fields }
  | { k: "counter" | "gauge" | "timing"; name: string; value: number; labels?: Record<string, string> }
  | { k: "distinct"; name: string; value: string; labels?: Record<string, string> }
  | { k: "mark"; call: number; text: string };

/** Fields of a log line. */
export type Fields = Record<string, unknown>;

/** Thread to pool. */
export type FromThread =
  | { t: "inspector"; url: string }
  | { t: "ready" }
  | { t: "failed"; error: WireError }
  | { t: "loaded"; index: number; error?: WireError }
  | { t: "answer"; call: number; runMs: number; ok: true; value: unknown }
  | { t: "answer"; call: number; runMs: number; ok: false; error: WireError }
  | { t: "dropped"; call: number; abandoned: number }
  | { t: "nested"; id: number; call: number; pool: string; source: CallSource }
  | { t: "forward"; items: Forwarded[]; lost: number }
  | { t: "heap"; usedBytes: number }
  | { t: "stopped" };

/** The request info that a handler sees when the caller gave none. */
export const noRequest: RequestInfo = { id: "", rpcId: "", client: "", address: "", meta: {} };
