/**
 * The schema's issues as diagnostics: wording, the right branch of an alternative, place, suggestion. It knows
 * the schema library's issue codes and no key of the manifest.
 */
import type { z } from "zod";
import type { Diagnostic } from "./diagnostic.ts";
import { formatPath, type Path, type Places } from "./places.ts";
import { suggest } from "./suggest.ts";
import { aroundMark, nameOf, proposalMark, quote, withProposals } from "./terms.ts";

type RawIssue = z.core.$ZodRawIssue;
type Issue = z.core.$ZodIssue;

/** Wording of every issue whose schema brings none of its own. */
export function wordIssue(issue: RawIssue): string | undefined {
  const input = issue.input;
  switch (issue.code) {
    case "invalid_type":
      return wordType(isWhole(issue.inst) ? "int" : String(issue.expected), input);
    case "invalid_value":
      return wordValue(issue.values as unknown[], input);
    case "too_small":
      return wordBound(issue.origin as string, "at least", Number(issue.minimum), input);
    case "too_big":
      return wordBound(issue.origin as string, "at most", Number(issue.maximum), input);
    case "unrecognized_keys":
      return Object.keys((issue.inst as z.ZodObject).shape).join(" ");
    case "invalid_union":
      return issue.discriminator
        ? wordValue(
          issue.options as unknown[],
          (input as Record<string, unknown>)?.[issue.discriminator as string],
        )
        : undefined;
  }
  return undefined;
}

function isWhole(schema: unknown): boolean {
  return (schema as z.ZodNumber | undefined)?._zod?.def?.type === "number" && (schema as z.ZodNumber).isInt;
}

const typeNames: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "`true` or `false`",
  object: "a map",
  record: "a map",
  array: "a list",
};

function wordType(expected: string, input: unknown): string {
  if (input === undefined) return "is required";
  const said = typeof input === "string" && input !== "" ? quote(input) : nameOf(input);
  return withProposals(
    `must be ${typeNames[expected] ?? expected}, but is ${said}`,
    proposeType(expected, input),
  );
}

function proposeType(expected: string, input: unknown): string[] {
  if (expected === "array" && (typeof input === "string" || typeof input === "number")) return [`[${input}]`];
  if (typeof input !== "string") return [];
  if (expected === "boolean") {
    if (/^(yes|on|y|true)$/i.test(input)) return ["true"];
    return /^(no|off|n|false)$/i.test(input) ? ["false"] : [];
  }
  const numeric = /^[0-9]+$/.test(input) || (expected === "number" && /^[0-9]*\.[0-9]+$/.test(input));
  return (expected === "int" || expected === "number") && numeric ? [input] : [];
}

function wordValue(values: readonly unknown[], input: unknown): string {
  const list = values.map((value) => `\`${value}\``);
  const allowed = list.length === 1 ? list[0] : `${list.slice(0, -1).join(", ")} or ${list.at(-1)}`;
  if (input === undefined) return `is required: ${allowed}`;
  const said = typeof input === "string" ? quote(input) : nameOf(input);
  const near = typeof input === "string"
    ? suggest(input, values.filter((value) => typeof value === "string"))
    : undefined;
  return withProposals(`must be ${allowed}, but is ${said}`, [near]);
}

function wordBound(origin: string, bound: string, limit: number, input: unknown): string {
  if (origin === "string" && limit === 1) return "must not be empty";
  if (origin === "array" && limit === 1) return "must not be an empty list";
  const exact = Math.abs(limit) >= Number.MAX_SAFE_INTEGER
    ? "a whole number that a computer can count with"
    : `${bound} ${limit}`;
  if (
    origin === "number" && limit === 0 && bound === "at least" && typeof input === "number" && input === 0
  ) {
    return "must be more than zero";
  }
  return `must be ${exact}, but is ${typeof input === "number" ? input : nameOf(input)}`;
}

/** Diagnostics of all issues of one parse of `value`. */
export function diagnose(issues: readonly Issue[], value: unknown, places: Places): Diagnostic[] {
  const found = issues.flatMap((issue) => choose(misspelt(issue, value)))
    .flatMap((issue) => describe(issue, places));
  // A misspelt key that is required is one problem: the suggestion at the key says it all.
  const meant = new Set(
    found.filter((one) => one.message.startsWith("unknown key")).flatMap((one) =>
      one.suggestions.map((key) => sibling(one.path, key))
    ),
  );
  return found.filter((one) => !(meant.has(one.path) && / is required/.test(one.message)));
}

