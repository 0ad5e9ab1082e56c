/**
 * What every reader of a manifest (text or object) gives to the schema: plain values, their places, and the
 * paths that are already known to be wrong, so that one mistake is reported once.
 */
import type { Diagnostic } from "./diagnostic.ts";
import { type Path, Places } from "./places.ts";
import { interpolate, plainScalar } from "./interpolate.ts";

export type Env = (name: string) => string | undefined;

export interface ReadManifest {
  /** The manifest as plain values; `undefined` when its text has no readable structure. */
  value: unknown;
  places: Places;
  diagnostics: Diagnostic[];
  /** Paths below which the value is not what was meant. */
  spoilt: Path[];
}

/** More nodes than any manifest has; reached only by aliases of aliases. */
export const maxNodes = 20_000;
/** Deeper than any manifest is. */
export const maxDepth = 64;

/** Reads a manifest that is an object already: same values, same interpolation, no lines. */
export function readObject(source: object, file: string | null, env: Env): ReadManifest {
  const places = new Places("", file);
  const diagnostics: Diagnostic[] = [];
  const spoilt: Path[] = [];
  const open = new Set<object>();
  let nodes = 0;

  const refuse = (path: Path, message: string) => {
    diagnostics.push(places.at({ start: -1, end: -1 }, path, message));
    spoilt.push(path);
    return undefined;
  };
  const visit = (value: unknown, path: Path): unknown => {
    const scalar = typeof value !== "object" || value === null;
    places.set(path, { start: -1, end: -1, scalar });
    if (++nodes > maxNodes) {
      return nodes === maxNodes + 1 ? refuse([], `has more than ${maxNodes} parts`) : undefined;
    }
    if (typeof value === "string") {
      const result = interpolate(value, env);
      for (const problem of result.problems) refuse(path, problem.message);
      if (result.variables.length === 0) return result.text;
      places.set(path, { start: -1, end: -1, scalar, variables: result.variables, alternative: result.text });
      return result.text === "" ? "" : plainScalar(result.text);
    }
    if (scalar) {
      const plain = value === null || typeof value === "number" || typeof value === "boolean";
      return plain ? value : refuse(path, `must be plain data, but is a ${typeof value}`);
    }
    if (open.has(value)) return refuse(path, "contains itself");
    if (path.length >= maxDepth) return refuse(path, "is nested too deeply");
    const prototype = Object.getPrototypeOf(value);
    if (!Array.isArray(value) && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      return refuse(path, "must be plain data, but is an instance of a class");
    }
    open.add(value);
    const result = Array.isArray(value) ? value.map((item, index) => visit(item, [...path, index])) : mapOf(
      Object.entries(value).filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, visit(item, [...path, key])]),
    );
    open.delete(value);
    return result;
  };
  return { value: visit(source, []), places, diagnostics, spoilt };
}

/** A map whose keys cannot reach a prototype. */
export function mapOf(entries: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  const map: Record<string, unknown> = Object.create(null);
  for (const [key, value] of entries) map[key] = value;
  return map;
}
