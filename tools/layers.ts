/**
 * `deno task layers`: the rules of tools/layer_rules.ts on this tree. Prints every problem and exits 1 where there is
 * one; also when it finds nothing to look at.
 */
import { fromFileUrl, projectFiles } from "./project_files.ts";
import { childEntries, layerProblems, pathProblems, pinProblems } from "./layer_rules.ts";
import { graphOf } from "./module_graph.ts";

/** Everything wrong in the project at `root`, a file URL that ends with `/`. */
export async function checkLayers(root: URL): Promise<{ modules: number; problems: string[] }> {
  const files = await projectFiles(root);
  const folder = fromFileUrl(root);
  const modules = files.filter((file) => file.endsWith(".ts"));
  const graph = await graphOf(modules.map((file) => folder + file), root.href);
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const problems = [...pinProblems(imports), ...layerProblems(graph)];
  for (const entry of childEntries) {
    if (!graph.has(entry)) {
      problems.push(`there is no ${entry}: tools/layer_rules.ts must name the entries of children`);
    }
  }
  const own = [folder, Deno.env.get("HOME") ?? ""].filter((path) => path.split("/").length > 3);
  for (const file of files) {
    // The lock file is the package manager's; this rule's own test has to name what it refuses.
    if (file === "deno.lock" || file === "tools/layer_rules_test.ts") continue;
    problems.push(...pathProblems(file, await Deno.readTextFile(folder + file), own));
  }
  return { modules: modules.filter((file) => graph.has(file)).length, problems };
}

if (import.meta.main) {
  const { modules, problems } = await checkLayers(new URL("../", import.meta.url));
  for (const problem of problems) console.error(problem);
  console.log(`layers: ${modules} modules, ${problems.length} problems`);
  if (problems.length > 0 || modules === 0) Deno.exit(1);
}