function sibling(path: string, key: string): string {
  const parent = /^(.*)\./.exec(path)?.[1];
  return parent === undefined ? key : `${parent}.${key}`;
}

/** Where the key that tells alternatives apart is missing, a key close to it is what is wrong. */
function misspelt(issue: Issue, value: unknown): Issue {
  if (issue.code !== "invalid_union" || !issue.discriminator) return issue;
  const around = issue.path.slice(0, -1);
  let map = value;
  for (const key of around) map = (map as Record<PropertyKey, unknown>)?.[key];
  if (typeof map !== "object" || map === null || issue.discriminator in map) return issue;
  const near = Object.keys(map).find((key) => suggest(key, [issue.discriminator!]) !== undefined);
  if (near === undefined) return issue;
  return { code: "unrecognized_keys", keys: [near], path: around, message: issue.discriminator };
}

interface Found {
  path: Path;
  message: string;
  /** Keys the map does not have, with the ones it has in `message`. */
  unknown?: string[];
  /** About the key rather than the value. */
  key?: boolean;
  /** The value is of another type than this branch of an alternative takes. */
  otherType?: boolean;
}

/** Replaces an alternative's issue by those of the one branch that was meant. */
function choose(issue: Issue, around: Path = []): Found[] {
  const path = [...around, ...issue.path as Path];
  if (issue.code === "unrecognized_keys") return [{ path, message: issue.message, unknown: issue.keys }];
  if (issue.code === "invalid_key") return [{ path, message: issue.issues[0].message, key: true }];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) {
    const otherType = issue.path.length === 0 &&
      (issue.code === "invalid_type" || issue.code === "invalid_value");
    return [{ path, message: issue.message, otherType }];
  }
  if (issue.message !== "Invalid input") return [{ path, message: issue.message }];
  const branches = issue.errors.map((errors) => errors.flatMap((error) => choose(error, path)));
  const sameType = branches.filter((found) =>
    !found.some((one) => one.otherType && one.path.length === path.length)
  );
  if (sameType.length === 1) return sameType[0].map((one) => ({ ...one, otherType: false }));
  return [{
    path,
    message: eitherOf((sameType.length > 0 ? sameType : branches).map((found) => found[0].message)),
    otherType: true,
  }];
}

/** "must be a, but is x" and "must be b, but is x" in one. */
function eitherOf(messages: readonly string[]): string {
  const proposals =
    messages.map((message) => message.split(proposalMark).slice(1)).find((some) => some.length > 0) ?? [];
  const parts = messages.map((message) =>
    /^must be (.*), but is (.*)$/s.exec(message.split(proposalMark)[0])
  );
  if (parts.some((part) => part === null)) return messages[0];
  const expected = [...new Set(parts.map((part) => part![1]))];
  const list = expected.length === 1
    ? expected[0]
    : `${expected.slice(0, -1).join(", ")} or ${expected.at(-1)}`;
  return withProposals(`must be ${list}, but is ${parts[0]![2]}`, proposals);
}

function describe(found: Found, places: Places): Diagnostic[] {
  const { path } = found;
  if (found.unknown) {
    const known = found.message.split(" ").filter((key) => key !== "");
    return found.unknown.map((key) => {
      const near = suggest(key, known);
      const list = near === undefined && known.length > 0
        ? `; known here: ${known.map((one) => `\`${one}\``).join(", ")}`
        : "";
      return places.aboutKey([...path, key], `unknown key \`${key}\`${list}`, near ? [near] : []);
    });
  }
  const [marked, ...suggestions] = found.message.split(proposalMark);
  const around = marked.startsWith(aroundMark);
  const message = `${subject(around ? path.slice(0, -1) : path)} ${around ? marked.slice(1) : marked}`;
  if (found.key || around) return [places.aboutKey(path, message, suggestions)];
  return [places.about(path, message, suggestions)];
}

/** What a message is about: the last key and what follows it, `routes[0]`. */
export function subject(path: Path): string {
  if (path.length === 0) return "the manifest";
  let start = path.length - 1;
  while (start > 0 && typeof path[start] === "number") start--;
  return `\`${formatPath(path.slice(start))}\``;
}
