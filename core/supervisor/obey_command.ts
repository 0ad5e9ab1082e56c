/** The commands of the control socket and of the meta pages: a table of what each does. */
import type { ChannelMessage } from "../channel.ts";
import {
  type LogLevel,
  type ReloadAnswer,
  type StacksAnswer,
  upstreamActions,
  type UpstreamCommand,
} from "../control.ts";
import type { Asker } from "./event.ts";
import { beginReload } from "./reload.ts";
import type { ServiceState } from "./service_state.ts";
import { stackOf } from "./stack_of.ts";
import { stopService } from "./stop_service.ts";

type Obey = (state: ServiceState, message: ChannelMessage, asker: Asker) => unknown;

/** What each command answers; throwing is refusing. A promise answers when it settles. */
const commands: Record<string, Obey> = {
  status: (state) => state.status(),
  reload(state, message, asker) {
    if (message.wait === true) {
      beginReload(state, [asker]);
      return new Promise(() => {});
    }
    beginReload(state, []);
    return { ok: true, message: "reloading", changes: [] } satisfies ReloadAnswer;
  },
  drain(state) {
    stopService(state, "drain", "command");
    return { phase: state.phase() };
  },
  stop(state) {
    stopService(state, "stop", "command");
    return { phase: state.phase() };
  },
  restartWorker: (state, message) => restartWorker(state, Number(message.id)),
  reopenLogs: (state) => reopenLogs(state),
  logLevel: (state, message) => setLogLevel(state, message as unknown as LogLevel),
  upstreamCommand: (state, message) => tellUpstream(state, message),
  stacks: (state) => takeStacks(state),
};

/** Does what `message` says and answers `asker`. */
export function obeyCommand(state: ServiceState, message: ChannelMessage, asker: Asker): void {
  try {
    const obey = Object.hasOwn(commands, message.type) ? commands[message.type] : undefined;
    if (obey === undefined) {
      throw new TypeError(`Cannot do ${JSON.stringify(message.type)}: there is no such command`);
    }
    const result = obey(state, message, asker);
    if (result instanceof Promise) result.then(asker.resolve, asker.reject);
    else asker.resolve(result);
  } catch (error) {
    asker.reject(error as Error);
  }
}

function restartWorker(state: ServiceState, id: number): unknown {
  const workers = state.all("worker");
  const child = workers.find((each) => each.id === id && each.state === "ready");
  const busy = workers.find((each) => each.state !== "ready" || each.doomed !== "");
  const no = (why: string) => new Error(`Cannot restart worker ${id}: ${why}`);
  if (child === undefined) throw no("it is not ready");
  if (state.goal.next !== null) throw no("a reload is going on");
  if (busy !== undefined) throw no(`${busy.name} is being replaced`);
  child.doomed = "restart";
  return { ok: true };
}

/** Opens all log files of all processes again, after a rotation by somebody else. */
export function reopenLogs(state: ServiceState): unknown {
  state.logging.reopen();
  for (const child of state.all()) child.channel?.send({ type: "reopenLogs" });
  return { ok: true };
}

function setLogLevel(state: ServiceState, { logger, level, ttlMs }: LogLevel): unknown {
  if (!["debug", "info", "warn", "error"].includes(level) || typeof logger !== "string") {
    throw new TypeError(`Cannot set the level to ${level}: it is debug, info, warn or error`);
  }
  state.logging.setLevel(logger, level, ttlMs);
  for (const child of state.all()) child.channel?.send({ type: "logLevel", logger, level, ttlMs });
  return { ok: true };
}

/** Passes an operator's word on to all workers, and keeps it for those to come. */
function tellUpstream(state: ServiceState, message: ChannelMessage): unknown {
  const command = upstreamCommandOf(message);
  const { upstream, action, endpoint, breaker, reason } = command;
  const no = (why: string) => new TypeError(`Cannot ${action} ${endpoint || breaker || upstream}: ${why}`);
  if (!Object.hasOwn(state.plan.upstreams, upstream)) {
    throw no(`there is no upstream ${JSON.stringify(upstream)}`);
  }
  const ofEndpoint = action === "eject" || action === "restore";
  if (ofEndpoint && endpoint === "") throw no("it needs an `endpoint`");
  if (!ofEndpoint && state.plan.upstreams[upstream]!.breaker === null) throw no(`${upstream} has no breaker`);
  if (!state.standing.take(command)) throw no("too many such commands are in force");
  const workers = state.all("worker");
  for (const child of workers) child.channel?.send({ ...command });
  state.log.warn(`upstream ${upstream}: ${action}`, { endpoint, breaker, reason, workers: workers.length });
  return { ok: true, workers: workers.length };
}

/** Takes the message apart; everything in it comes from outside. */
function upstreamCommandOf(message: ChannelMessage): UpstreamCommand {
  const text = (key: string) => {
    const value = message[key] ?? "";
    if (typeof value === "string" && value.length <= 300 && !/\p{Cc}/u.test(value)) return value;
    throw new TypeError(`Cannot command the upstream: \`${key}\` must be a line of at most 300 characters`);
  };
  const action = upstreamActions.find((known) => known === message.action);
  if (action === undefined) {
    throw new TypeError(
      `Cannot command the upstream: \`action\` must be one of ${upstreamActions.join(", ")}`,
    );
  }
  return {
    type: "upstreamCommand",
    upstream: text("upstream"),
    action,
    endpoint: text("endpoint"),
    breaker: text("breaker"),
    reason: text("reason"),
  };
}

async function takeStacks(state: ServiceState): Promise<StacksAnswer> {
  const { governor } = state;
  const take = async (child: ReturnType<ServiceState["all"]>[number]) => {
    const { role, id, pid, inspector } = child;
    return { role, id, pid, ...await stackOf(inspector, child === governor ? undefined : governor?.channel) };
  };
  return { stacks: await Promise.all(state.all().map(take)) };
}
