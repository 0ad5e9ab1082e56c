/**
 * The vocabulary that the schema is written in: numbers, text, names, lists, alternatives, and
 * the three ways a key can be there (required, with a default, or off unless given).
 *
 * Each term is at the same time its pattern for editors, its error text and its normal form in the Plan.
 * Quantities, paths and addresses have files of their own (terms_*.ts). No key of the manifest is named here.
 */
import { z } from "zod";
import type { Unit } from "./unit.ts";

/** Kinds of leaf values that `explain` and dumps must know again: how to print them, what to hide. */
export type Kind = Unit | "address" | "handler" | "path" | "secret";

/** Which schema is of which kind. */
export const kinds = z.registry<{ kind: Kind }>();

/** Joins an error text and its proposals in one issue message; diagnose.ts takes them apart again. */
export const proposalMark = "\u0001";

export function withProposals(message: string, proposals: readonly (string | undefined)[] = []): string {
  return [message, ...proposals.filter((text) => text !== undefined)].join(proposalMark);
}

// ---- how a key is there

/** A key that must be given. */
export function required<S extends z.ZodType>(schema: S, doc: string): S {
  return schema.describe(doc);
}

/** A key that has `value`, in the manifest's own notation, when it is not given. */
export function defaulted<S extends z.ZodType>(
  schema: S,
  value: z.input<S> | (() => z.input<S>),
  doc: string,
) {
  return schema.prefault(value as () => z.util.NoUndefined<z.input<S>>).describe(doc);
}

/** A key that is off (`null` in the Plan) unless given; writing `null` undoes what a merge key brought. */
export function optional<S extends z.ZodType>(schema: S, doc: string) {
  return schema.nullable().prefault(null as z.util.NoUndefined<z.input<z.ZodNullable<S>>>).describe(doc);
}

// ---- plain values

/** A whole number within bounds. */
export const integer = (min: number, max: number = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max);

/** Text that is not empty; `expected` says what it is for the error. */
export function text(expected = "text") {
  return z.string({ error: (issue) => textError(expected, issue.input) }).min(1);
}

export function textError(expected: string, input: unknown): string | undefined {
  if (input === undefined) return "is required";
  const proposals = typeof input === "number" || typeof input === "boolean" ? [`"${input}"`] : [];
  return withProposals(`must be ${expected}, but is ${nameOf(input)}`, proposals);
}

/** Text of a given form; `expected` says which. */
export function shaped(pattern: RegExp, expected: string, propose?: (written: unknown) => string[]) {
  return z.string({ error: (issue) => shapeError(expected, issue.input, propose) })
    .regex(pattern, { error: (issue) => shapeError(expected, issue.input, propose), abort: true });
}

function shapeError(expected: string, input: unknown, propose?: (written: unknown) => string[]): string {
  if (input === undefined) return "is required";
  const said = typeof input === "string" ? quote(input) : nameOf(input);
  return withProposals(
    `must be ${expected}, but is ${said}`,
    typeof input === "object" ? [] : propose?.(input),
  );
}

/** A name under which something is declared: also its address in logs, metrics and pages, so without dots. */
export const name = () =>
  shaped(
    /^[A-Za-z][A-Za-z0-9_-]*$/,
    "a name of letters, digits, `-` and `_` that begins with a letter",
    (written) => {
      const near = String(written).replace(/[^A-Za-z0-9_-]+/g, "-").replace(/-+$/, "");
      return /^[A-Za-z]/.test(near) ? [near] : [];
    },
  );

/** A section that many manifests have not: built when one has, which a quick start needs. */
export const section = <S extends z.ZodType>(build: () => S) => z.lazy(build);

/** Declarations by name. */
export const byName = <S extends z.ZodType>(schema: S) => z.record(name(), schema);

/** One value or a list of at least one; always a list in the Plan. */
export function oneOrMore<S extends z.ZodType>(schema: S) {
  return z.union([schema, z.array(schema).min(1)])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<S>[]);
}

// ---- alternatives

type Alternatives<Shape extends z.ZodRawShape> = {
  [Chosen in keyof Shape]:
    & { [Key in Chosen]: z.output<Shape[Key]> }
    & { [Key in Exclude<keyof Shape, Chosen>]?: undefined };
}[keyof Shape];

/** A map with exactly one of these keys, and beside it the `common` ones: `{ file: … }` or `{ syslog: … }`. */
export function exactlyOne<Shape extends z.ZodRawShape, Common extends z.ZodRawShape = Record<never, never>>(
  alternatives: Shape,
  common: Common = {} as Common,
) {
  const keys = Object.keys(alternatives);
  const shape: Record<string, z.ZodType> = {};
  for (const key of keys) {
    shape[key] = (alternatives[key] as z.ZodType).optional().describe(docOf(alternatives[key]));
  }
  return z.strictObject({ ...shape, ...common })
    .check(hasOne(keys))
    .meta({ oneOf: keys.map(isGiven) })
    .transform((value) => value as Alternatives<Shape> & z.output<z.ZodObject<Common>>);
}

function docOf(schema: z.core.SomeType): string {
  return z.globalRegistry.get(schema as z.ZodType)?.description ?? "";
}

/** A JSON schema that holds where `key` is given and not null. */
export function isGiven(key: string) {
  return { required: [key], properties: { [key]: { not: { type: "null" } } } };
}

/** The check of `exactlyOne` for any map; runs also beside other problems of the same map. */
export function hasOne(keys: readonly string[], what = "must have exactly one of"): z.core.$ZodCheck<object> {
  return always<object>((payload) => {
    const value = payload.value as Record<string, unknown>;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return;
    const given = keys.filter((key) => value[key] !== undefined && value[key] !== null);
    if (given.length === 1) return;
    // An unknown key is most likely the misspelt one that is missing here: one problem, one diagnostic.
    if (given.length === 0 && payload.issues.some((issue) => issue.code === "unrecognized_keys")) return;
    const list = keys.map((key) => `\`${key}\``).join(", ");
    const message = given.length === 0
      ? `${what} ${list}, but has none`
      : `${what} ${list}, but has ${given.map((key) => `\`${key}\``).join(" and ")}`;
    const path = given.length > 1 ? [given[1]] : [];
    payload.issues.push({
      code: "custom",
      message: withSubject(message, path.length > 0),
      input: value,
      path,
    });
  });
}

/** A check that also runs where other problems were found before: all of them belong in one report. */
function always<T>(run: z.core.CheckFn<T>): z.core.$ZodCheck<T> {
  const check = z.check<T>(run);
  check._zod.def.when = () => true;
  return check;
}

/** Issues whose place is a key but whose subject is the map around it start with this. */
export const aroundMark = "\u0002";
const withSubject = (message: string, around: boolean) => around ? aroundMark + message : message;

// ---- words for errors

/** What a wrong value is, in the words of the manifest. */
export function nameOf(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value === "string") return value === "" ? "empty text" : "text";
  return typeof value === "number" ? `the number ${value}` : `\`${value}\``;
}

export function quote(value: string): string {
  const shown = value.length > 60 ? `${value.slice(0, 57)}...` : value;
  return JSON.stringify(shown);
}
