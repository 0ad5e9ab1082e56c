/** The valid manifests beside this file, for tests: each compiles with the environment given here. */
import { fileURLToPath } from "node:url";
import { compileFile, type CompileOptions, type CompileResult } from "./compile.ts";

export const validFolder: string = fileURLToPath(new URL("./valid", import.meta.url));

export const validOptions: CompileOptions = {
  cwd: validFolder,
  env: { PORT: "8080", META_TOKEN: "token-of-meta" },
  platform: "linux",
  cores: 3,
};

export function validFiles(): string[] {
  return [...Deno.readDirSync(validFolder)].map(({ name }) => name).filter((name) => name.endsWith(".yaml"))
    .sort();
}

export function compileValid(name: string): CompileResult {
  return compileFile(name, validOptions);
}
