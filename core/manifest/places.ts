/**
 * Where every part of a manifest stands in its text. Filled by read_yaml.ts, asked by diagnostics and `explain`.
 * A manifest given as an object has parts without a place: line 0.
 */
import type { Diagnostic } from "./diagnostic.ts";

export type Path = readonly (string | number)[];

/** One key or value of the manifest. Offsets count UTF-16 units of the text; -1 where there is no text. */
export interface Mark {
  start: number;
  end: number;
  /** Of the key that leads here; absent for list items and the root. */
  key?: { start: number; end: number };
  /** Whether there is a scalar here: a number, text, `true`, or nothing. */
  scalar: boolean;
  /** Environment variables that the value was made from. */
  variables?: string[];
  /** The other reading of what the variables gave: as text where it was taken as a number, or the other way round. */
  alternative?: unknown;
}

export interface Place {
  line: number;
  column: number;
}

export class Places {
  readonly file: string | null;
  readonly text: string;
  readonly #marks = new Map<string, Mark>();
  #lineStarts: number[] | null = null;

  constructor(text: string, file: string | null) {
    this.text = text;
    this.file = file;
  }

  set(path: Path, mark: Mark): void {
    this.#marks.set(keyOf(path), mark);
  }

  get(path: Path): Mark | undefined {
    return this.#marks.get(keyOf(path));
  }

  /** Line and column of an offset, both from 1. */
  locate(offset: number): Place {
    const starts = this.#lineStarts ??= lineStarts(this.text);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - starts[low] + 1 };
  }

  /** Where the part at `path` begins: its value when that is a scalar, else the key before it. */
  placeOf(path: Path): Place | null {
    const mark = this.get(path);
    return mark && mark.start >= 0 ? this.locate(rangeOf(mark).start) : null;
  }

  /** A diagnostic about the text from `start` to `end`. */
  at(
    range: { start: number; end: number },
    path: Path,
    message: string,
    suggestions: string[] = [],
  ): Diagnostic {
    const base = { path: formatPath(path), message, suggestions, file: this.file };
    if (range.start < 0) return { ...base, line: 0, column: 0, length: 0, excerpt: "" };
    const start = Math.min(range.start, this.text.length);
    const { line, column } = this.locate(start);
    const lineStart = start - column + 1;
    const found = /\r?\n|\r/.exec(this.text.slice(lineStart, lineStart + 10_000));
    const excerpt = this.text.slice(lineStart, found ? lineStart + found.index : lineStart + 10_000);
    const length = Math.max(1, Math.min(range.end - start, excerpt.length - column + 1));
    return { ...base, line, column, length, excerpt };
  }

  /** A diagnostic about the value at `path`, or about the nearest part around it that is there. */
  about(path: Path, message: string, suggestions: string[] = []): Diagnostic {
    const variables = this.get(path)?.variables?.map((name) => `\`\${${name}}\``).join(", ");
    const from = variables ? ` (read from ${variables})` : "";
    return this.at(this.#nearest(path, rangeOf), path, message + from, suggestions);
  }

  /** A diagnostic about the key at `path`. */
  aboutKey(path: Path, message: string, suggestions: string[] = []): Diagnostic {
    return this.at(this.#nearest(path, (mark) => mark.key ?? rangeOf(mark)), path, message, suggestions);
  }

  #nearest(path: Path, range: (mark: Mark) => { start: number; end: number }) {
    const own = this.get(path);
    if (own) return range(own);
    for (let length = path.length - 1; length >= 0; length--) {
      const mark = this.get(path.slice(0, length));
      if (mark) return mark.key ?? rangeOf(mark);
    }
    return this.text === "" && this.#marks.size > 0 ? { start: -1, end: -1 } : { start: 0, end: 1 };
  }
}

function rangeOf(mark: Mark): { start: number; end: number } {
  // Nothing after a key is best shown by the key.
  return mark.key && (!mark.scalar || mark.start === mark.end) ? mark.key : mark;
}

function keyOf(path: Path): string {
  return path.join("\0");
}

/** `listeners.api.routes[0].match`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (const found of text.matchAll(/\r\n|\n|\r/g)) starts.push(found.index + found[0].length);
  return starts;
}
