/**
 * A document as an HTML page: no script, no inline style, one stylesheet of our own (assets/meta.css), so that the strictest
 * content security policy holds. Every value is escaped here and nowhere else; documents carry no markup.
 */

import {
  type Action,
  asCell,
  type Cell,
  type Document,
  type Facts,
  type Format,
  type Section,
  type Table,
  type Tone,
} from "./document.ts";
import { formatCell, isNumeric } from "./format_value.ts";
import { renderSpark } from "./render_spark.ts";
import { visible } from "./render_text.ts";

/** What surrounds a document: whose page it is, and how to get around. */
export interface Frame {
  service: string;
  version: string;
  /** One word on how the service is, and its tone. */
  state: { text: string; tone: Tone };
  path: string;
  /** The page's own query without `refresh` and `format`. */
  query: URLSearchParams;
  refreshSeconds: number;
  /** Whether this page can be asked for again in another form. */
  views: boolean;
  /** Whether actions can be sent: a token must be there to type. */
  writable: boolean;
  pages: readonly { path: string; title: string }[];
  nowText: string;
}

/** The whole page. */
export function renderHtml(document: Document, frame: Frame): string {
  const { refreshSeconds } = frame;
  const refresh = refreshSeconds > 0 ? `<meta http-equiv="refresh" content="${refreshSeconds}">` : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
${refresh}<title>${escape(document.title)} · ${escape(frame.service)}</title>
<link rel="stylesheet" href="/assets/meta.css">
</head>
<body>
<header>
<div class="bar"><a class="service" href="/">${escape(frame.service)}</a>
<span class="version">${escape(frame.version)}</span>
<span class="badge ${frame.state.tone}">${escape(frame.state.text)}</span>
<span class="views">${frame.views ? views(frame) : ""}</span></div>
<nav>${frame.pages.map((page) => navLink(page, frame.path)).join("")}</nav>
</header>
<main>
<h1>${escape(document.title)}</h1>
${document.sections.map((section) => sectionHtml(section, frame)).join("\n")}
</main>
<footer>${escape(frame.nowText)}</footer>
</body>
</html>
`;
}

/** Text made safe for element content and quoted attributes. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function navLink({ path, title }: { path: string; title: string }, current: string): string {
  const here = path === "/" ? current === "/" : current === path || current.startsWith(path + "/");
  return `<a href="${escape(path)}"${here ? ' aria-current="page"' : ""}>${escape(title)}</a>`;
}

function views(frame: Frame): string {
  const link = (label: string, key: string, value: string, on = false) => {
    const query = new URLSearchParams(frame.query);
    if (value !== "") query.set(key, value);
    const href = query.size === 0 ? frame.path : `${frame.path}?${query}`;
    return `<a href="${escape(href)}"${on ? ' aria-current="true"' : ""}>${label}</a>`;
  };
  const live = frame.refreshSeconds > 0;
  return [
    live ? link("live", "refresh", "", true) : link("live", "refresh", "2"),
    link("text", "format", "text"),
    link("json", "format", "json"),
  ].join("");
}

function sectionHtml(section: Section, frame: Frame): string {
  const title = section.title === "" ? "" : `<h2>${escape(section.title)}</h2>`;
  const note = section.note ? `<p class="note">${escape(section.note)}</p>` : "";
  return `<section id="${escape(section.key)}">${title}${note}${body(section, frame)}</section>`;
}

function body(section: Section, frame: Frame): string {
  if (section.kind === "facts") return factsHtml(section);
  if (section.kind === "table") return tableHtml(section);
  if (section.kind === "block") return `<pre>${escape(visible(section.text, true))}</pre>`;
  const forms = section.actions.filter((action) => action.method === "get" || frame.writable);
  const note = forms.length === section.actions.length
    ? ""
    : `<p class="note">Set meta.token in the manifest to act from here.</p>`;
  return note + `<div class="forms">${forms.map(formHtml).join("\n")}</div>`;
}

function factsHtml({ facts }: Facts): string {
  return `<dl>${
    facts.map(({ label, value }) => `<div><dt>${escape(label)}</dt><dd>${cellHtml(asCell(value))}</dd></div>`)
      .join("")
  }</dl>`;
}

function tableHtml({ columns, rows, empty }: Table): string {
  if (rows.length === 0) return `<p class="empty">${escape(empty)}</p>`;
  const side = (as: Format | undefined) => isNumeric(as) ? ' class="n"' : "";
  const head = columns.map((column) => `<th${side(column.as)}>${escape(column.label)}</th>`).join("");
  const lines = rows.map((row) =>
    `<tr>${
      columns.map((column, i) => `<td${side(column.as)}>${cellHtml(asCell(row[i] ?? null), column.as)}</td>`)
        .join("")
    }</tr>`
  );
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${
    lines.join("\n")
  }</tbody></table></div>`;
}

function cellHtml(cell: Cell, as?: Format): string {
  const format = cell.as ?? as;
  if (Array.isArray(cell.value)) return renderSpark(cell.value);
  const text = formatCell(cell, as);
  let html = escape(visible(text, format === "code"));
  if (format === "time" && typeof cell.value === "number") html = `<time>${html}</time>`;
  if (format === "code" && text !== "–") html = `<code>${html}</code>`;
  if (cell.href !== undefined && cell.href.startsWith("/")) {
    html = `<a href="${escape(cell.href)}">${html}</a>`;
  }
  return cell.tone ? `<span class="${cell.tone}">${html}</span>` : html;
}

function formHtml(action: Action): string {
  const fields = action.fields.map(({ name, label, value, options }) => {
    const control = options
      ? `<select name="${escape(name)}">${
        options.map((option) =>
          `<option${option === value ? " selected" : ""}${option === "" ? ' value=""' : ""}>${
            escape(option === "" ? "any" : option)
          }</option>`
        ).join("")
      }</select>`
      : `<input name="${escape(name)}" value="${escape(value ?? "")}">`;
    return `<label>${escape(label)} ${control}</label>`;
  });
  const token = action.method === "post"
    ? `<label>Token <input type="password" name="token" autocomplete="off" required></label>`
    : "";
  const warning = action.warning ? `<span class="note">${escape(action.warning)}</span>` : "";
  return `<form method="${action.method}" action="${escape(action.path)}">${fields.join("")}${token}<button>${
    escape(action.label)
  }</button>${warning}</form>`;
}
