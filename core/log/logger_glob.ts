/**
 * Globs over logger names: `*` stands for one part of the name (or a piece of one), `**` for any number of parts, also
 * none. Matching is done once per logger and level change, never per line.
 */

/** A test for logger names made from `glob`: `access.*`, `listeners.**`, `pools.crypto`. */
export function compileLoggerGlob(glob: string): (logger: string) => boolean {
  const parts = glob.split(".").map((part) => part === "**" ? null : compilePart(part));
  return (logger) => matches(parts, 0, logger.split("."), 0);
}

function compilePart(part: string): RegExp {
  const pieces = part.split(/\*+/).map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${pieces.join(".*")}$`);
}

function matches(parts: Array<RegExp | null>, at: number, names: string[], from: number): boolean {
  if (at === parts.length) return from === names.length;
  const part = parts[at]!;
  if (part !== null) {
    return from < names.length && part.test(names[from]!) && matches(parts, at + 1, names, from + 1);
  }
  if (at === parts.length - 1) return true;
  for (let next = from; next <= names.length; next++) {
    if (matches(parts, at + 1, names, next)) return true;
  }
  return false;
}
