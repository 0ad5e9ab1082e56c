/** The second half of a child's life: drained, hung, killed, gone; and what is written down about it. */
import type { StackAnswer } from "../control.ts";
import { backoffMs, failuresAfter } from "./backoff.ts";
import { formatFrame } from "./capture_stack.ts";
import type { Child } from "./child.ts";
import { abandonReload } from "./reload.ts";
import type { ServiceState } from "./service_state.ts";
import type { ProcessExit } from "./spawn_child.ts";
import { stackOf } from "./stack_of.ts";
import { failService } from "./stop_service.ts";

/** On top of `workers.drain`, for the goodbye itself. */
const drainMarginMs = 1000;
const companionDrainMs = 2000;
/** Requests in flight that the log line of a hung worker shows. */
const mostInflight = 20;
const mostDetailLines = 20;

/** Tells `child` to finish and leave; new connections go elsewhere from now on. */
export function drainChild(state: ServiceState, child: Child, cause: string): void {
  const { drain, keepAccepting } = state.plans.get(child.generation)!.workers;
  const running = state.goal.phase === "run";
  const worker = child.role === "worker";
  const keepAcceptingMs = running || !worker ? 0 : keepAccepting;
  const drainMs = worker ? drain : child.role === "shipper" ? shipperDrainMs(state, child) : companionDrainMs;
  child.state = "draining";
  child.cause = cause;
  child.deadline = state.clock.now() + keepAcceptingMs + drainMs + drainMarginMs;
  state.log.info(`${child.name} drains`, { cause, childPid: child.pid });
  if (child.channel === undefined) return killChild(state, child, cause);
  // Where all are leaving there is nobody to steer to.
  const places = running ? state.groups.places(child.serial) : {};
  const steer = Object.values(places)[0] ?? null;
  if (steer !== null) {
    state.steered = child.serial;
    state.steeringStale = false;
  }
  const message = { type: "drain", keepAcceptingMs, drainMs, steer, places };
  const { acceptor } = state;
  if (acceptor === undefined || !worker) child.channel.send(message);
  else if (running) acceptor.remove(child.serial).then(() => child.channel?.send(message));
  else {
    child.channel.send(message);
    state.clock.after(keepAcceptingMs, () => acceptor.close());
  }
}

/**
 * Time for shipping what is left. When the service stops: what the workers left of `workers.drain`. In a reload, all of
 * it for streams that nobody will ship afterwards; where the next shipper goes on, only what the batch on its way takes.
 */
function shipperDrainMs(state: ServiceState, child: Child): number {
  if (state.goal.phase !== "run") return Math.max(companionDrainMs, state.drainUntil - state.clock.now());
  return child.lastShipper ? state.plans.get(child.generation)!.workers.drain : companionDrainMs;
}

/** A shipper is done; what it could not ship waits in the spool for the next one. */
export function recordsLeft(state: ServiceState, child: Child, streams: unknown): void {
  state.shipped = true;
  const counts = Object.entries((streams ?? {}) as Record<string, unknown>)
    .map(([name, count]) => [name, Number(count) || 0] as const)
    .filter(([, count]) => count > 0);
  if (counts.length === 0) return state.log.info(`${child.name} has shipped all records`);
  state.log.warn(`${child.name} leaves records in the spool`, { records: Object.fromEntries(counts) });
}

/** Its heart has stopped beating: what does it do, and for whom? */
export function hangChild(state: ServiceState, child: Child, cause: string): void {
  const serves = child.role === "worker";
  if (serves && child.state === "draining" && state.goal.phase !== "run") state.cutOff = true;
  child.state = "hung";
  child.doomed = cause;
  child.stack = "pending";
  state.acceptor?.remove(child.serial);
  state.log.warn(`${child.name} hangs`, { cause, childPid: child.pid });
  const governor = child.role === "governor" ? undefined : state.governor?.channel;
  stackOf(child.inspector, governor).then(({ frames, error }) =>
    state.queue.push({ type: "stack", serial: child.serial, frames, error })
  );
}

