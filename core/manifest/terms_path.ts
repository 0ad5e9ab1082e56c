/**
 * Paths, handlers and secrets as schemas: what a manifest names by its file. Looks whether files are there, and reads
 * secrets; everything through resolution.ts.
 */
import { isAbsolute, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { resolution } from "./resolution.ts";
import { kinds, required, shaped, text, textError } from "./terms.ts";

/** An absolute path; relative ones start from the manifest's folder. */
export function path(expected = "a path") {
  const schema = text(expected).transform((value) => absolute(value));
  kinds.add(schema, { kind: "path" });
  return schema;
}

/** The absolute path of something that must be there. */
export function existing(kind: "file" | "directory", expected: string) {
  const schema = text(`the path of ${expected}`).transform((value, context) => {
    const resolved = absolute(value);
    const problem = missing(resolved, kind, expected);
    if (problem) context.issues.push({ code: "custom", message: problem, input: value });
    return resolved;
  });
  kinds.add(schema, { kind: "path" });
  return schema;
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
