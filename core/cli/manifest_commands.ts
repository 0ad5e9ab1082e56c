/** Commands that only look at a manifest: check, explain, schema. Nothing is bound, nothing runs. */
import type { Diagnostic } from "../manifest/mod.ts";
import { exitCodes } from "../supervisor/exit_code.ts";
import type { Command, Terminal } from "./command.ts";
import { usualManifest } from "./find_service.ts";

const load = () => import("../manifest/mod.ts");

/** Prints what is wrong with a manifest: text for people on stderr, or JSON on stdout. */
export async function reportProblems(
  diagnostics: readonly Diagnostic[],
  terminal: Terminal,
  json: boolean,
): Promise<void> {
  const { formatDiagnostics } = await load();
  if (json) terminal.out(JSON.stringify({ ok: false, diagnostics }, null, 2));
  else terminal.err(formatDiagnostics(diagnostics, { color: terminal.human && !Deno.noColor }));
}

/** `check [manifest]` */
export const check: Command = {
  name: "check",
  words: ["[manifest]"],
  text: "say everything that is wrong with a manifest; exit 2 when something is",
  options: [],
  async run({ words, options }, terminal) {
    const { compileFile, formatDiagnostics, unavailable } = await load();
    const file = words[0] ?? usualManifest;
    const json = options.json === true;
    const result = compileFile(file);
    if (result.plan === undefined) {
      await reportProblems(result.diagnostics, terminal, json);
      return exitCodes.wrong;
    }
    const missing = unavailable(result);
    if (json) terminal.out(JSON.stringify({ ok: true, diagnostics: [], notAvailableYet: missing }, null, 2));
    else {
      terminal.out(`${file}: no problems`);
      if (missing.length > 0) terminal.out(`but it cannot run yet:\n${formatDiagnostics(missing)}`);
    }
    return exitCodes.clean;
  },
};

/** `explain [manifest] [path]` */
export const explain: Command = {
  name: "explain",
  words: ["[manifest]", "[path]"],
  text: "the effective value of any part of a manifest, and where each comes from",
  options: [],
  async run({ words, options }, terminal) {
    const { compileFile, explain, renderExplanation } = await load();
    const isFile = words.length === 2 || (words[0] !== undefined && looksLikeManifest(words[0]));
    const [file, path] = isFile ? [words[0]!, words[1] ?? ""] : [usualManifest, words[0] ?? ""];
    const json = options.json === true;
    const result = compileFile(file);
    if (result.plan === undefined) {
      await reportProblems(result.diagnostics, terminal, json);
      return exitCodes.wrong;
    }
    const explanation = explain(result, path);
    if (json) terminal.out(JSON.stringify(explanation, null, 2));
    else if (explanation.found) terminal.out(renderExplanation(explanation));
    else terminal.err(renderExplanation(explanation));
    return explanation.found ? exitCodes.clean : exitCodes.wrong;
  },
};

/** `schema` */
export const schema: Command = {
  name: "schema",
  words: [],
  text: "the JSON schema of manifests, for editors (draft-07)",
  options: [],
  async run(_given, terminal) {
    const { jsonSchema } = await load();
    terminal.out(JSON.stringify(jsonSchema(), null, 2));
    return exitCodes.clean;
  },
};

/** Whether a word of the command line means a manifest rather than a command or a path within one. */
export function looksLikeManifest(word: string): boolean {
  return word.includes("/") || isFile(word) || (/\.(?:ya?ml|json)$/.test(word) && word !== usualManifest);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
