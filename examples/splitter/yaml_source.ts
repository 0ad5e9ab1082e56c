/**
 * A YAML document in which every complaint knows its place. It walks the nodes of the parser instead of plain values,
 * because a plain value has forgotten its line. Bounded: aliases cannot make it walk more nodes than a set may have.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** One `key: value` of a mapping; `at` is the key's own node, for complaints about the key. */
export interface Entry {
  readonly key: string;
  readonly at: Node;
  readonly value: Node;
}

const maxSteps = 100_000;

/** Reads one file's text; nothing throws, everything wrong is collected. */
export class YamlSource {
  readonly file: string;
  readonly #document;
  readonly #lines = new LineCounter();
  readonly #problems: Array<{ offset: number; message: string }> = [];
  #steps = 0;

  constructor(text: string, file: string) {
    this.file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    for (const error of this.#document.errors) {
      this.#problems.push({ offset: error.pos[0], message: error.message });
    }
  }

  /** The outermost node; null for an empty file. */
  get root(): Node | null {
    return this.#document.contents;
  }

  get failed(): boolean {
    return this.#problems.length > 0;
  }

  /** Everything wrong as `file:line:column: message`, in the order of the file, each place once. */
  report(): string[] {
    const sorted = this.#problems.toSorted((a, b) => a.offset - b.offset);
    const lines = sorted.map(({ offset, message }) => {
      const { line, col } = this.#lines.linePos(offset);
      return `${this.file}:${line}:${col}: ${message}`;
    });
    return [...new Set(lines)];
  }

  /** Complains about `node`. */
  fail(node: Node | null, message: string): void {
    this.#problems.push({ offset: node?.range?.[0] ?? 0, message });
  }

  /** The entries of a mapping; complains and answers none where `node` is something else. */
  entries(node: Node | null, what: string): Entry[] {
    const target = this.#target(node);
    if (!isMap(target)) {
      this.fail(node, `${what} must be a mapping`);
      return [];
    }
    const entries: Entry[] = [];
    for (const pair of target.items) {
      const at = pair.key as Node;
      if (!this.#step(at)) return [];
      const key = this.text(at);
      if (key === undefined) this.fail(at, `a key of ${what} must be a plain name`);
      else entries.push({ key, at, value: pair.value as Node ?? at });
    }
    return entries;
  }

  /** The items of a list; complains and answers none where `node` is something else. */
  items(node: Node, what: string): Node[] {
    const target = this.#target(node);
    if (!isSeq(target)) {
      this.fail(node, `${what} must be a list`);
      return [];
    }
    return target.items.every((item) => this.#step(item as Node)) ? target.items as Node[] : [];
  }

  isList(node: Node): boolean {
    return isSeq(this.#target(node));
  }

  isMapping(node: Node): boolean {
    return isMap(this.#target(node));
  }

  /** A scalar as it was typed (`007`, `2.10`), not as YAML reads it; undefined where it is none or empty. */
  text(node: Node): string | undefined {
    const target = this.#target(node);
    if (!isScalar(target) || target.value === null) return undefined;
    return typeof target.value === "string" ? target.value : target.source ?? String(target.value);
  }

  /** A text, number or boolean as YAML reads it; undefined where it is none. */
  scalar(node: Node): string | number | boolean | undefined {
    const target = this.#target(node);
    if (!isScalar(target)) return undefined;
    const { value } = target;
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
      ? value
      : undefined;
  }

  /** Any node as a plain value. */
  plain(node: Node): unknown {
    return node.toJS(this.#document, { maxAliasCount: 100 });
  }

  #target(node: Node | null): Node | undefined {
    return isAlias(node) ? node.resolve(this.#document) : node ?? undefined;
  }

  #step(node: Node): boolean {
    if (++this.#steps === maxSteps) this.fail(node, `more than ${maxSteps} nodes, aliases followed`);
    return this.#steps < maxSteps;
  }
}
