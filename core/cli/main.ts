/** The command line: finds the command, runs it, turns what it throws into a message and an exit code. */
import { suggest } from "../manifest/suggest.ts";
import { type ExitCode, exitCodes } from "../supervisor/exit_code.ts";
import { weirVersion } from "../version.ts";
import { type Command, type Terminal, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { Unreachable, usualManifest } from "./find_service.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { looksLikeManifest } from "./manifest_commands.ts";
import { parseArguments } from "./parse_arguments.ts";

const ownTerminal: Terminal = {
  out: (text) => console.log(text),
  err: (text) => console.error(text),
  human: Deno.stdout.isTerminal(),
};

/**
 * Runs `args`; resolves with the exit code, never rejects. `more` are commands of what this part of the program knows
 * nothing of: protocols.
 */
export async function main(
  args: readonly string[],
  terminal: Terminal = ownTerminal,
  more: readonly Command[] = [],
): Promise<ExitCode> {
  try {
    return await dispatch(args, terminal, [...commands, ...more]);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof UsageError) {
      terminal.err(`${text}\n--help lists all commands`);
      return exitCodes.wrong;
    }
    terminal.err(text);
    // What a running service answers with is its refusal; everything else failed here.
    return error instanceof Unreachable || isRefusal(args) ? exitCodes.unreachable : exitCodes.failed;
  }
}

async function dispatch(
  args: readonly string[],
  terminal: Terminal,
  commands: readonly Command[],
): Promise<ExitCode> {
  const [first] = args;
  if (first === "--version" || first === "-V") {
    const { deno, v8 } = Deno.version;
    const json = args.includes("--json");
    terminal.out(
      json ? JSON.stringify({ weir: weirVersion, deno, v8 }) : `weir ${weirVersion} (deno ${deno})`,
    );
    return exitCodes.clean;
  }
  if (first === "--help" || first === "-h" || first === "help") {
    const asked = commands.find(({ name }) => name === args[1]);
    terminal.out(asked ? commandHelp(asked) : generalHelp(commands));
    return exitCodes.clean;
  }
  if (first === undefined && !looksLikeManifest(usualManifest)) {
    throw new UsageError("name a manifest or a command");
  }
  const { command, rest } = choose(args, commands);
  const given = parseArguments(command, rest);
  if (given.options.help) {
    terminal.out(commandHelp(command));
    return exitCodes.clean;
  }
  return await command.run(given, terminal);
}

/** The command of `args`; a manifest, or an option in the first place, means `run`. */
function choose(
  args: readonly string[],
  commands: readonly Command[],
): { command: Command; rest: readonly string[] } {
  const [first] = args;
  const named = commands.find(({ name }) => name === first);
  if (named) return { command: named, rest: args.slice(1) };
  const run = commands[0]!;
  if (first === undefined || first.startsWith("-") || looksLikeManifest(first)) {
    return { command: run, rest: args };
  }
  const near = suggest(first, commands.map(({ name }) => name));
  throw new UsageError(`there is no command \`${first}\`${near ? `; did you mean \`${near}\`?` : ""}`);
}

function isRefusal([first]: readonly string[]): boolean {
  return ["status", "reload", "restart", "stacks", "logs", "drain", "stop"].includes(first ?? "");
}
