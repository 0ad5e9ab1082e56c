/** The text files of this project, without what a run leaves behind and without test data that is wrong on purpose. */
import { fileURLToPath } from "node:url";

const texts = /\.(ts|js|json|jsonc|yaml|yml|md|html|css|svg|txt|sh|lock|lua|py)$|^(LICENSE|run)$/;
/** Test data that is wrong on purpose, what a run leaves behind, and what is not this project's. */
const skipped = new Set(["corpus", "testdata", ".git", ".cache", "node_modules", "var", "logs"]);

/** The folder of a file URL as a path. */
export function fromFileUrl(url: URL): string {
  return fileURLToPath(url);
}

/** Paths below `root` (a file URL that ends with `/`), with `/`, sorted. */
export async function projectFiles(root: URL): Promise<string[]> {
  const files: string[] = [];
  const folders = [""];
  for (const folder of folders) {
    for await (const { name, isDirectory, isFile } of Deno.readDir(new URL(encodeURI(folder), root))) {
      if (skipped.has(name)) continue;
      if (isDirectory) folders.push(`${folder}${name}/`);
      else if (isFile && texts.test(name)) files.push(folder + name);
    }
  }
  return files.sort();
}
