/** One problem of a manifest, with its place. Types and the order of problems; nothing else. */

export interface Diagnostic {
  /** Where in the manifest, as its keys: `listeners.api.deadline`. Empty for the manifest as a whole. */
  path: string;
  /** What is wrong, as one sentence without a full stop. */
  message: string;
  /** What was probably meant; best first, empty where nothing is near. */
  suggestions: string[];
  /** The file as the caller named it; `null` for manifests without one. */
  file: string | null;
  /** From 1; both 0 for manifests that were given as an object. */
  line: number;
  column: number;
  /** Characters that the caret line marks. */
  length: number;
  /** The offending line, without its line break. */
  excerpt: string;
}

/** By place, then by path; stable. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics
    .filter((one) => {
      // An anchor used twice is one place in the text, so its problem is one problem.
      const key = one.line > 0 ? `${one.line}:${one.column}:${one.message}` : `${one.path}:${one.message}`;
      return !seen.has(key) && seen.add(key);
    })
    .sort((a, b) => a.line - b.line || a.column - b.column);
}
