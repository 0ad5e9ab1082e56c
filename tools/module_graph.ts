/**
 * The imports of this project as `deno info --json` sees them: what really loads when a module runs, with types told
 * apart from code. Reads nothing but the command's answer.
 */

/** One module and what it imports when it runs; types are not imports. */
export interface GraphModule {
  /** Path below the project's root with `/`, or the specifier of what is not in the project. */
  readonly name: string;
  /** What its code imports, dynamic imports with a fixed text included. */
  readonly code: readonly string[];
  /** What it imports for its types only. */
  readonly types: readonly string[];
  /** Import specifiers as they were written. */
  readonly written: readonly string[];
  /** Why it cannot be loaded; undefined where it can. */
  readonly error: string | undefined;
}

/** Modules by name. */
export type ModuleGraph = ReadonlyMap<string, GraphModule>;

/** The part of `deno info --json` that is used. */
export interface DenoInfo {
  modules: Array<{
    specifier: string;
    error?: string;
    dependencies?: Array<{ specifier: string; code?: { specifier?: string }; type?: { specifier?: string } }>;
  }>;
}

/** Reads the answer of `deno info --json`; `root` is the project's folder as a file URL that ends with `/`. */
export function readGraph(info: DenoInfo, root: string): ModuleGraph {
  const nameOf = (specifier: string) => specifier.startsWith(root) ? specifier.slice(root.length) : specifier;
  const graph = new Map<string, GraphModule>();
  for (const { specifier, error, dependencies = [] } of info.modules) {
    const name = nameOf(specifier);
    graph.set(name, {
      name,
      code: dependencies.flatMap(({ code }) => code?.specifier ? [nameOf(code.specifier)] : []),
      types: dependencies.flatMap(({ type }) => type?.specifier ? [nameOf(type.specifier)] : []),
      written: dependencies.map(({ specifier }) => specifier),
      error,
    });
  }
  return graph;
}

/** The graph of all `files` (absolute paths) together. Throws Error with the command's own words when it fails. */
export async function graphOf(files: readonly string[], root: string): Promise<ModuleGraph> {
  const folder = await Deno.makeTempDir();
  try {
    const entry = `${folder}/all.ts`;
    const urls = files.map((file) => JSON.stringify(new URL(`file://${encodeURI(file)}`).href));
    await Deno.writeTextFile(entry, urls.map((url) => `import ${url};\n`).join(""));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", new URL("deno.json", root).pathname, entry],
      cwd: folder,
    });
    const { success, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`Cannot read the module graph: ${decoder.decode(stderr)}`);
    return readGraph(JSON.parse(decoder.decode(stdout)), root);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A shortest way from `from` to the first module that `wanted` accepts; undefined where there is none. */
export function wayTo(
  graph: ModuleGraph,
  from: string,
  wanted: (name: string) => boolean,
): readonly string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  for (const name of cameFrom.keys()) {
    if (name !== from && wanted(name)) {
      const way = [name];
      for (let step = cameFrom.get(name); step !== undefined; step = cameFrom.get(step)) way.unshift(step);
      return way;
    }
    for (const next of graph.get(name)?.code ?? []) if (!cameFrom.has(next)) cameFrom.set(next, name);
  }
  return undefined;
}
