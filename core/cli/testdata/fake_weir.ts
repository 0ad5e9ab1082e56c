/** The command line with the supervisor's fake child in the place of workers and governor. */
import { main } from "../main.ts";
import { runService } from "../run_command.ts";
import { parseArguments } from "../parse_arguments.ts";
import { commands } from "../commands.ts";

const entry = new URL("../../supervisor/testdata/fake_child.ts", import.meta.url).href;
if (Deno.args[0] !== "run") Deno.exit(await main(Deno.args));
const given = parseArguments(commands[0]!, Deno.args.slice(1));
const terminal = { out: console.log, err: console.error, human: given.options.json === undefined };
Deno.exit(await runService(given, terminal, { worker: entry, governor: entry, shipper: entry }));
