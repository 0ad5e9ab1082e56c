/**
 * The rules of the layers as data, and the check of a module graph and of texts against them. Knows no file system.
 */
import { type ModuleGraph, wayTo } from "./module_graph.ts";

/** Which folders a folder must not import from, types included. */
const forbidden: Record<string, readonly string[]> = {
  core: ["protocols", "governance", "meta"],
  protocols: ["governance", "meta"],
  governance: ["protocols", "meta"],
  meta: ["protocols", "governance"],
};

/** What runs in a child process or a pool thread: they get the Plan as JSON. */
export const childEntries: readonly string[] = [
  "worker.ts",
  "governor.ts",
  "shipper.ts",
  "core/pool/thread_main.ts",
  "core/supervisor/acceptor.ts",
];

/** What a child process may load all the same: lists of endpoints are YAML, too, and the governor reads them. */
const readersAllowed: Readonly<Record<string, RegExp>> = { "governor.ts": /^npm:\/?yaml@/ };

/** What reads manifests: the supervisor's and the command line's business alone. */
const manifestReaders = /^(npm:\/?(yaml|zod)@|core\/manifest\/(mod|compile|schema|read_yaml)\.ts$)/;

/** Everything wrong with the imports, one sentence each. */
export function layerProblems(graph: ModuleGraph): string[] {
  const problems: string[] = [];
  for (const { name, code, types, written, error } of graph.values()) {
    if (error !== undefined) problems.push(`${name} cannot be loaded: ${error}`);
    const layer = name.split("/")[0];
    if (!isTest(name)) {
      for (const imported of new Set([...code, ...types])) {
        const other = imported.split("/")[0];
        if (!forbidden[layer]) continue;
        // What stands at the root puts the layers together, so it is above all of them.
        if (forbidden[layer].includes(other) || isAtRoot(imported)) {
          problems.push(
            `${name} imports ${imported}: ${layer} knows nothing of ${isAtRoot(imported) ? "it" : other}`,
          );
        }
      }
    }
    for (const specifier of written) {
      if (/^(jsr|https?|data):/.test(specifier)) {
        problems.push(`${name} imports ${specifier}: only npm packages`);
      }
      if (!name.startsWith("npm:") && /^npm:/.test(specifier)) {
        problems.push(`${name} imports ${specifier}: import it by its name in deno.json`);
      }
    }
    if (childEntries.includes(name)) {
      const allowed = readersAllowed[name];
      const way = wayTo(graph, name, (found) => manifestReaders.test(found) && !allowed?.test(found));
      if (way) problems.push(`a child process loads a reader of manifests: ${way.join(" → ")}`);
    }
  }
  return problems;
}

/** Tests may put layers together, and so may the programs that they start. */
function isTest(name: string): boolean {
  return name.endsWith("_test.ts") || name.includes("/testdata/");
}

function isAtRoot(name: string): boolean {
  return /^[^/:]+\.ts$/.test(name);
}

/** Everything wrong with the import map of deno.json. */
export function pinProblems(imports: Record<string, string>): string[] {
  const exact = /^npm:\/?(@[a-z0-9._-]+\/)?[a-z0-9._-]+@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\/.*)?$/;
  return Object.entries(imports).flatMap(([name, target]) =>
    exact.test(target) ? [] : [`deno.json maps ${name} to ${target}: pin an npm package to one version`]
  );
}

/** Places of a text that name the machine it was written on; `own` are this machine's own folders. */
export function pathProblems(file: string, text: string, own: readonly string[]): string[] {
  const general =
    /(?<![\w.])\/(home|Users)\/[a-z][\w-]*\/|(?<![\w.])\/root\/|[A-Z]:\\Users\\|:\/\/registry\./;
  return text.split("\n").flatMap((line, index) => {
    const found = general.exec(line)?.[0] ?? own.find((folder) => line.includes(folder));
    return found === undefined ? [] : [`${file}:${index + 1}: names a machine's own place: ${found}`];
  });
}
