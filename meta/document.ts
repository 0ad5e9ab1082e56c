/**
 * The document model: what a page is before anybody decided how it looks. One page makes one document; renderers turn it
 * into HTML, aligned text or JSON (render_html.ts, render_text.ts, render_json.ts), so all three say the same. It knows
 * nothing of requests and refuses markup: values are plain data, and escaping is the renderers' business.
 */

/** What a value means; decides how people see it. JSON always carries the raw value. */
export type Format =
  | "text"
  | "code"
  | "count"
  | "bytes"
  /** Milliseconds, shown with the unit that fits. */
  | "duration"
  /** Per second. */
  | "rate"
  /** A fraction of one. */
  | "share"
  /** Epoch milliseconds. */
  | "time"
  /** Numbers over time, oldest first. */
  | "history";

/** Good, needs a look, bad, or beside the point. */
export type Tone = "good" | "warn" | "bad" | "quiet";

export type Plain = string | number | boolean | null;

/** A value with its meaning; a bare value is text, or a count where it is a number. */
export interface Cell {
  value: Plain | readonly number[];
  as?: Format;
  /** Where it leads, on these pages only. */
  href?: string;
  tone?: Tone;
}

export type Value = Plain | Cell;

/** A name and a value. `key` is the JSON name, with the unit in it where there is one. */
export interface Fact {
  key: string;
  label: string;
  value: Value;
}

interface SectionBase {
  /** The section's name in JSON. */
  key: string;
  title: string;
  /** One or two sentences under the title. */
  note?: string;
}

/** Names and values. */
export interface Facts extends SectionBase {
  kind: "facts";
  facts: Fact[];
}

export interface Column {
  key: string;
  label: string;
  as?: Format;
}

/** Rows of equal shape; `empty` is what stands there when there are none. */
export interface Table extends SectionBase {
  kind: "table";
  columns: Column[];
  rows: Value[][];
  empty: string;
}

/** Preformatted text; `data` replaces the text in JSON. */
export interface Block extends SectionBase {
  kind: "block";
  text: string;
  data?: unknown;
}

/** A field of a form. */
export interface Field {
  name: string;
  label: string;
  value?: string;
  /** The allowed values, where they are few. */
  options?: readonly string[];
}

/** One thing that can be done or asked: `get` narrows the page, `post` changes something and needs the token. */
export interface Action {
  method: "get" | "post";
  path: string;
  /** What the button says. */
  label: string;
  fields: Field[];
  /** Asks for a second look: what it does to the service. */
  warning?: string;
}

/** Forms in a browser. In text, commands become curl lines; JSON lists them. */
export interface Actions extends SectionBase {
  kind: "actions";
  /** The same is said elsewhere on the page: nothing of it in text. */
  formsOnly?: boolean;
  actions: Action[];
}

export type Section = Facts | Table | Block | Actions;

/** One page. */
export interface Document {
  title: string;
  /** HTTP status; 200 when absent. */
  status?: number;
  sections: Section[];
  /** What curl gets instead of the aligned text: probes and metrics have a form of their own. */
  plain?: { contentType: string; text: string };
}

/** Makes a cell; short because pages are full of them. */
export function cell(value: Cell["value"], as?: Format, more: { href?: string; tone?: Tone } = {}): Cell {
  return { value, as, ...more };
}

/** The cell behind a value. */
export function asCell(value: Value): Cell {
  if (value !== null && typeof value === "object") return value;
  return { value };
}
