/** The help texts, made from the table of commands. */
import { weirVersion } from "../version.ts";
import { type Command, commonOptions, type OptionRow } from "./command.ts";

/** Help for everything. */
export function generalHelp(commands: readonly Command[]): string {
  const rows = commands.map((command) => [signature(command), command.text] as const);
  return `weir ${weirVersion}: runs the service that a manifest declares

usage: deno run -A mod.ts [command] [words] [options]
       deno run -A mod.ts service.yaml     the same as: run service.yaml

${columns(rows)}

Every command takes --json and --help. A command for a running service finds it by its manifest: ./service.yaml
unless one is named.

exit codes: 0 done or stopped cleanly, 1 failed, 2 wrong manifest or command line, 3 no such service or it refused,
4 stopped with work cut off`;
}

/** Help for one command. */
export function commandHelp(command: Command): string {
  const options = [...command.options, ...commonOptions].map((row) => [optionText(row), row.text] as const);
  return `usage: ${signature(command)} [options]\n\n${command.more ?? command.text}\n\n${columns(options)}`;
}

function signature({ name, words }: Command): string {
  return [name, ...words].join(" ").replace("logs <level>", "logs level");
}

function optionText({ name, value }: OptionRow): string {
  return `--${name}${value === undefined ? "" : ` <${value}>`}`;
}

function columns(rows: ReadonlyArray<readonly [string, string]>): string {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) =>
    left.length > width ? `  ${left}\n  ${" ".repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`
  ).join("\n");
}
