/**
 * The effective value of any part of a plan, with its defaults, and where each value came from. Gives a structure
 * (which is also the JSON answer) and its text; prints nothing.
 */
import type { CompileResult } from "./compile.ts";
import { type StackPart, type StackValue, upstreamStack } from "./explain_upstream.ts";
import { formatPath, type Path } from "./places.ts";
import type { Plan, UpstreamPlan } from "./plan.ts";
import { redactPlan } from "./redact_plan.ts";
import { kindOf, step, unwrap } from "./schema_walk.ts";
import { manifest } from "./schema.ts";
import { suggest } from "./suggest.ts";
import type { Kind } from "./terms.ts";
import { formatQuantity } from "./unit.ts";

export interface ExplainedValue {
  path: string;
  /** As the Plan holds it: milliseconds, bytes, fractions; secrets read `[redacted]`. */
  value: unknown;
  /** As a manifest would say it: `5s`, `8MiB`, `20%`. */
  text: string;
  /** Where it was given; `null` for a default. */
  source: { file: string | null; line: number; column: number } | null;
  /** Environment variables it was made from. */
  variables: string[];
}

/** A part of the stack of an upstream, each number with the place that it came from. */
export interface ExplainedPart extends StackPart {
  values: (StackValue & Pick<ExplainedValue, "source" | "variables">)[];
}

export type Explanation =
  | {
    path: string;
    found: true;
    values: ExplainedValue[];
    /** Of a path that names one upstream: what a call goes through, outermost first. */
    stack?: ExplainedPart[];
  }
  | { path: string; found: false; message: string; suggestions: string[] };

/** `path` is a manifest path such as `listeners.api.accept` or `listeners.api.listen[0]`; empty for everything. */
export function explain(result: CompileResult, path: string): Explanation {
  if (!result.plan) {
    return { path, found: false, message: "Cannot explain: the manifest has problems", suggestions: [] };
  }
  const shown = redactPlan(result.plan);
  const explainable = declaredOf(shown);
  const parts = path.split(/[.[\]]+/).filter((part) => part !== "");
  let value: unknown = explainable;
  let schemas = unwrap(manifest);
  const way: (string | number)[] = [];
  for (const part of parts) {
    const known = isOpen(value) && leafKind(value, schemas) === undefined ? Object.keys(value) : [];
    if (!known.includes(part)) return unknownPart(path, way, part, known);
    way.push(Array.isArray(value) ? Number(part) : part);
    value = (value as Record<string, unknown>)[part];
    schemas = step(schemas, way.at(-1)!);
  }
  const values: ExplainedValue[] = [];
  collect(value, schemas, way, result, values);
  const found = { path: formatPath(way), found: true, values } as const;
  const upstream = way.length === 2 && way[0] === "upstreams" ? shown.upstreams[way[1]!] : undefined;
  return upstream === undefined ? found : { ...found, stack: explainStack(upstream, way, result) };
}

function explainStack(plan: UpstreamPlan, way: Path, result: CompileResult): ExplainedPart[] {
  return upstreamStack(plan).map((part) => ({
    ...part,
    values: part.values.map((value) => ({
      ...value,
      text: relative(value.text, result.plan!.directory),
      // A list is shown as one value: it came from where its first item came from.
      ...originOf([...way, ...value.path.split(".")], result),
    })),
  }));
}

/** The plan's own additions are no part of the manifest. */
function declaredOf(plan: Plan): Record<string, unknown> {
  const { file: _file, directory: _directory, secrets: _secrets, ...declared } = plan;
  return declared;
}

function unknownPart(
  path: string,
  way: readonly (string | number)[],
  part: string,
  known: string[],
): Explanation {
  const near = suggest(part, known);
  const where = way.length === 0 ? "the manifest" : `\`${formatPath(way)}\``;
  const list = near !== undefined || known.length === 0
    ? ""
    : `; it has ${known.map((key) => `\`${key}\``).join(", ")}`;
  return {
    path,
    found: false,
    message: `there is no \`${part}\` in ${where}${list}`,
    suggestions: near === undefined ? [] : [formatPath([...way, near])],
  };
}

function collect(
  value: unknown,
  schemas: ReturnType<typeof unwrap>,
  path: Path,
  result: CompileResult,
  into: ExplainedValue[],
): void {
  const kind = leafKind(value, schemas);
  const open = isOpen(value) && (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0);
  if (open && kind === undefined) {
    for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
      const part = Array.isArray(value) ? Number(key) : key;
      const inner = step(schemas, part);
      collect(
        item,
        inner.length > 0 ? inner : Array.isArray(value) ? schemas : [],
        [...path, part],
        result,
        into,
      );
    }
    return;
  }
  into.push({
    path: formatPath(path),
    value,
    text: textOf(value, kind, result.plan!.directory),
    ...originOf(path, result),
  });
}

