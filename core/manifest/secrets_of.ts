/** Which values of a plan are secret: walks the plan beside the schema. */
import { formatPath, type Path } from "./places.ts";
import { kindOf, step, unwrap } from "./schema_walk.ts";
import { manifest } from "./schema.ts";

/** Paths as diagnostics write them: `listeners.metrics.curve.secretKey`. */
export function secretsOf(plan: object): string[] {
  const found: string[] = [];
  const visit = (value: unknown, schemas: ReturnType<typeof unwrap>, path: Path): void => {
    if (value === null || schemas.length === 0) return;
    if (typeof value === "string" && kindOf(schemas) === "secret") found.push(formatPath(path));
    if (typeof value !== "object") return;
    for (const [key, item] of Object.entries(value as object)) {
      const part = Array.isArray(value) ? Number(key) : key;
      visit(item, step(schemas, part), [...path, part]);
    }
  };
  visit(plan, unwrap(manifest), []);
  return found;
}
