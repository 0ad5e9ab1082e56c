/**
 * YAML text to plain values with places. Resolves anchors, aliases, merge keys and the environment; refuses duplicate
 * keys, unknown tags, several documents, and anything that grows past what a manifest can be (aliases of aliases,
 * depth, size). It knows nothing of what the keys mean.
 */
import {
  type Alias,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
} from "yaml";
import type { Diagnostic } from "./diagnostic.ts";
import { interpolate, plainScalar } from "./interpolate.ts";
import { formatPath, type Path, Places } from "./places.ts";
import { type Env, mapOf, maxDepth, maxNodes, type ReadManifest } from "./read_manifest.ts";
import { suggest } from "./suggest.ts";
import { type Range, rangeOf, syntaxDiagnostics } from "./yaml_syntax.ts";

/** Bytes of text; a manifest is written by people. */
export const maxManifestBytes = 1024 * 1024;

export function readYaml(source: string, file: string | null, env: Env): ReadManifest {
  const text = source.startsWith("\ufeff") ? source.slice(1) : source;
  const places = new Places(text, file);
  if (text.length > maxManifestBytes) {
    return failed(places, [
      places.at({ start: 0, end: 1 }, [], `the manifest is larger than ${maxManifestBytes} bytes`),
    ]);
  }
  const tooDeep = findDepth(text);
  if (tooDeep >= 0) {
    return failed(places, [
      places.at({ start: tooDeep, end: tooDeep + 1 }, [], "the manifest is nested too deeply"),
    ]);
  }
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    merge: false,
    keepSourceTokens: false,
  });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) return failed(places, syntaxDiagnostics(problems, document.contents, places));
  return new YamlReader(places, env).read(document.contents as Node | null);
}

function failed(places: Places, diagnostics: Diagnostic[]): ReadManifest {
  return { value: undefined, places, diagnostics, spoilt: [] };
}

/** Offset where brackets are open deeper than `maxDepth`, or -1. The parser below is recursive. */
function findDepth(text: string): number {
  const limit = maxDepth * 2;
  let depth = 0;
  let dashes = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === "[" || character === "{") depth++;
    else if ((character === "]" || character === "}") && depth > 0) depth--;
    else if (character === "\n") dashes = 0;
    else if (
      (character === "-" || character === "?" || character === ":") && " \n".includes(text[index + 1])
    ) dashes++;
    if (depth > limit || dashes > limit) return index;
  }
  return findIndent(text, limit);
}

