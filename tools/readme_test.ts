import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { answerOf, groupsOf } from "../examples/splitter/assign.ts";
import { parseExperiments } from "../examples/splitter/experiment_set.ts";
import { questionOfQuery } from "../examples/splitter/question.ts";
import { compile } from "../core/manifest/mod.ts";
import { fromFileUrl, projectFiles } from "./project_files.ts";

const root = new URL("../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));

function block(language: string, begin: string): string {
  const blocks = [...readme.matchAll(/```(\w+)\n(.*?)```/gs)];
  const found = blocks.find(([, name, text]) => name === language && text.includes(begin));
  assert.ok(found, `README has no ${language} block with ${begin}`);
  return found[2];
}

Deno.test("README names the two commands", () => {
  assert.ok(readme.includes("\nnpx -y deno run -A mod.ts examples/splitter/service.yaml\n"));
  assert.ok(readme.includes("\nnpx -y deno task test\n"));
});

Deno.test("README shows a first service that compiles, in 20 lines of YAML and TypeScript", () => {
  const manifest = block("yaml", "service: greeter");
  const { diagnostics } = compile(manifest, { file: "service.yaml", stat: () => "file" });
  assert.deepEqual(diagnostics, []);
  const lines = (manifest + block("ts", "export default function greet")).trimEnd().split("\n").length;
  assert.ok(lines <= 20, `${lines} lines`);
});

Deno.test("README shows what the splitter really answers", async () => {
  const set = parseExperiments(
    await Deno.readTextFile(new URL("examples/splitter/experiments.yaml", root)),
    "e.yaml",
  );
  const query = /split\?(\S+?)'/.exec(block("sh", "/split?"))![1];
  const { user, attributes } = questionOfQuery(query, set.names);
  const answer = answerOf(set, user, groupsOf(set, user, attributes));
  assert.deepEqual(JSON.parse(block("json", '"experiments"')), JSON.parse(answer));
});

Deno.test("README lists every dependency with its version", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const [name, target] of Object.entries<string>(imports)) {
    if (name.endsWith("/")) continue;
    const [, major, minor] = /@(\d+)\.(\d+)\.\d+$/.exec(target)!;
    assert.ok(readme.includes(`\`${name}\` ${major}.${minor}`), `${name} ${major}.${minor}`);
  }
});

Deno.test("ARCHITECTURE.md fits into 150 lines", async () => {
  const text = await Deno.readTextFile(new URL("ARCHITECTURE.md", root));
  assert.ok(text.split("\n").length <= 151);
});

Deno.test("links of the documents lead to files of this project", async () => {
  const files = await projectFiles(root);
  const documents = files.filter((file) => file.endsWith(".md"));
  assert.ok(documents.includes("README.md"));
  for (const document of documents) {
    const text = await Deno.readTextFile(join(fromFileUrl(root), document));
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      const path = join(fromFileUrl(root), dirname(document), target);
      assert.ok(await Deno.stat(path).then(() => true, () => false), `${document} links to ${target}`);
    }
  }
});
