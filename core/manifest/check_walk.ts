/**
 * What the rules of check_references.ts and check_upstreams.ts have in common: reading a manifest that may be anything, and
 * saying that a name is not declared.
 */
import { subject } from "./diagnose.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { Path, Places } from "./places.ts";
import { suggest } from "./suggest.ts";
import { isQuantity, parseQuantity } from "./unit.ts";

/** What a rule gets. */
export interface Check {
  manifest: Record<string, unknown>;
  places: Places;
  report(diagnostic: Diagnostic): void;
}

/** The map at the end of `keys`; empty where there is none. */
export function mapAt(value: unknown, ...keys: string[]): Record<string, unknown> {
  for (const key of keys) value = isMap(value) ? value[key] : undefined;
  return isMap(value) ? value : {};
}

/** A list, or one value as a list of it. */
export function listAt(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

/** A map, not a list. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The maps of a section, by name. */
export function named(check: Check, section: string): [string, Record<string, unknown>][] {
  return Object.entries(mapAt(check.manifest[section])).filter((
    entry,
  ): entry is [string, Record<string, unknown>] => isMap(entry[1]));
}

/** Reports `name` unless it is one of `declared`. */
export function refer(
  check: Check,
  path: Path,
  name: unknown,
  what: string,
  declared: readonly string[],
): void {
  if (typeof name !== "string" || name === "" || declared.includes(name)) return;
  const near = suggest(name, declared);
  const list = near !== undefined
    ? ""
    : declared.length === 0
    ? "; there is none"
    : `; known: ${declared.map((one) => `\`${one}\``).join(", ")}`;
  const message = `${subject(path)} names the ${what} \`${name}\`, which is not declared${list}`;
  check.report(check.places.about(path, message, near === undefined ? [] : [near]));
}

/** NaN for what is no duration: then nothing compares, and the schema has its say. */
export function milliseconds(written: unknown, otherwise: string): number {
  const text = typeof written === "object" ? "" : String(written ?? otherwise);
  return isQuantity("duration", text) ? parseQuantity("duration", text) : NaN;
}