/** Offset of the line that is indented as the `limit`th deeper level, or -1. */
function findIndent(text: string, limit: number): number {
  const levels: number[] = [];
  for (const line of text.matchAll(/^( *)[^ \r\n#]/gm)) {
    const indent = line[1].length;
    while (levels.length > 0 && levels[levels.length - 1] >= indent) levels.pop();
    levels.push(indent);
    if (levels.length > limit) return line.index + indent;
  }
  return -1;
}

class YamlReader {
  readonly #places: Places;
  readonly #env: Env;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #spoilt: Path[] = [];
  readonly #targets = new Map<Alias, Node>();
  readonly #open = new Set<Node>();
  #nodes = 0;

  constructor(places: Places, env: Env) {
    this.#places = places;
    this.#env = env;
  }

  read(contents: Node | null): ReadManifest {
    if (contents) this.#resolveAliases(contents);
    let value = contents ? this.#value(contents, []) : null;
    if (this.#nodes > maxNodes) value = undefined;
    return { value, places: this.#places, diagnostics: this.#diagnostics, spoilt: this.#spoilt };
  }

  /** In the order of the text, because an anchor may be declared again. */
  #resolveAliases(contents: Node): void {
    const anchors = new Map<string, Node>();
    visit(contents, {
      Node: (_, node) => {
        if (!isAlias(node)) {
          if (node.anchor) anchors.set(node.anchor, node as Node);
          return;
        }
        const target = anchors.get(node.source);
        if (target) {
          this.#targets.set(node, target);
          return;
        }
        const near = suggest(node.source, anchors.keys());
        this.#report(
          rangeOf(node),
          [],
          `no anchor \`&${node.source}\` before this alias`,
          near ? [`*${near}`] : [],
        );
      },
    });
  }

  #report(range: Range, path: Path, message: string, suggestions: string[] = []): undefined {
    this.#diagnostics.push(this.#places.at(range, path, message, suggestions));
    return undefined;
  }

  #spoil(range: Range, path: Path, message: string): undefined {
    this.#spoilt.push(path);
    return this.#report(range, path, message);
  }

  /** The value of a node; `key` is the range of the key that leads to it. */
  #value(node: Node | null, path: Path, key?: Range, via?: Range): unknown {
    if (++this.#nodes > maxNodes) {
      return this.#tooMany(via ?? (node ? rangeOf(node) : key ?? { start: 0, end: 1 }), path);
    }
    if (node && isAlias(node)) return this.#alias(node, path, key, via);
    const range = node ? rangeOf(node) : key ?? { start: 0, end: 1 };
    const scalar = !node || isScalar(node);
    this.#places.set(path, { ...range, key, scalar });
    if (path.length >= maxDepth) return this.#spoil(range, path, `${formatPath(path)} is nested too deeply`);
    if (!node) return null;
    if (isScalar(node)) return this.#scalar(node, path, key);
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        // `- a: 1` without a key around it is a map of its own; only pairs of `!!omap` are not nodes.
        return isPair(item) ? null : this.#value(item as Node | null, [...path, index], undefined, via);
      });
    }
    return isMap(node) ? this.#map(node, path, via) : this.#spoil(range, path, "has no meaning here");
  }

  #tooMany(range: Range, path: Path): undefined {
    if (this.#nodes > maxNodes + 1) return undefined;
    return this.#report(
      range,
      path,
      `the manifest has more than ${maxNodes} parts once its aliases are followed`,
    );
  }

  #alias(alias: Alias, path: Path, key?: Range, via?: Range): unknown {
    const target = this.#targets.get(alias);
    const range = rangeOf(alias);
    if (!target) {
      this.#places.set(path, { ...range, key, scalar: true });
      this.#spoilt.push(path);
      return undefined;
    }
    if (this.#open.has(target)) {
      this.#places.set(path, { ...range, key, scalar: true });
      return this.#spoil(range, path, `the alias \`*${alias.source}\` stands inside its own anchor`);
    }
    this.#open.add(target);
    const value = this.#value(target, path, key, via ?? range);
    this.#open.delete(target);
    return value;
  }

  #scalar(node: Scalar, path: Path, key?: Range): unknown {
    const value = node.value;
    if (typeof value === "bigint" || (typeof value === "object" && value !== null)) {
      return String(node.source ?? value);
    }
    if (typeof value !== "string" || !value.includes("${")) return value;
    const range = rangeOf(node);
    const result = interpolate(value, this.#env);
    let searched = range.start;
    for (const problem of result.problems) {
      const written = value.slice(problem.offset, problem.offset + problem.length);
      const found = this.#places.text.indexOf(written, searched);
      const start = found >= 0 && found < range.end ? found : range.start;
      searched = start + 1;
      this.#spoil({ start, end: start + problem.length }, path, problem.message);
    }
    if (result.variables.length === 0) return result.text;
    const plain = result.text === "" ? "" : plainScalar(result.text);
    const [taken, alternative] = node.type === "PLAIN" ? [plain, result.text] : [result.text, plain];
    this.#places.set(path, { ...range, key, scalar: true, variables: result.variables, alternative });
    return taken;
  }

  #map(node: YAMLMap, path: Path, via?: Range): Record<string, unknown> {
    const own = new Map<string, unknown>();
    const merges: { node: Node | null; range: Range }[] = [];
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null;
      const value = pair.value as Node | null;
      const range = keyNode ? rangeOf(keyNode) : rangeOf(node);
      if (isScalar(keyNode) && keyNode.value === "<<" && keyNode.type === "PLAIN") {
        if (merges.length > 0) {
          this.#report(range, path, "duplicate key `<<`; merge several maps with `<<: [*a, *b]`");
        }
        merges.push({ node: value, range });
        continue;
      }
      const key = this.#key(keyNode, range, path);
      if (key === undefined) continue;
      if (own.has(key)) {
        this.#report(range, [...path, key], `duplicate key \`${key}\``);
        continue;
      }
      own.set(key, this.#value(value, [...path, key], range, via));
    }
    const entries = [...own];
    for (const { node: merged, range } of merges) entries.push(...this.#merge(merged, range, path, own));
    return mapOf(entries);
  }

  #key(node: Node | null, range: Range, path: Path): string | undefined {
    const target = node && isAlias(node) ? this.#targets.get(node) : node;
    if (!isScalar(target) || target.value === null) return this.#report(range, path, "a key must be text");
    const written = typeof target.value === "string" ? target.value : String(target.source ?? target.value);
    const { text, problems } = interpolate(written, this.#env);
    for (const problem of problems) this.#report(range, path, problem.message);
    if (problems.length > 0) return undefined;
    return text === "__proto__" ? this.#report(range, path, "unknown key `__proto__`") : text;
  }

  /** Keys of the map itself win over merged ones, and earlier merged maps over later ones. */
  #merge(node: Node | null, range: Range, path: Path, own: Map<string, unknown>): [string, unknown][] {
    const sources = isSeq(node) ? node.items as Node[] : [node];
    const merged = new Map<string, unknown>();
    for (const source of sources) {
      const target = source && isAlias(source) ? this.#targets.get(source) : source;
      if (source && isAlias(source) && !target) continue;
      if (!isMap(target)) {
        this.#report(
          source ? rangeOf(source) : range,
          path,
          "`<<` takes a map, or a list of maps, such as `*name`",
        );
        continue;
      }
      if (this.#open.has(target)) {
        this.#report(rangeOf(source!), path, "a map cannot be merged into itself");
        continue;
      }
      this.#open.add(target);
      for (
        const [key, value] of this.#withoutTaken(target, path, new Set([...own.keys(), ...merged.keys()]))
      ) {
        merged.set(key, value);
      }
      this.#open.delete(target);
    }
    return [...merged];
  }

  #withoutTaken(node: YAMLMap, path: Path, taken: ReadonlySet<string>): [string, unknown][] {
    const found: [string, unknown][] = [];
    const own = new Map<string, unknown>([...taken].map((key) => [key, null]));
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null;
      const range = keyNode ? rangeOf(keyNode) : rangeOf(node);
      if (isScalar(keyNode) && keyNode.value === "<<" && keyNode.type === "PLAIN") continue;
      const key = this.#key(keyNode, range, path);
      if (key === undefined || own.has(key)) continue;
      const value = this.#value(pair.value as Node | null, [...path, key], range, range);
      own.set(key, value);
      found.push([key, value]);
    }
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null;
      if (!isScalar(keyNode) || keyNode.value !== "<<" || keyNode.type !== "PLAIN") continue;
      found.push(...this.#merge(pair.value as Node | null, rangeOf(keyNode), path, own));
    }
    return found;
  }
}
