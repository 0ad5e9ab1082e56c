/**
 * A document as JSON: `{ title, <section key>: … }`; facts are an object, a table is an array of objects, a block is its
 * text or its data. Values are raw: numbers without units, times as epoch milliseconds; the unit is in the key.
 */

import { type Action, asCell, type Document, type Section } from "./document.ts";

/** The JSON text of a document, indented, with a line feed at its end. */
export function renderJson(document: Document): string {
  const out: Record<string, unknown> = { title: document.title };
  for (const section of document.sections) out[section.key] = sectionData(section);
  return JSON.stringify(out, null, 2) + "\n";
}

function sectionData(section: Section): unknown {
  if (section.kind === "facts") {
    return Object.fromEntries(section.facts.map((fact) => [fact.key, asCell(fact.value).value]));
  }
  if (section.kind === "table") {
    return section.rows.map((row) =>
      Object.fromEntries(section.columns.map((column, i) => [column.key, asCell(row[i] ?? null).value]))
    );
  }
  if (section.kind === "block") return section.data ?? section.text;
  return section.actions.map((action) => actionData(action));
}

function actionData({ method, path, label, fields }: Action) {
  return { method: method.toUpperCase(), path, label, fields: fields.map((field) => field.name) };
}
