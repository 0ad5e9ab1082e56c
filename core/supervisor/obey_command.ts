/** The commands of the control socket and of the meta pages: a table of what each does. */
import type { ChannelMessage } from "../channel.ts";
import type { LogLevel, ReloadAnswer, StacksAnswer } from "../control.ts";
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

async function takeStacks(state: ServiceState): Promise<StacksAnswer> {
  const { governor } = state;
  const take = async (child: ReturnType<ServiceState["all"]>[number]) => {
    const { role, id, pid, inspector } = child;
    return { role, id, pid, ...await stackOf(inspector, child === governor ? undefined : governor?.channel) };
  };
  return { stacks: await Promise.all(state.all().map(take)) };
}
