/** Writes `service.schema.json`: `deno run -A core/manifest/write_schema.ts`. A test fails when it is out of date. */
import { jsonSchema } from "./json_schema.ts";

/** Where the schema stands in the tree. */
export const schemaFile = new URL("../../service.schema.json", import.meta.url);

/** The text of the file. */
export function schemaText(): string {
  return JSON.stringify(jsonSchema(), null, 2) + "\n";
}

if (import.meta.main) Deno.writeTextFileSync(schemaFile, schemaText());
