/** Writes the generated pages of `docs/`: `deno task docs`. A test fails when one is out of date. */
import { manifestReference } from "./manifest_reference.ts";
import { reasonsReference } from "./reasons_reference.ts";

const folder = new URL("../docs/", import.meta.url);

/** The generated pages: where each stands, and its text. */
export const generatedPages: readonly { file: URL; text: () => string }[] = [
  { file: new URL("manifest.md", folder), text: manifestReference },
  { file: new URL("reasons.md", folder), text: reasonsReference },
];

if (import.meta.main) {
  Deno.mkdirSync(folder, { recursive: true });
  for (const { file, text } of generatedPages) Deno.writeTextFileSync(file, text());
}