/** Its stack is there, or will never be; the requests it holds are read from the memory it shares. */
export function stackTaken(
  state: ServiceState,
  child: Child,
  frames: StackAnswer["frames"],
  error: string,
): void {
  const now = state.clock.epoch();
  const inflight = (child.vitals?.inflight(mostInflight) ?? []).map(({ listener, text, startedAt, mark }) =>
    `${listener}: ${text} for ${Math.round(now - startedAt)} ms${mark === "" ? "" : ` at ${mark}`}`
  );
  const stack = frames.map(formatFrame);
  state.log.error(`${child.name} hung and is replaced`, {
    cause: child.doomed,
    childPid: child.pid,
    stack,
    stackError: error === "" ? undefined : error,
    inflight,
  });
  child.detail = [...stack, ...inflight].join("\n") || error;
  child.stack = "done";
}

/** Ends it at once. */
export function killChild(state: ServiceState, child: Child, cause: string): void {
  const late = child.state === "draining" && state.clock.now() > child.deadline;
  child.killed = true;
  if (child.cause === "" || child.state === "hung" || late) child.cause = cause;
  if (child.role === "worker" && state.goal.phase !== "run" && child.state !== "starting") {
    const idle = child.state === "ready" && child.vitals?.inflight(1).length === 0;
    if (!idle) state.cutOff = true;
  }
  state.acceptor?.remove(child.serial);
  child.process?.kill();
}

/** It no longer listens, though it may still serve. */
export function leaveGroups(state: ServiceState, child: Child): void {
  if (state.groups.leave(child.serial)) state.steeringStale = true;
  child.listening = false;
}

/** Its process is gone. */
export function childExited(state: ServiceState, child: Child, exit: ProcessExit): void {
  state.children.delete(child.serial);
  state.memory.release(child.slot);
  child.channel?.close();
  state.acceptor?.lost(child.serial);
  leaveGroups(state, child);
  const uptimeMs = Math.round(state.clock.now() - child.startedAt);
  const expected = child.state === "draining" && !child.killed && exit.code === 0;
  const how = exit.signal !== "" ? `signal ${exit.signal}` : `exit code ${exit.code}`;
  const known = expected || child.killed ? child.cause : `${child.cause}, ${how}`;
  const cause = child.cause === "" ? how : known;
  const { role, id, pid } = child;
  const detail = child.detail || child.output.tail;
  state.exits.add({ role, id, pid, at: state.clock.epoch(), cause, expected, uptimeMs, detail });
  if (child.left > 0 && state.goal.phase !== "run") state.cutOff = true;
  if (expected) state.log.info(`${child.name} is gone`, { cause, childPid: pid, left: child.left });
  else childDied(state, child, cause, uptimeMs, detail);
  if (state.goal.next?.generation !== child.generation) return;
  const why = child.cause === "failed at start" ? child.detail : `${cause}\n${detail}`;
  abandonReload(state, `${child.name}: ${why.trim()}`);
}

function childDied(state: ServiceState, child: Child, cause: string, uptimeMs: number, detail: string): void {
  const wanted = state.goal.phase === "run" && child.cause !== "reload";
  const seat = state.seat(child.role, child.id);
  if (wanted) {
    seat.failures = failuresAfter(seat.failures, uptimeMs);
    seat.notBefore = state.clock.now() + backoffMs(seat.failures);
  }
  const replaced = state.all(child.role).some(({ id }) => id === child.id);
  const lines = detail.trimEnd().split("\n").slice(-mostDetailLines);
  // What a hung process was doing is in the log already.
  const shown = child.stack === "none" && lines[0] !== "";
  state.log.error(`${child.name} died`, {
    cause,
    childPid: child.pid,
    uptimeMs,
    restartInMs: wanted && !replaced ? backoffMs(seat.failures) : undefined,
    detail: shown ? lines : undefined,
  });
  const never = child.role === "worker" && !state.everReady && cause.startsWith("not ready");
  if (never) failService(state, `${child.name} was ${cause}`);
}
