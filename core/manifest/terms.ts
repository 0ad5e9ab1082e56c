/**
 * The vocabulary that the schema is written in: quantities, addresses, paths, handlers, secrets, names, and
 * the three ways a key can be there (required, with a default, or off unless given).
 *
 * Each term is at the same time its pattern for editors, its error text and its normal form in the Plan.
 * Terms that look at files or at the folder do so through resolution.ts. No key of the manifest is named here.
 */
import { isAbsolute, join, normalize } from "node:path";
import { isIP } from "node:net";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { resolution } from "./resolution.ts";
import {
  formatQuantity,
  isQuantity,
  maxDurationMs,
  parseQuantity,
  proposeQuantity,
  type Unit,
  unitExamples,
  unitPatterns,
} from "./unit.ts";

/** Kinds of leaf values that `explain` and dumps must know again: how to print them, what to hide. */
export type Kind = Unit | "address" | "handler" | "secret";

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

// ---- quantities

interface QuantityRule {
  /** Refuse zero. */
  positive?: boolean;
  /** Refuse less than this, in the manifest's notation. */
  min?: string;
  /** Refuse more than this, in the manifest's notation. */
  max?: string;
}

function quantity(unit: Unit, rule: QuantityRule) {
  const positive = rule.positive ?? rule.min !== undefined;
  const pattern = positive ? unitPatterns[unit].replace("^(?:0|", "^(?=.*[1-9])(?:") : unitPatterns[unit];
  const least = rule.min === undefined ? 0 : parseQuantity(unit, rule.min);
  const most = rule.max === undefined
    ? (unit === "duration" ? maxDurationMs : Infinity)
    : parseQuantity(unit, rule.max);
  const error = (issue: { input?: unknown }) => quantityError(unit, positive, issue.input);
  const text = z.string({ error }).regex(new RegExp(pattern), { error, abort: true });
  const written: z.ZodType<string | 0, string | 0> = positive
    ? text
    : z.union([text, z.literal(0)], { error });
  const schema = written
    .transform((value, context) => {
      const result = value === 0 ? 0 : parseQuantity(unit, value);
      const said = least > result
        ? `must be at least ${rule.min}`
        : result > most
        ? `must be at most ${rule.max ?? formatQuantity("duration", most)}`
        : result > Number.MAX_SAFE_INTEGER
        ? `is too large`
        : undefined;
      if (said) context.issues.push({ code: "custom", message: `${said}, but is ${value}`, input: value });
      return result;
    });
  kinds.add(schema, { kind: unit });
  return schema;
}

function quantityError(unit: Unit, positive: boolean, input: unknown): string {
  const zero = input === 0 || (typeof input === "string" && isQuantity(unit, input));
  if (positive && zero) return "must be more than zero";
  if (input === undefined) return "is required";
  const name = unit === "share" ? "a share" : `a ${unit}`;
  const text = `must be ${name} such as ${unitExamples[unit]}`;
  if (typeof input === "number") {
    return withProposals(`needs a unit: ${text.slice(8)}`, proposeQuantity(unit, input));
  }
  if (typeof input !== "string") return `${text}, but is ${nameOf(input)}`;
  const bare = /^[0-9]+(\.[0-9]+)?$/.test(input);
  return withProposals(
    bare ? `needs a unit: ${text.slice(8)}` : `${text}, but is ${quote(input)}`,
    proposeQuantity(unit, input),
  );
}

/** Milliseconds. */
export const duration = (rule: QuantityRule = {}) => quantity("duration", rule);
/** Bytes. */
export const size = (rule: QuantityRule = {}) => quantity("size", rule);
/** Per second. */
export const rate = (rule: QuantityRule = {}) => quantity("rate", rule);
/** A fraction from 0 to 1. */
export const share = (rule: QuantityRule = {}) => quantity("share", rule);

// ---- plain values

/** A whole number within bounds. */
export const integer = (min: number, max: number = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max);

/** Text that is not empty; `expected` says what it is for the error. */
export function text(expected = "text") {
  return z.string({ error: (issue) => textError(expected, issue.input) }).min(1);
}

