/**
 * Writes the expected diagnostics beside every wrong manifest of the corpus: `deno run -A core/manifest/write_corpus.ts`.
 * The places and proposals at the head of each manifest are written by hand and are not touched; whoever runs
 * this reads the difference before committing it.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { compileFile, type CompileResult } from "./compile.ts";
import { formatDiagnostics } from "./format_diagnostic.ts";

const corpus = new URL("./corpus/", import.meta.url);

/** Names of the corpus's manifests, in order. */
export function corpusFiles(): string[] {
  return [...Deno.readDirSync(corpus)].map(({ name }) => name).filter((name) => /^\d.*\.yaml$/.test(name))
    .sort();
}

/** Compiles one of them with the environment that all of them share. */
export function compileCorpus(name: string): CompileResult {
  const cwd = dirname(fileURLToPath(new URL(name, corpus)));
  return compileFile(name, { cwd, env: { PORT: "8080", EMPTY: "" }, platform: "linux", cores: 2 });
}

/** What stands in the expected file: no path of this machine in it. */
export function corpusText(result: CompileResult): string {
  const root = dirname(dirname(fileURLToPath(new URL("x", corpus))));
  return formatDiagnostics(result.diagnostics).replaceAll(root, "<folder>") + "\n";
}

export function expectedFile(name: string): URL {
  return new URL(name.replace(/\.yaml$/, ".txt"), corpus);
}

if (import.meta.main) {
  for (const name of corpusFiles()) {
    Deno.writeTextFileSync(expectedFile(name), corpusText(compileCorpus(name)));
  }
}
