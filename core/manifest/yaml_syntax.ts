/** What the YAML parser has to say about a text that is none, in the words and at the places of a diagnostic. */
import { isMap, isScalar, isSeq, type Node, visit, type YAMLError } from "yaml";
import type { Diagnostic } from "./diagnostic.ts";
import type { Places } from "./places.ts";

/** Offsets in the text. */
export type Range = { start: number; end: number };

/** One per line: what follows a syntax error on its line follows from it. */
export function syntaxDiagnostics(problems: YAMLError[], contents: unknown, places: Places): Diagnostic[] {
  const found = problems.slice(0, 50).map((problem) => {
    const [start, end] = problem.pos;
    if (places.text[start - 1] === "$" && places.text[start] === "{") {
      const message = "inside `{ }` and `[ ]` a value with `${…}` needs quotes around it";
      return places.at({ start: start - 1, end: start + 1 }, [], message);
    }
    const open = openedBy(problem, contents as Node | null);
    if (!open) return places.at({ start, end }, [], `not readable as YAML: ${syntaxMessage(problem)}`);
    const opening = places.text[open.start];
    const message = `not readable as YAML: this \`${opening}\` is never closed`;
    return places.at({ start: open.start, end: open.start + 1 }, [], message);
  });
  const lines = new Set<number>();
  return found.filter(({ line }) => !lines.has(line) && lines.add(line));
}

function syntaxMessage({ code, message }: YAMLError): string {
  if (code === "MULTIPLE_DOCS") return "one file is one service, so there can be no second document (`---`)";
  if (code === "MULTILINE_IMPLICIT_KEY") {
    return "a key must be followed by a colon and a space";
  }
  if (code === "TAB_AS_INDENT") return "a tab cannot indent; use spaces";
  if (code === "TAG_RESOLVE_FAILED") return `${lower(message)}; tags (\`!…\`) have no meaning here`;
  return lower(message);
}

/** The bracket or quote whose other half is missing: that is where the mistake was made, not at the end of the file. */
function openedBy({ message, pos }: YAMLError, contents: Node | null): Range | undefined {
  const closing = /(?:end with an? ([\]}])|missing closing (["']))/i.exec(message);
  if (!closing || !contents) return undefined;
  let best: Range | undefined;
  visit(contents, {
    Node: (_, node) => {
      const fits = closing[1] === "]"
        ? isSeq(node) && node.flow
        : closing[1] === "}"
        ? isMap(node) && node.flow
        : isScalar(node) &&
          String(node.type).startsWith("QUOTE");
      if (!fits || !(node as Node).range) return;
      const range = rangeOf(node as Node);
      const distance = Math.abs(range.end - pos[0]);
      if (range.start < pos[0] && (!best || distance <= Math.abs(best.end - pos[0]))) best = range;
    },
  });
  return best;
}

function lower(message: string): string {
  return message.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()).replace(/\.$/, "");
}

export function rangeOf(node: Node): Range {
  const range = node.range;
  if (!range) return { start: 0, end: 1 };
  return { start: range[0], end: Math.max(range[0], range[1]) };
}
