/**
 * Which field values are never written. A pattern is a path of names, `*` standing for any one name; it hides every
 * field whose path ends with it, in any case of letters: `cookie` anywhere, `user.password` below any `user`. A
 * leading `*.` also covers the top level, because hiding one field too many is the smaller mistake. In the query of a
 * request line, names that always mean secrets are hidden beside the declared ones.
 */

/** What stands in place of a hidden value. */
export const redactedMark = "[redacted]";

const alwaysInQueries = [
  "token",
  "password",
  "passwd",
  "secret",
  "authorization",
  "signature",
  "apikey",
  "api_key",
];

/** The declared patterns, ready to be asked. */
export class Redaction {
  readonly #names = new Set<string>();
  readonly #paths: string[][] = [];
  readonly #query: RegExp;
  readonly #suspicious: RegExp;

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) {
      const parts = pattern.toLowerCase().split(".").filter((part) => part !== "");
      while (parts[0] === "*" || parts[0] === "**") parts.shift();
      if (parts.length === 1) this.#names.add(parts[0]!);
      else if (parts.length > 1) this.#paths.push(parts);
    }
    const names = [...new Set([...alwaysInQueries, ...this.#names])].map((name) =>
      name.replace(/[\\^$.|?+()[\]{}*/-]/g, "\\$&")
    );
    // most queries hold none of the names, and no name that hides behind escapes: one look tells
    this.#suspicious = new RegExp(`${names.join("|")}|%[^&;=]*=`, "i");
    // `access_token` and `client-secret` are secrets as well
    this.#query = new RegExp(`^(?:.*[_.\\-\\[])?(?:${names.join("|")})\\]?$`, "i");
  }

  /** True when the field at `path` (names from the outside in, array places left out) must not be written. */
  hides(path: readonly string[]): boolean {
    const last = path[path.length - 1];
    if (last === undefined) return false;
    if (this.#names.has(last.toLowerCase())) return true;
    return this.#paths.some((parts) => endsWith(path, parts));
  }

  /** A request line with the values of secret query parameters hidden. Call it only where there is a `?`. */
  query(line: string): string {
    const start = line.indexOf("?");
    if (start < 0 || !this.#suspicious.test(line)) return line;
    return line.slice(0, start + 1) +
      line.slice(start + 1).replace(/([^=&;]*)=([^&;\s]*)/g, (whole, name: string) => {
        return this.#query.test(decodeName(name)) ? `${name}=${redactedMark}` : whole;
      });
  }
}

function endsWith(path: readonly string[], parts: readonly string[]): boolean {
  const offset = path.length - parts.length;
  return offset >= 0 && parts.every((part, i) => part === "*" || part === path[offset + i]!.toLowerCase());
}

function decodeName(name: string): string {
  if (!name.includes("%")) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  }
}
