/** All commands, in the order of the help. */
import type { Command } from "./command.ts";
import * as control from "./control_commands.ts";
import { init } from "./init_command.ts";
import { check, explain, schema } from "./manifest_commands.ts";

/** `run` is loaded when it is used: the other commands have no need of a supervisor. */
const run: Command = {
  name: "run",
  words: ["[manifest]"],
  text: "run a service; the command that is meant when none is named",
  options: [{ name: "watch", text: "reload when the manifest or code beside its handlers is saved" }],
  run: async (given, terminal) => await (await import("./run_command.ts")).runService(given, terminal),
};

/** The table of commands. */
export const commands: readonly Command[] = [
  run,
  check,
  explain,
  schema,
  init,
  control.status,
  control.reload,
  control.restart,
  control.stacks,
  control.logs,
  control.drain,
  control.stop,
];
