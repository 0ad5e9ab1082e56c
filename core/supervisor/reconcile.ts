/**
 * The supervisor's judgement: what is wanted, what is there, and what to do about the difference. Pure: no clock, no
 * process, no message; supervisor.ts carries the actions out and asks again until there is nothing left to do. Every
 * action changes `Actual` so that it is not asked for twice.
 */
import type { ChildState, Role } from "../control.ts";

/** Time and size limits, from `workers` of the Plan. 0 = no limit where said. */
export interface Limits {
  /** Hello to ready. */
  readonly startMs: number;
  /** Heartbeat silent this long: the process hangs. */
  readonly hangMs: number;
  /** Heartbeat silent this long: new connections go elsewhere. */
  readonly silentMs: number;
  /** RSS of a worker; 0 = no limit. */
  readonly memoryBytes: number;
}

/** One set of workers made from one Plan. */
export interface Generation {
  readonly generation: number;
  readonly workers: number;
}

/** The processes beside the workers, at most one of each, in the order in which they are started. */
export const companions = ["governor", "shipper"] as const;

/** What should be. */
export interface Goal extends Generation {
  /** run: keep everything alive. drain: finish and stop. stop: now. */
  readonly phase: "run" | "drain" | "stop";
  readonly governor: boolean;
  /** It is started before the workers, which need what it finds out. */
  readonly governorFirst?: boolean;
  /** Something ships the records of streams. */
  readonly shipper: boolean;
  /** The generation a reload is starting; null outside of a reload. */
  readonly next: Generation | null;
  readonly limits: Limits;
}

/** One living process. Times are ms of the supervisor's monotonic clock. */
export interface ChildView {
  /** Running number of the process; never used again. */
  readonly serial: number;
  readonly role: Role;
  readonly id: number;
  readonly generation: number;
  readonly state: ChildState;
  readonly startedAt: number;
  readonly readyAt: number;
  /** While draining: when patience ends. */
  readonly deadline: number;
  /** Since its last heartbeat; 0 where that is unknown. */
  readonly silentMs: number;
  readonly rssBytes: number;
  readonly requests: number;
  /** With jitter; Infinity = no limit. */
  readonly maxAgeMs: number;
  readonly maxRequests: number;
  /** Why it is to be replaced; empty while nothing is wrong with it. */
  readonly doomed: string;
  /** Whether it is a member of the SO_REUSEPORT groups. */
  readonly listening: boolean;
  /** A shipper that only it knows streams of: it stays until the workers of its generation, which write them, are gone. */
  readonly lastShipper: boolean;
  /** Capture of its stack, once it hangs. */
  readonly stack: "none" | "pending" | "done";
  readonly killed: boolean;
}

/** When a stable id may be started again. */
export interface Seat {
  readonly role: Role;
  readonly id: number;
  readonly notBefore: number;
}

/** What is. */
export interface Actual {
  readonly children: readonly ChildView[];
  readonly seats: readonly Seat[];
  /** Serial of the worker that the kernel keeps new connections from; null: even hashing. */
  readonly steered: number | null;
  /** The groups changed since that was set up. */
  readonly steeringStale: boolean;
  /** A worker has been asked to change the steering and has not done so yet. */
  readonly steeringBusy: boolean;
}

/** What to do. */
export type Action =
  | { type: "start"; role: Role; id: number; generation: number }
  | { type: "doom"; serial: number; cause: string }
  | { type: "drain"; serial: number; cause: string }
  | { type: "hang"; serial: number; cause: string }
  | { type: "kill"; serial: number; cause: string }
  | { type: "steerAway"; serial: number; via: number }
  | { type: "unsteer"; via: number | null }
  | { type: "commit" }
  | { type: "finished" };

/** The actions that bring `actual` closer to `goal` at `now`; none when there is nothing to do. */
export function reconcile(goal: Goal, actual: Actual, now: number): Action[] {
  const guarded = guard(goal, actual, now);
  if (goal.phase !== "run") return [...guarded, ...finish(goal, actual, now)];
  const retired = retire(goal, actual);
  return [
    ...guarded,
    ...start(goal, actual, now),
    ...commit(goal, actual),
    ...retired,
    ...recycle(goal, actual, now),
    // Who is told to leave steers for itself, and nobody must undo that in the same breath.
    ...(retired.length > 0 ? [] : steer(goal, actual)),
  ];
}

/** Limits of every single process: slow start, silence, overlong drain. */
function guard({ limits }: Goal, { children }: Actual, now: number): Action[] {
  const actions: Action[] = [];
  for (const child of children) {
    const { serial, state } = child;
    if (child.killed) continue;
    if (state === "hung") {
      if (child.stack === "done") actions.push({ type: "kill", serial, cause: child.doomed });
    } else if (state === "starting" && now - child.startedAt > limits.startMs) {
      actions.push({ type: "hang", serial, cause: `not ready within ${seconds(limits.startMs)}` });
    } else if (state !== "starting" && child.silentMs > limits.hangMs) {
      actions.push({ type: "hang", serial, cause: `hang ${seconds(child.silentMs)}` });
    } else if (state === "draining" && now > child.deadline) {
      actions.push({ type: "kill", serial, cause: "drain took too long" });
    }
  }
  return actions;
}

/** One worker after the other; its companions when no worker is waiting to be started, unless one is needed first. */
function start(goal: Goal, { children, seats }: Actual, now: number): Action[] {
  const may = (role: Role, id: number) =>
    !seats.some((seat) => seat.role === role && seat.id === id && seat.notBefore > now);
  const beside = companions
    .filter((role) => goal[role] && may(role, 1) && !children.some((child) => child.role === role))
    .map((role) => ({ type: "start" as const, role, id: 1, generation: goal.generation }));
  if (goal.governorFirst && beside[0]?.role === "governor") return beside.slice(0, 1);
  if (children.some((child) => child.role === "worker" && child.state === "starting" && !child.killed)) {
    return [];
  }
  for (const { generation, workers } of generations(goal)) {
    for (let id = 1; id <= workers; id++) {
      if (holder(children, id, generation) === undefined && may("worker", id)) {
        return [{ type: "start", role: "worker", id, generation }];
      }
    }
  }
  return beside;
}

