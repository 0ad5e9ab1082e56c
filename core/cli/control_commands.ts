/** Commands for a running service; each is one or two questions over its control socket. */
import type { ReloadAnswer, StacksAnswer, SupervisorState } from "../control.ts";
import { formatFrame } from "../supervisor/capture_stack.ts";
import { type ExitCode, exitCodes } from "../supervisor/exit_code.ts";
import { type Command, type Given, type OptionRow, type Terminal, UsageError } from "./command.ts";
import { parseDuration } from "./duration.ts";
import { findService, type Found } from "./find_service.ts";
import { statusText } from "./status_text.ts";

const answerMs = 5000;
/** Reloading starts every worker in turn, each within its own limit. */
const reloadMs = 30 * 60_000;

/** A command that asks the service of `[manifest]`, its last word. */
function control(
  row: { name: string; words?: readonly string[]; text: string; options?: readonly OptionRow[] },
  ask: (found: Found, given: Given, terminal: Terminal) => Promise<ExitCode>,
): Command {
  const words = row.words ?? [];
  return {
    name: row.name,
    words: [...words, "[manifest]"],
    text: row.text,
    options: row.options ?? [],
    async run(given, terminal) {
      const found = await findService(given.words[words.length]);
      try {
        return await ask(found, given, terminal);
      } finally {
        found.close();
      }
    },
  };
}

/** Prints an answer: as JSON where that was asked for. */
function print({ options }: Given, terminal: Terminal, answer: unknown, text: string): void {
  terminal.out(options.json ? JSON.stringify(answer, null, 2) : text);
}

export const status = control(
  { name: "status", text: "processes, addresses, last exits; exit 1 when it is not ready" },
  async (found, given, terminal) => {
    const state = await found.request<SupervisorState>({ type: "status" }, answerMs);
    // The inspector's address is a key to the process; it is nobody's to print.
    const shown = { ...state, children: state.children.map(({ inspector: _key, ...child }) => child) };
    print(given, terminal, shown, statusText(state, Date.now()));
    return state.ready ? exitCodes.clean : exitCodes.failed;
  },
);

export const reload = control(
  {
    name: "reload",
    text: "read the manifest again; new workers first, then the old ones drain",
    options: [{
      name: "wait",
      text: "until the new workers serve; exit 1, with the reason, when they do not",
    }],
  },
  async (found, given, terminal) => {
    const wait = given.options.wait === true;
    const answer = await found.request<ReloadAnswer>({ type: "reload", wait }, wait ? reloadMs : answerMs);
    const text = [answer.message, ...answer.changes.map((change) => `  ${change}`)].join("\n");
    if (answer.ok || given.options.json) print(given, terminal, answer, text);
    else terminal.err(text);
    return answer.ok ? exitCodes.clean : exitCodes.failed;
  },
);

export const drain = control(
  { name: "drain", text: "finish what is in flight, then stop (as SIGTERM); returns when it has stopped" },
  (found, given, terminal) => end(found, given, terminal, "drain"),
);

export const stop = control(
  { name: "stop", text: "stop at once; what is in flight is cut off" },
  (found, given, terminal) => end(found, given, terminal, "stop"),
);

async function end(
  found: Found,
  given: Given,
  terminal: Terminal,
  type: "drain" | "stop",
): Promise<ExitCode> {
  await found.request({ type }, answerMs);
  await found.gone;
  print(given, terminal, { ok: true, pid: found.pid }, `stopped (pid ${found.pid})`);
  return exitCodes.clean;
}

export const restart = control(
  { name: "restart", words: ["<worker>"], text: "replace one worker by its number: the new one first" },
  async (found, given, terminal) => {
    const id = Number(given.words[0]);
    if (!Number.isInteger(id) || id < 1) throw new UsageError(`\`${given.words[0]}\` is no worker's number`);
    const answer = await found.request({ type: "restartWorker", id }, answerMs);
    print(given, terminal, answer, `worker ${id} is being replaced`);
    return exitCodes.clean;
  },
);

export const stacks = control(
  { name: "stacks", text: "what every process is executing just now" },
  async (found, given, terminal) => {
    const answer = await found.request<StacksAnswer>({ type: "stacks" }, answerMs);
    const text = answer.stacks.map(({ role, id, pid, frames, error }) => {
      const idle = frames.every(({ file }) => file.startsWith("ext:"));
      const lines = error !== "" ? [error] : idle ? ["nothing: it waits"] : frames.map(formatFrame);
      return [`${role} ${id} (pid ${pid})`, ...lines.map((line) => `  ${line}`)].join("\n");
    });
    print(given, terminal, answer, text.join("\n"));
    return exitCodes.clean;
  },
);

export const logs = control(
  {
    name: "logs",
    words: ["<level>", "<logger>", "<debug|info|warn|error>"],
    text: "set the level of a logger, or of all that match a glob: logs level access.* debug --for 10m",
    options: [{ name: "for", value: "time", text: "go back after this long" }],
  },
  async (found, given, terminal) => {
    const [verb, logger, level] = given.words;
    if (verb !== "level") throw new UsageError(`logs has no \`${verb}\`; it is: logs level <logger> <level>`);
    if (!["debug", "info", "warn", "error"].includes(level!)) {
      throw new UsageError(`\`${level}\` is no level: debug, info, warn or error`);
    }
    const ttlMs = typeof given.options.for === "string" ? parseDuration(given.options.for) : 0;
    const answer = await found.request({ type: "logLevel", logger, level, ttlMs }, answerMs);
    print(given, terminal, answer, `${logger} logs ${level}${ttlMs > 0 ? ` for ${given.options.for}` : ""}`);
    return exitCodes.clean;
  },
);
