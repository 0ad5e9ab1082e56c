/**
 * What supervisor, children and the command line say to each other over a {@link Channel}. Hardly more than types. A child finds
 * the socket and its token in the environment (WEIR_CONTROL, WEIR_TOKEN, WEIR_CHILD_ID, WEIR_ROLE), connects, sends
 * `hello`, receives `plan` and answers `ready` or `failed`. When the channel closes the supervisor is gone, and the
 * child exits.
 */

/** What a process of the service is for. */
export type Role = "supervisor" | "worker" | "governor" | "shipper";

/** Life of a child as the supervisor sees it. */
export type ChildState = "starting" | "ready" | "hung" | "draining" | "exited";

/** Child → supervisor, first message. `inspector` is the private WebSocket URL of its inspector, empty where none. */
export interface Hello {
  type: "hello";
  token: string;
  role: Role;
  id: number;
  pid: number;
  inspector: string;
}

/** Supervisor → child. `slot` is its own slot in the statistics memory. */
export interface PlanMessage {
  type: "plan";
  /** The Plan of core/manifest, as JSON. */
  plan: unknown;
  worker: { id: number; slot: number; generation: number; of: number };
  /** Path of the memory-mapped file; null: send snapshots every second over the channel instead. */
  stats: { path: string | null };
  runtimeFolder: string;
  /** How this child's stderr/console lines are told apart. */
  label: string;
  /** Whether people read the supervisor's stdout at a terminal; the child itself only sees a pipe. */
  terminal?: boolean;
}

/**
 * Child → supervisor, optional: these addresses are bound now. Sent right after binding it keeps the group's index list
 * exact even when a worker dies between binding and `ready`.
 */
export interface Listening {
  type: "listening";
  addresses: Record<string, string[]>;
}

/** Child → supervisor: everything is bound, loaded and warm. `addresses.api` lists where listener `api` listens. */
export interface Ready {
  type: "ready";
  addresses: Record<string, string[]>;
}

/** Child → supervisor: starting failed for good, or it cannot go on for `cause`; the child exits after it. */
export interface Failed {
  type: "failed";
  error: string;
  /** What is missing may come by itself: try again, also where the service was never ready. */
  temporary?: boolean;
  cause?: string;
}

/**
 * Supervisor → worker: stop. Steer new connections to the siblings first (`steer`: this worker's place in the
 * SO_REUSEPORT groups and their size; null when alone), keep serving for keepAcceptingMs (not ready, but accepting),
 * then finish what is in flight within drainMs and exit 0.
 */
export interface Drain {
  type: "drain";
  keepAcceptingMs: number;
  drainMs: number;
  steer: { self: number; size: number } | null;
  /** The same by address (texts as in {@link Ready}), for groups that differ after a reload changed the listeners. */
  places?: Record<string, { self: number; size: number }>;
}

/**
 * Worker → supervisor, optional, during a drain: the listeners are closed, only connections in hand are left. The next
 * worker may then leave the group before this one exits.
 */
export interface Unbound {
  type: "unbound";
}

/** Worker → supervisor: it has the socket that was handed to it, and may get the next. */
export interface Took {
  type: "took";
}

/** Supervisor → any worker of the group: send new connections everywhere but to member `self` (it hangs). */
export interface SteerAway {
  type: "steerAway";
  self: number;
  size: number;
  /** The same by address, as in {@link Drain}. */
  places?: Record<string, { self: number; size: number }>;
}

/** Supervisor → any worker of the group: back to even hashing (a steered member is gone). */
export interface Unsteer {
  type: "unsteer";
}

/** Supervisor → every child. */
export interface ReopenLogs {
  type: "reopenLogs";
}

/** Supervisor → every child: `logger` is a name or a glob; after ttlMs (> 0) the level goes back. */
export interface LogLevel {
  type: "logLevel";
  logger: string;
  level: "debug" | "info" | "warn" | "error";
  ttlMs: number;
}

/** Child → supervisor, just before exit 0; `left` connections had to be cut. */
export interface Drained {
  type: "drained";
  left: number;
  /** Of a shipper: records that are still in the spool, by stream. */
  streams?: Record<string, number>;
}