function textError(expected: string, input: unknown): string | undefined {
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

// ---- things outside

/** An absolute path; relative ones start from the manifest's folder. */
export function path(expected = "a path") {
  return text(expected).transform((value) => absolute(value));
}

/** The absolute path of something that must be there. */
export function existing(kind: "file" | "directory", expected: string) {
  return text(`the path of ${expected}`).transform((value, context) => {
    const resolved = absolute(value);
    const problem = missing(resolved, kind, expected);
    if (problem) context.issues.push({ code: "custom", message: problem, input: value });
    return resolved;
  });
}

function missing(resolved: string, kind: "file" | "directory", expected: string): string | undefined {
  const found = resolution().stat(resolved);
  if (found === kind || (kind === "file" && found === "other")) return undefined;
  if (found === null) return `names ${expected} that does not exist: ${resolved}`;
  return kind === "file"
    ? `must be a file, but ${resolved} is a folder`
    : `must be a folder, but ${resolved} is not`;
}

export function absolute(value: string): string {
  return normalize(isAbsolute(value) ? value : join(resolution().directory, value));
}

/** Where code is: `module` as a file URL, `export` the name in it. */
export interface HandlerPlan {
  module: string;
  export: string;
}

/** `./file.ts` or `./file.ts#name`. */
export function handler() {
  const schema = shaped(
    /^(?![A-Za-z][A-Za-z0-9+.-]+:)[^#]+(#[A-Za-z_$][A-Za-z0-9_$]*)?$/,
    "the path of a module such as `./handler.ts` or `./handler.ts#name`",
  ).transform((value, context): HandlerPlan => {
    const [file, name = "default"] = value.split("#");
    const resolved = absolute(file);
    const problem = missing(resolved, "file", "a handler module");
    if (problem) context.issues.push({ code: "custom", message: problem, input: value });
    return { module: pathToFileURL(resolved).href, export: name };
  });
  kinds.add(schema, { kind: "handler" });
  return schema;
}

const secretForm = "text or `{ fromFile: ./path }`";

/** A secret that may be empty, which is as if it were not given: an unset variable is no token. */
export function secretOrNothing() {
  return z.union([z.literal(""), secret()], {
    error: (issue) =>
      typeof issue.input === "object" && issue.input !== null
        ? undefined
        : textError(secretForm, issue.input),
  }).transform((value) => value === "" ? null : value);
}

/** A token, key or password: the text itself or `{ fromFile: ./secret }`; the Plan holds the value. */
export function secret() {
  const schema = z.union([
    text(secretForm),
    z.strictObject({
      fromFile: required(text("a path"), "File that holds the secret; the last line break does not count."),
    }),
  ]).transform((value, context) => {
    if (typeof value === "string") return value;
    const resolved = absolute(value.fromFile);
    try {
      const content = resolution().readFile(resolved).replace(/\r?\n$/, "");
      if (content !== "") return content;
      context.issues.push({
        code: "custom",
        path: ["fromFile"],
        message: `names an empty file: ${resolved}`,
        input: value,
      });
    } catch {
      const message = missing(resolved, "file", "a secret") ?? `cannot be read: ${resolved}`;
      context.issues.push({ code: "custom", path: ["fromFile"], message, input: value });
    }
    return "";
  });
  kinds.add(schema, { kind: "secret" });
  return schema;
}

// ---- addresses

/** Something to bind or to connect to. */
export type Address =
  | { transport: "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string };

const port = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})";
const host = "(?:\\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)";

/** `host:port`, `:port` (all interfaces), `[::]:port` or `unix:./path`. */
export function listenAddress() {
  return address(
    new RegExp(`^(?:unix:.+|(?:${host})?:${port})$`),
    "an address such as `127.0.0.1:8080`, `[::]:8080` or `unix:./service.sock`",
    (written) => {
      const found = /^(?:tcp:\/\/|https?:\/\/)?(.*?)\/?$/.exec(String(written))?.[1] ?? "";
      if (/^[0-9]{1,5}$/.test(found)) return [`127.0.0.1:${found}`, `0.0.0.0:${found}`];
      return new RegExp(`^${host}:${port}$`).test(found) && found !== written ? [found] : [];
    },
  );
}

/** `host:port` or `unix:./path` of a peer: port 0 and an empty host mean nothing here. */
export function peerAddress() {
  return address(
    new RegExp(`^(?:unix:.+|${host}:(?!0+$)${port})$`),
    "an address such as `10.0.0.1:80` or `unix:./peer.sock`",
  );
}

/** `tcp://host:port` or `ipc://path`, as zmq writes endpoints. */
export function endpoint() {
  return address(
    new RegExp(`^(?:ipc://.+|tcp://(?:${host}|\\*):${port})$`),
    "an endpoint such as `tcp://127.0.0.1:5555` or `ipc://./service.ipc`",
    (written) => new RegExp(`^${host}:${port}$`).test(String(written)) ? [`tcp://${written}`] : [],
  );
}

function address(pattern: RegExp, expected: string, propose?: (written: unknown) => string[]) {
  const schema = shaped(pattern, expected, propose).transform((value, context): Address => {
    const unix = /^(?:unix:|ipc:\/\/)(.+)$/.exec(value);
    if (unix) {
      const resolved = absolute(unix[1]);
      const bytes = new TextEncoder().encode(resolved).length;
      if (bytes > 107) {
        const message = `makes a socket path of ${bytes} bytes, and systems allow 107: ${resolved}`;
        context.issues.push({ code: "custom", message, input: value });
      }
      return { transport: "unix", path: resolved };
    }
    const [, hostname, digits] = /^(?:tcp:\/\/)?(.*):([0-9]+)$/.exec(value)!;
    const bare = hostname.replace(/^\[|\]$/g, "");
    const wrong = hostname.startsWith("[")
      ? isIP(bare.replace(/%.*/, "")) !== 6
      : /^[0-9.]+$/.test(bare) && isIP(bare) !== 4;
    if (wrong) {
      context.issues.push({
        code: "custom",
        message: `names no valid IP address: ${quote(hostname)}`,
        input: value,
      });
    }
    return {
      transport: "tcp",
      hostname: bare === "" || bare === "*" ? "0.0.0.0" : bare,
      port: Number(digits),
    };
  });
  kinds.add(schema, { kind: "address" });
  return schema;
}

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
