/**
 * Which schemas apply at a path: for `explain` (units, known keys) and for finding the secrets of a plan.
 * Alternatives are all followed, since siblings of one key agree on its kind.
 */
import type { z } from "zod";
import { type Kind, kinds } from "./terms.ts";

type Schema = z.core.$ZodType;

/** The schemas that a value at this place may be of: wrappers taken off, alternatives side by side. */
export function unwrap(schema: Schema): Schema[] {
  const def = schema._zod.def as unknown as Record<string, Schema> & { type: string; options?: Schema[] };
  switch (def.type) {
    case "prefault":
    case "default":
    case "nullable":
    case "optional":
      return unwrap(def.innerType);
    case "lazy":
      return unwrap((schema as z.core.$ZodLazy)._zod.innerType);
    case "pipe":
      return [schema, ...unwrap(def.in)];
    case "union":
      return [schema, ...(def.options ?? []).flatMap(unwrap)];
    default:
      return [schema];
  }
}

/** The schemas one step further in; `key` is a map's key or a list's index. */
export function step(schemas: readonly Schema[], key: string | number): Schema[] {
  return schemas.flatMap((schema) => {
    const def = schema._zod.def as unknown as {
      type: string;
      shape?: Record<string, Schema>;
      valueType?: Schema;
      element?: Schema;
    };
    if (def.type === "object" && def.shape && Object.hasOwn(def.shape, key)) return unwrap(def.shape[key]);
    if (def.type === "record" && def.valueType) return unwrap(def.valueType);
    return def.type === "array" && def.element && Number.isInteger(Number(key)) ? unwrap(def.element) : [];
  });
}

/** What kind of leaf this is, or `undefined` for plain values and for maps. */
export function kindOf(schemas: readonly Schema[]): Kind | undefined {
  for (const schema of schemas) {
    const found = kinds.get(schema as z.ZodType);
    if (found) return found.kind;
  }
  return undefined;
}
