import assert from "node:assert/strict";
import { compile, unavailable } from "../core/manifest/mod.ts";
import { missingParts } from "../core/manifest/unavailable.ts";
import { manifestExamples } from "./manifest_examples.ts";
import { generatedPages } from "./write_docs.ts";

for (const { file, text } of generatedPages) {
  Deno.test(`docs/${file.pathname.split("/").at(-1)} is what its source says`, () => {
    assert.equal(Deno.readTextFileSync(file), text(), "run: deno task docs");
  });
}

Deno.test("manifestExamples compile, and only the sections that cannot run yet have ones that cannot", () => {
  const notYet = new Set(missingParts.filter(({ value }) => value === undefined).map(({ at }) => at));
  for (const [section, example] of Object.entries(manifestExamples)) {
    const runs = "listeners:\n  web: { protocol: http, listen: :8080, handler: ./web.ts }\n";
    const service = section === "" ? "" : "service: example\n";
    const text = service + example + (/^(listeners|loops):/m.test(example) ? "" : runs);
    const folders = /\/public$/;
    const stat = (path: string) => folders.test(path) ? "directory" as const : "file" as const;
    const result = compile(text, { file: "service.yaml", stat, readFile: () => "token" });
    assert.deepEqual(result.diagnostics, [], `${section}: ${example}`);
    assert.equal(unavailable(result).length > 0, notYet.has(section), section);
  }
});
