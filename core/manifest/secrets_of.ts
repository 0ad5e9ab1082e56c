/** Which values of a plan are secret: walks the plan beside the schema. */
import { kindOf, step, unwrap } from "./schema_walk.ts";
import { manifest } from "./schema.ts";

/** Paths with dots, list indexes as parts of their own: `listeners.metrics.curve.secretKey`. */
export function secretsOf(plan: object): string[] {
  const found: string[] = [];
  const visit = (value: unknown, schemas: ReturnType<typeof unwrap>, path: string[]): void => {
    if (value === null || schemas.length === 0) return;
    if (typeof value === "string" && kindOf(schemas) === "secret") found.push(path.join("."));
    if (typeof value !== "object") return;
    for (const [key, item] of Object.entries(value as object)) {
      visit(item, step(schemas, Array.isArray(value) ? Number(key) : key), [...path, key]);
    }
  };
  visit(plan, unwrap(manifest), []);
  return found;
}
