/** What a command of the command line is: one row of the table in commands.ts. */
import type { ExitCode } from "../supervisor/exit_code.ts";

/** One option, `--name` or `--name value`. */
export interface OptionRow {
  readonly name: string;
  /** What its value is called in the help; without it the option has none. */
  readonly value?: string;
  readonly text: string;
}

/** Where a command writes; tests give their own. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Whether people read `out` at a terminal. */
  readonly human: boolean;
}

/** The command line, taken apart. */
export interface Given {
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string | true>>;
}

/** One command. */
export interface Command {
  readonly name: string;
  /** Words it takes, as in the help: `<path>` must be given, `[path]` may. */
  readonly words: readonly string[];
  /** One line. */
  readonly text: string;
  /** Instead of `text` in the help of this command alone: what does not fit one line. */
  readonly more?: string;
  readonly options: readonly OptionRow[];
  /** Does it; resolves with the exit code. */
  run(given: Given, terminal: Terminal): Promise<ExitCode>;
}

/** The command line is wrong: exit code 2, with a hint where to look. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Every command has these. */
export const commonOptions: readonly OptionRow[] = [
  { name: "json", text: "answer in JSON" },
  { name: "help", text: "show this help" },
];
