/**
 * What a caller asks: a user and attributes, from a query string or a JSON body, within bounds. Only attributes that
 * some rule asks for are kept. Query strings are read by hand: the hot path needs neither a URL object nor a list of
 * all parameters.
 */
import type { AttributeNames, AttributeValue, Plain } from "./condition.ts";
import { maxUserChars } from "./experiment_set.ts";

/** Most attributes, and most elements of a list attribute, in one question. */
export const maxAttributes = 64;
/** Longest text of an attribute, in UTF-16 units. */
export const maxAttributeChars = 1024;

/** A question that can be answered. */
export interface Question {
  readonly user: string;
  /** By the indexes of {@link AttributeNames}; the user's id is attribute 0. */
  readonly attributes: Array<AttributeValue | undefined>;
}

/** The caller's mistake, as one sentence for the caller; the answer is a 400. */
export class BadQuestion extends Error {
  override readonly name = "BadQuestion";
}

/** Reads `user=42&country=KZ&tag=a&tag=b`; a repeated name is a list. Throws {@link BadQuestion}. */
export function questionOfQuery(query: string, names: AttributeNames): Question {
  const attributes = new Array<AttributeValue | undefined>(names.size).fill(undefined);
  let count = 0;
  for (let begin = 0; begin < query.length;) {
    const ampersand = query.indexOf("&", begin);
    const end = ampersand < 0 ? query.length : ampersand;
    const equals = query.indexOf("=", begin);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    if (end > begin) {
      if (++count > maxAttributes) throw new BadQuestion(`more than ${maxAttributes} parameters`);
      const name = decode(query.slice(begin, nameEnd));
      const index = names.indexOf(name);
      if (index !== undefined) add(attributes, index, name, decode(query.slice(nameEnd + 1, end)));
    }
    begin = end + 1;
  }
  return { user: userOf(attributes[0], "parameter `user`"), attributes };
}

/** Reads `{"user": "42", "attributes": {"country": "KZ", "tag": ["a", "b"]}}`. Throws {@link BadQuestion}. */
export function questionOfJson(text: string, names: AttributeNames): Question {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new BadQuestion(`the body is no JSON: ${(error as Error).message}`);
  }
  if (!isObject(body)) throw new BadQuestion("the body must be a JSON object");
  for (const key of Object.keys(body)) {
    if (key !== "user" && key !== "attributes") {
      throw new BadQuestion(`unknown key ${JSON.stringify(key.slice(0, 64))}; there are user and attributes`);
    }
  }
  const given = body.attributes ?? {};
  if (!isObject(given)) throw new BadQuestion("`attributes` must be an object");
  const user = userOf(typeof body.user === "number" ? String(body.user) : body.user, "`user`");
  const attributes = new Array<AttributeValue | undefined>(names.size).fill(undefined);
  const entries = Object.entries(given);
  if (entries.length > maxAttributes) throw new BadQuestion(`more than ${maxAttributes} attributes`);
  for (const [name, value] of entries) {
    const checked = attributeOf(name, value);
    const index = names.indexOf(name);
    if (index !== undefined) attributes[index] = checked;
  }
  attributes[0] = user;
  return { user, attributes };
}

function add(attributes: Question["attributes"], index: number, name: string, value: string): void {
  if (index === 0 && attributes[0] !== undefined) throw new BadQuestion("parameter `user` is given twice");
  if (value.length > maxAttributeChars) {
    throw new BadQuestion(`\`${name}\` has more than ${maxAttributeChars} characters`);
  }
  const before = attributes[index];
  if (before === undefined) attributes[index] = value;
  else attributes[index] = typeof before === "object" ? [...before, value] : [before, value];
}

function userOf(value: unknown, what: string): string {
  if (value === undefined || value === "") throw new BadQuestion(`${what} is missing`);
  if (typeof value !== "string") throw new BadQuestion(`${what} must be a text`);
  if (value.length > maxUserChars) throw new BadQuestion(`${what} has more than ${maxUserChars} characters`);
  return value;
}

function attributeOf(name: string, value: unknown): AttributeValue | undefined {
  if (value === null) return undefined;
  if (isPlain(value)) return value;
  if (Array.isArray(value) && value.length <= maxAttributes && value.every(isPlain)) return value;
  const shown = JSON.stringify(name.slice(0, 64));
  throw new BadQuestion(
    `attribute ${shown} must be a text of at most ${maxAttributeChars} characters, a number, true, false, null or ` +
      `a list of at most ${maxAttributes} of these`,
  );
}

function isPlain(value: unknown): value is Plain {
  if (typeof value === "string") return value.length <= maxAttributeChars;
  return typeof value === "number" || typeof value === "boolean";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decode(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new BadQuestion(`the query is not percent-encoded UTF-8 at \`${text.slice(0, 64)}\``);
  }
}
