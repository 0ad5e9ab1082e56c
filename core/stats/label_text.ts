/**
 * Labels of a series as one canonical text, the same that Prometheus shows between the braces: sorted names, escaped
 * values. Equal label sets have equal texts, so the text is the key of a series and is stored once.
 */

/** Label names and values of a series. */
export type Labels = Readonly<Record<string, string | number | boolean>>;

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
/** Labels that the exposition adds itself. */
const reserved = new Set(["le", "quantile", "worker"]);
const labelPattern = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Throws a TypeError unless `name` is a metric name as Prometheus defines it. */
export function checkSeriesName(name: string): void {
  if (!namePattern.test(name)) {
    throw new TypeError(
      `Cannot name a series "${name}": use letters, digits and "_", not starting with a digit`,
    );
  }
}

/** The canonical text of labels, `a="1",b="x"`; empty without labels. Throws a TypeError on a bad label name. */
export function formatLabels(labels: Labels | undefined): string {
  if (labels === undefined) return "";
  const names = Object.keys(labels).sort();
  let text = "";
  for (const name of names) {
    if (!labelPattern.test(name) || name.startsWith("__") || reserved.has(name)) {
      throw new TypeError(`Cannot label a series with "${name}": it is reserved or not a label name`);
    }
    text += `${text === "" ? "" : ","}${name}="${escapeLabel(String(labels[name]))}"`;
  }
  return text;
}

/** Escapes a label value: backslash, quote and line feed. */
export function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => c === "\n" ? "\\n" : `\\${c}`);
}

/** The labels of a canonical text. */
export function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/gs)) {
    labels[name!] = value!.replace(/\\(.)/gs, (_, c: string) => c === "n" ? "\n" : c);
  }
  return labels;
}