/**
 * Governor → supervisor → every worker: the endpoints of a source are others now; they stand in its file in the runtime
 * folder (core/upstream/endpoint_file.ts), which may be newer than `version`.
 */
export interface EndpointsMessage {
  type: "endpoints";
  source: string;
  version: number;
}

/**
 * Supervisor → governor: watch the endpoints of these upstreams (`upstreams` of the Plan) beside those of its own plan.
 * Sent when a reload begins, whose workers may need them before they are ready, and with none when it is given up.
 */
export interface WatchUpstreams {
  type: "watchUpstreams";
  upstreams: unknown;
}

/** Child → supervisor → governor, where statistics cannot be mapped; `bytes` is base64 of a slot snapshot. */
export interface Snapshot {
  type: "snapshot";
  slot: number;
  bytes: string;
}

/** One process as shown on /workers and by `status`. */
export interface ChildStatus {
  role: Role;
  id: number;
  slot: number;
  generation: number;
  pid: number;
  state: ChildState;
  startedAt: number;
  readyAt: number;
  rssBytes: number;
  inspector: string;
}

/** A past exit, newest first; at most 10 per stable id. */
export interface ExitRecord {
  role: Role;
  id: number;
  pid: number;
  at: number;
  /** "exit code 1", "signal SIGKILL", "hang 2.1 s", "memory 600 MiB > 512 MiB", "age", "reload", "drain" … */
  cause: string;
  expected: boolean;
  uptimeMs: number;
  /** Last lines of stderr or the captured stack, at most 4 KiB. */
  detail: string;
}

/** The supervisor's whole state; sent to the governor at every change and to the command line on `status`. */
export interface SupervisorState {
  type: "state";
  service: string;
  version: string;
  weir: string;
  pid: number;
  startedAt: number;
  generation: number;
  /** What is happening: "starting" | "running" | "reloading" | "draining" | "stopped". */
  phase: string;
  ready: boolean;
  /** Why not ready, one sentence each. */
  notReady: string[];
  children: ChildStatus[];
  exits: ExitRecord[];
  addresses: Record<string, string[]>;
  lastReload: { at: number; ok: boolean; message: string } | null;
}

/** What an operator can do to an upstream. */
export const upstreamActions = ["eject", "restore", "open", "close", "auto"] as const;
export type UpstreamAction = typeof upstreamActions[number];

/**
 * Governor or command line → supervisor → every worker, also those that start later: `eject` takes an endpoint out of use
 * until `restore`; `open` and `close` hold a breaker in that state until `auto`.
 */
export interface UpstreamCommand {
  type: "upstreamCommand";
  upstream: string;
  action: UpstreamAction;
  /** Identity of the endpoint (`endpointKey`): its address, and after a blank its role; empty for breakers. */
  endpoint: string;
  /** Key of a breaker; empty: all breakers of the upstream. */
  breaker: string;
  /** For the log and the pages. */
  reason: string;
}

/** Governor or command line → supervisor, as channel requests. Replies are plain JSON. */
export type ControlRequest =
  | { type: "status" }
  | { type: "reload"; wait: boolean }
  | { type: "drain" }
  | { type: "stop" }
  | { type: "restartWorker"; id: number }
  | { type: "reopenLogs" }
  | { type: "logLevel"; logger: string; level: string; ttlMs: number }
  | UpstreamCommand
  | { type: "stacks" };

/** Supervisor → governor, as a channel request: capture the stack of one process through its inspector. */
export interface StackRequest {
  type: "stack";
  inspector: string;
  timeoutMs: number;
}

/** Answer to {@link StackRequest}: frames innermost first, with places in the original TypeScript. */
export interface StackAnswer {
  frames: Array<{ function: string; file: string; line: number; column: number }>;
}

/** Answer to `reload`. With `wait` it comes when the new generation serves, or when it was given up. */
export interface ReloadAnswer {
  ok: boolean;
  /** What happened; when it was refused or given up, why: the diagnostics as text. */
  message: string;
  /** What differs between the manifests, a line each. */
  changes: string[];
}

/** Answer to `stacks`: one entry per process. */
export interface StacksAnswer {
  stacks: Array<{ role: Role; id: number; pid: number; frames: StackAnswer["frames"]; error: string }>;
}