/** The reload is through when every worker of the next generation is ready. */
function commit({ next }: Goal, { children }: Actual): Action[] {
  return next !== null && allReady(children, next) ? [{ type: "commit" }] : [];
}

/** Processes that nobody wants any more: of another generation, beyond the count, or replaced. */
function retire(goal: Goal, { children, steeringBusy }: Actual): Action[] {
  const actions: Action[] = [];
  // One at a time: the kernel can keep new connections from one member of a group only, and the last one to say wins.
  let leaving = steeringBusy || children.some((child) => child.state === "draining" && child.listening);
  for (const child of children) {
    const { serial } = child;
    if (child.killed || (child.state !== "ready" && child.state !== "starting")) continue;
    const cause = surplus(goal, children, child);
    if (cause === "") continue;
    if (child.state === "starting") actions.push({ type: "kill", serial, cause });
    else if (child.role !== "worker") actions.push({ type: "drain", serial, cause });
    else if (!leaving) {
      leaving = child.listening;
      actions.push({ type: "drain", serial, cause });
    }
  }
  return actions;
}

function surplus(goal: Goal, children: readonly ChildView[], child: ChildView): string {
  const companion = companions.find((role) => role === child.role);
  if (companion !== undefined) {
    const stays = goal[companion] && child.generation === goal.generation;
    return stays || (child.lastShipper && hasWorkers(children, child.generation)) ? "" : "reload";
  }
  const wanted = generations(goal).find((set) => set.generation === child.generation);
  if (wanted === undefined || child.id > wanted.workers) return "reload";
  if (child.doomed === "") return "";
  return holder(children, child.id, child.generation)?.state === "ready" ? child.doomed : "";
}

/** At most one worker at a time is condemned, and only while all of them are well. */
function recycle(goal: Goal, { children }: Actual, now: number): Action[] {
  const workers = children.filter((child) => child.role === "worker");
  if (goal.next !== null || !allReady(children, goal) || workers.length !== goal.workers) return [];
  for (const child of workers) {
    const cause = worn(goal.limits, child, now);
    if (cause !== "") return [{ type: "doom", serial: child.serial, cause }];
  }
  return [];
}

function worn({ memoryBytes }: Limits, child: ChildView, now: number): string {
  if (memoryBytes > 0 && child.rssBytes > memoryBytes) {
    return `memory ${mebibytes(child.rssBytes)} > ${mebibytes(memoryBytes)}`;
  }
  if (now - child.readyAt > child.maxAgeMs) return "age";
  return child.requests > child.maxRequests ? `${child.requests} requests` : "";
}

/** New connections go everywhere but to the worker that leaves or, when none does, to one that is silent. */
function steer({ limits }: Goal, { children, steered, steeringStale, steeringBusy }: Actual): Action[] {
  if (steeringBusy) return [];
  const members = children.filter((child) => child.listening && !child.killed);
  const silent = (child: ChildView) => child.state === "hung" || child.silentMs > limits.silentMs;
  const away = members.find((child) => child.state === "draining") ?? members.find(silent);
  const via = members.find((child) => child !== away && child.state === "ready" && !silent(child));
  if (away === undefined) {
    return steered === null ? [] : [{ type: "unsteer", via: via?.serial ?? null }];
  }
  if (via === undefined || (away.serial === steered && !steeringStale)) return [];
  return [{ type: "steerAway", serial: away.serial, via: via.serial }];
}

/** How long a stop waits for a shipper that is starting. */
const shipperStartMs = 3000;
/** Who leaves after whom: the shipper ships what workers write until they end, the governor shows how all that goes. */
const leavingOrder: readonly Role[] = ["worker", "shipper", "governor"];

/** Drain or stop. */
function finish({ phase }: Goal, { children }: Actual, now: number): Action[] {
  if (children.length === 0) return [{ type: "finished" }];
  const alive = children.filter((child) => !child.killed);
  if (phase === "stop") return alive.map(({ serial }) => ({ type: "kill", serial, cause: "stop" }));
  const first = leavingOrder.find((role) => alive.some((child) => child.role === role));
  return alive.filter((child) => child.role === first).flatMap((child): Action[] => {
    const { serial, state } = child;
    // What was written so far is shipped by one that is about to be there.
    if (child.role === "shipper" && state === "starting" && now - child.startedAt < shipperStartMs) return [];
    if (state === "ready") return [{ type: "drain", serial, cause: "drain" }];
    return state === "starting" ? [{ type: "kill", serial, cause: "drain" }] : [];
  });
}

function generations(goal: Goal): Generation[] {
  return goal.next === null ? [goal] : [goal, goal.next];
}

function hasWorkers(children: readonly ChildView[], generation: number): boolean {
  return children.some((child) => child.role === "worker" && child.generation === generation);
}

/** The process that fills seat `id` of `generation`, or is about to. */
function holder(children: readonly ChildView[], id: number, generation: number): ChildView | undefined {
  return children.find((child) =>
    child.role === "worker" && child.id === id && child.generation === generation && child.doomed === "" &&
    !child.killed && (child.state === "starting" || child.state === "ready")
  );
}

function allReady(children: readonly ChildView[], { generation, workers }: Generation): boolean {
  for (let id = 1; id <= workers; id++) {
    if (holder(children, id, generation)?.state !== "ready") return false;
  }
  return true;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
