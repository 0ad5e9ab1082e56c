/**
 * Text as it may stand in a log line: control characters, line separators and characters that turn the direction of
 * writing are escaped, in every format. This is what keeps a path or a field from starting a line of its own.
 */

// deno-lint-ignore no-control-regex -- finding control characters is the purpose
const unsafe = /["\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
// what JSON leaves as it is and a terminal or a viewer does not
const unsafeInJson = /[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function escapeUnit(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}

/** `text` as a JSON string, quotes included, without any control character. */
export function quoteText(text: string): string {
  if (!unsafe.test(text)) return '"' + text + '"';
  return JSON.stringify(text).replace(unsafeInJson, escapeUnit);
}

/** The inside of {@link quoteText}. */
export function escapeText(text: string): string {
  return unsafe.test(text) ? quoteText(text).slice(1, -1) : text;
}

/** `text` for people: escaped like {@link escapeText}, but quotes and backslashes stay as they are. */
export function escapeForPeople(text: string): string {
  if (!unsafe.test(text)) return text;
  return escapeText(text).replace(/\\(["\\])/g, "$1");
}

/** An upper bound of the bytes `text` takes as UTF-8. */
export function byteBound(text: string): number {
  // deno-lint-ignore no-control-regex -- the ASCII range is the point
  return /^[\x00-\x7f]*$/.test(text) ? text.length : text.length * 3;
}

/** At most `maxLength` UTF-16 units of `text`, never half a surrogate pair, with a mark of how much is gone. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const last = text.charCodeAt(maxLength - 1);
  const end = last >= 0xd800 && last < 0xdc00 ? maxLength - 1 : maxLength;
  return `${text.slice(0, Math.max(0, end))}…[${text.length - end} more]`;
}
