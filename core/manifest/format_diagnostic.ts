/** A diagnostic as text for people: place, problem, suggestion, and the line with a caret below it. */
import type { Diagnostic } from "./diagnostic.ts";

export interface FormatOptions {
  /** ANSI colours; off unless asked for. */
  color?: boolean;
}

/** Widest excerpt; a longer line is cut around the caret. */
const maxWidth = 120;

/** Several lines without a trailing line break. */
export function formatDiagnostic(diagnostic: Diagnostic, options: FormatOptions = {}): string {
  const paint = (code: string, text: string) => options.color ? `\x1b[${code}m${text}\x1b[0m` : text;
  const { file, line, column, path } = diagnostic;
  const place = line > 0 ? `${file ?? "manifest"}:${line}:${column}` : path || "manifest";
  const head = `${paint("1", `${place}:`)} ${paint("31", diagnostic.message)}${
    didYouMean(diagnostic.suggestions)
  }`;
  if (line === 0) return head;
  const { excerpt, start } = window(diagnostic);
  const margin = String(line).length + 2;
  const marked = Math.max(1, Math.min(diagnostic.length, excerpt.length - (column - 1 - start)));
  const indent = excerpt.slice(0, column - 1 - start).replace(/[^\t]/g, " ");
  return [
    head,
    `${" ".repeat(2)}${line} | ${excerpt}`,
    `${" ".repeat(margin)} | ${indent}${paint("31", "^".repeat(marked))}`,
  ].map((text) => text.trimEnd()).join("\n");
}

/** All of them, with a last line that counts. */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], options: FormatOptions = {}): string {
  const count = diagnostics.length;
  const total = count === 1 ? "1 problem" : `${count} problems`;
  return [...diagnostics.map((one) => formatDiagnostic(one, options)), total].join("\n");
}

function didYouMean(suggestions: readonly string[]): string {
  return suggestions.length === 0
    ? ""
    : `; did you mean ${suggestions.map((text) => `\`${text}\``).join(" or ")}?`;
}

function window({ excerpt, column }: Diagnostic): { excerpt: string; start: number } {
  if (excerpt.length <= maxWidth) return { excerpt, start: 0 };
  const start = Math.max(0, Math.min(column - 1 - maxWidth / 2, excerpt.length - maxWidth));
  return { excerpt: excerpt.slice(start, start + maxWidth), start };
}
