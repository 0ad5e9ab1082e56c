import assert from "node:assert/strict";
import { exitCodes } from "../core/supervisor/exit_code.ts";
import { endpoints } from "../meta/endpoints.ts";
import { projectFiles } from "./project_files.ts";

const root = new URL("../", import.meta.url);
const page = await Deno.readTextFile(new URL("docs/operations.md", root));

/** Names that the sources register or read: whole string literals. */
async function namesInSources(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const file of await projectFiles(root)) {
    if (!/^(core|protocols|governance|meta)\/.*(?<!_test)\.ts$/.test(file)) continue;
    const text = await Deno.readTextFile(new URL(file, root));
    const pattern = file === "meta/process_metrics.ts"
      ? /"((?:weir|process)_[a-z_]*[a-z])"/g
      : /"(weir_[a-z_]*[a-z])"/g;
    for (const [, name] of text.matchAll(pattern)) names.add(name!);
  }
  return names;
}

Deno.test("operations.md names exactly the series of the sources", async () => {
  const documented = [...page.matchAll(/`((?:weir|process)_[a-z_]+)`/g)].map(([, name]) => name!);
  const names = [...await namesInSources()].sort();
  assert.ok(names.length > 40, `${names.length}`);
  assert.deepEqual([...new Set(documented)].sort(), names);
});

Deno.test("operations.md shows a line to ask for every endpoint, and no other", () => {
  const asked = [...page.matchAll(/^curl (-X POST)?[^]*?http:\/\/127\.0\.0\.1:9901(\/[^\s?']*)/gm)]
    .map(([, post, path]) =>
      `${post ? "POST" : "GET"} ${path!.replace("/1/", "/:id/").replace("/users/", "/:name/")}`
    );
  const table = endpoints.map(({ method, path }) => `${method} ${path}`)
    .filter((one) => !/^GET .*:name$/.test(one));
  assert.deepEqual(asked.sort(), table.sort());
});

Deno.test("operations.md names every exit code", () => {
  const text = /Exit codes: ([^.]*)\./.exec(page)![1]!;
  assert.deepEqual(
    [...text.matchAll(/\b[0-9]\b/g)].map(([code]) => Number(code)),
    Object.values<number>(exitCodes).sort(),
  );
});

Deno.test("operations.md shows log lines that are JSON, and stays short", () => {
  const lines = /```json\n(.*?)```/s.exec(page)![1]!.trim().split("\n");
  assert.equal(lines.length, 3);
  for (const line of lines) assert.ok(JSON.parse(line).ts);
  assert.ok(page.split("\n").length <= 280);
});
