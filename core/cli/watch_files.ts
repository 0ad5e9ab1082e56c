/** Tells when a file of a service is saved: the manifest, or code in the folders of its handlers. */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plan } from "../manifest/plan.ts";

const code = /\.(?:[cm]?[jt]sx?|json|ya?ml)$/;
const ignored = /(?:^|[\\/])(?:node_modules|\.[^\\/]+)[\\/]/;
/** Editors write a file in several steps. */
const quietMs = 100;

/** Folders that hold the handler modules of `plan`, and the manifest's own. */
export function watchedFolders(plan: Plan): string[] {
  const folders = new Set([plan.directory]);
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const { module } = value as { module?: unknown };
    if (typeof module === "string" && module.startsWith("file:")) folders.add(dirname(fileURLToPath(module)));
    for (const inner of Object.values(value)) look(inner);
  };
  look(plan);
  const all = [...folders].map((folder) => resolve(folder));
  // A folder inside another one is watched with it.
  return all.filter((folder) => !all.some((other) => other !== folder && folder.startsWith(`${other}/`)));
}

/** Calls `saved` after every save in `folders`, once per burst; returns what stops it. */
export function watchFiles(folders: readonly string[], saved: (path: string) => void): () => void {
  const watcher = Deno.watchFs([...folders], { recursive: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  (async () => {
    for await (const { kind, paths } of watcher) {
      if (kind === "access") continue;
      const path = paths.find((each) => code.test(each) && !ignored.test(each));
      if (path === undefined) continue;
      clearTimeout(timer);
      timer = setTimeout(() => saved(path), quietMs);
    }
  })();
  return () => {
    clearTimeout(timer);
    watcher.close();
  };
}
