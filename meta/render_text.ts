/**
 * A document as aligned text for curl and a terminal. Columns are padded, numbers stand right. Control characters in
 * values are shown as escapes: what a client sent must not drive the operator's terminal.
 */

import { type Action, asCell, type Document, type Section, type Table } from "./document.ts";
import { formatCell, isNumeric } from "./format_value.ts";

/** The text of a document; `example` makes the curl line of a POST. */
export function renderText(document: Document, example: (method: string, path: string) => string): string {
  const lines = [document.title, "=".repeat(document.title.length), ""];
  for (const section of document.sections) {
    const body = sectionLines(section, example);
    if (body.length > 0) lines.push(...body, "");
  }
  return visible(lines.join("\n"), true).trimEnd() + "\n";
}

function sectionLines(section: Section, example: (method: string, path: string) => string): string[] {
  const filter = section.kind === "actions" && section.actions.every((action) => action.method === "get");
  if (filter || (section.kind === "actions" && section.formsOnly)) return [];
  const head = section.title === "" ? [] : [section.title, "-".repeat(section.title.length)];
  if (section.note) head.push(...visible(section.note, true).split("\n"));
  return [...head, ...bodyLines(section, example)];
}

function bodyLines(section: Section, example: (method: string, path: string) => string): string[] {
  if (section.kind === "table") return tableLines(section);
  if (section.kind === "block") return visible(section.text, true).split("\n");
  if (section.kind === "actions") return section.actions.map((action) => actionLine(action, example));
  const width = Math.max(0, ...section.facts.map((fact) => fact.label.length));
  return section.facts.map((fact) =>
    `${fact.label.padEnd(width)}  ${visible(formatCell(asCell(fact.value)))}`.trimEnd()
  );
}

function actionLine(action: Action, example: (method: string, path: string) => string): string {
  const fields = action.fields.map((field) =>
    `${field.name}=${field.options?.join("|") ?? field.value ?? "…"}`
  );
  const query = fields.length === 0 ? "" : `?${fields.join("&")}`;
  return `${action.label}: ${example(action.method.toUpperCase(), action.path + query)}`;
}

function tableLines({ columns, rows, empty }: Table): string[] {
  if (rows.length === 0) return [empty];
  const texts = rows.map((row) =>
    columns.map((column, i) => visible(formatCell(asCell(row[i] ?? null), column.as)))
  );
  const widths = columns.map((column, i) => {
    let width = column.label.length;
    for (const row of texts) width = Math.max(width, row[i]!.length);
    return width;
  });
  const line = (values: string[]) =>
    values.map((value, i) =>
      isNumeric(columns[i]!.as) ? value.padStart(widths[i]!) : value.padEnd(widths[i]!)
    )
      .join("  ").trimEnd();
  return [line(columns.map((column) => column.label)), ...texts.map(line)];
}

/** `text` with control characters (and, unless `block`, line feeds) written as escapes. */
export function visible(text: string, block = false): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    if (block && (char === "\n" || char === "\t")) return char;
    const code = char.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}