/** Alternatives share a place, so the kind of one of them counts only when the value has its form. */
function leafKind(value: unknown, schemas: ReturnType<typeof unwrap>): Kind | undefined {
  const kind = kindOf(schemas);
  if (kind === undefined) return undefined;
  const form = kind === "address" ? "transport" : kind === "handler" ? "module" : undefined;
  if (form) return isOpen(value) && form in value ? kind : undefined;
  const isText = kind === "secret" || kind === "path";
  const fits = isText ? typeof value === "string" : typeof value === "number";
  return fits ? kind : undefined;
}

function originOf(path: Path, { places }: CompileResult): Pick<ExplainedValue, "source" | "variables"> {
  for (let length = path.length; length > 0; length--) {
    const mark = places.get(path.slice(0, length));
    if (!mark) continue;
    // A map or list around a value that was not given itself: the value is a default.
    if (length < path.length && !mark.scalar) break;
    const place = places.placeOf(path.slice(0, length)) ?? { line: 0, column: 0 };
    return { source: { file: places.file, ...place }, variables: mark.variables ?? [] };
  }
  return { source: null, variables: [] };
}

function textOf(value: unknown, kind: Kind | undefined, directory: string): string {
  if (
    typeof value === "number" && kind !== undefined && kind !== "address" && kind !== "handler" &&
    kind !== "path" && kind !== "secret"
  ) {
    return formatQuantity(kind, value);
  }
  if (value === null) return "not set";
  if (kind === "address") {
    const address = value as {
      transport: string;
      hostname: string;
      port: number;
      path: string;
      name: string;
    };
    if (address.transport === "inproc") return `inproc://${address.name}`;
    if (address.transport === "unix") return `unix:${relative(address.path, directory)}`;
    return `${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}:${address.port}`;
  }
  if (kind === "handler") {
    const { module, export: name } = value as { module: string; export: string };
    return relative(decodeURI(new URL(module).pathname), directory) + (name === "default" ? "" : `#${name}`);
  }
  if (typeof value === "string") return relative(value, directory);
  return JSON.stringify(value);
}

function relative(path: string, directory: string): string {
  return path.startsWith(`${directory}/`) ? `./${path.slice(directory.length + 1)}` : path;
}

function isOpen(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Lines of `path  text  source`, aligned; without a trailing line break. */
export function renderExplanation(explanation: Explanation): string {
  if (!explanation.found) {
    const { message, suggestions } = explanation;
    return suggestions.length === 0 ? message : `${message}; did you mean \`${suggestions[0]}\`?`;
  }
  const rows = explanation.values.map((one) => [one.path, one.text, sourceText(one)]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => Math.min(row[column].length, 60)), 0));
  const lines = rows.map(([path, text, source]) =>
    `${path.padEnd(widths[0])}  ${text.padEnd(widths[1])}  ${source}`
  );
  return [...lines, ...renderStack(explanation.path, explanation.stack ?? [])].join("\n");
}

function renderStack(path: string, stack: readonly ExplainedPart[]): string[] {
  if (stack.length === 0) return [];
  const all = stack.flatMap(({ values }) => values);
  const widths = [
    Math.max(...all.map(({ path }) => path.length)),
    Math.max(...all.map(({ text }) => Math.min(text.length, 40))),
  ];
  return [
    "",
    `What a call to ${path} goes through, outermost first:`,
    ...stack.flatMap(({ name, on, note, values, why }, index) => [
      "",
      `${index + 1}. ${name}${on ? "" : ": off"}${note === "" ? "" : on ? ` (${note})` : `, ${note}`}`,
      `   ${why}`,
      ...values.map((value) =>
        `     ${value.path.padEnd(widths[0])}  ${value.text.padEnd(widths[1])}  ${sourceText(value)}`
      ),
    ]),
  ];
}

function sourceText({ source, variables }: Pick<ExplainedValue, "source" | "variables">): string {
  if (!source) return "default";
  const from = variables.length === 0 ? "" : ` from ${variables.map((name) => `\${${name}}`).join(", ")}`;
  return (source.line > 0 ? `${source.file ?? "manifest"}:${source.line}` : "given") + from;
}
