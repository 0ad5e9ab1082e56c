/** Takes a command's arguments apart: words and options, checked against its row of the table. Pure. */
import { suggest } from "../manifest/suggest.ts";
import { type Command, commonOptions, type Given, UsageError } from "./command.ts";

/** The words and options of `args`. Throws UsageError for what `command` does not take; `--` ends the options. */
export function parseArguments(command: Command, args: readonly string[]): Given {
  const rows = [...command.options, ...commonOptions];
  const words: string[] = [];
  const options: Record<string, string | true> = {};
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") {
      words.push(...args.slice(at + 1));
      break;
    }
    if (arg === "-h") {
      options.help = true;
      continue;
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const [, name, value] = /^--?([^=]*)(?:=(.*))?$/s.exec(arg)!;
    const row = rows.find((each) => each.name === name);
    if (row === undefined) {
      throw new UsageError(unknown(`${command.name} has no option \`${arg}\``, name!, rows));
    }
    if (row.value === undefined) {
      if (value !== undefined) throw new UsageError(`\`--${name}\` takes no value`);
      options[row.name] = true;
      continue;
    }
    const given = value ?? args[++at];
    if (given === undefined) throw new UsageError(`\`--${name}\` needs a value: --${name} <${row.value}>`);
    options[row.name] = given;
  }
  const least = command.words.filter((word) => word.startsWith("<")).length;
  if (options.help === undefined && words.length < least) {
    throw new UsageError(`${command.name} needs ${command.words[words.length]}`);
  }
  if (words.length > command.words.length) {
    throw new UsageError(`${command.name} does not take \`${words[command.words.length]}\``);
  }
  return { words, options };
}

function unknown(text: string, name: string, rows: readonly { name: string }[]): string {
  const near = suggest(name, rows.map((row) => row.name));
  return near === undefined ? text : `${text}; did you mean \`--${near}\`?`;
}
