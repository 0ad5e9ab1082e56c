import assert from "node:assert/strict";
import { layerProblems, pathProblems, pinProblems } from "./layer_rules.ts";
import { checkLayers } from "./layers.ts";
import { readGraph } from "./module_graph.ts";

/** `{ "core/a.ts": ["core/b.ts", "type meta/c.ts"] }` as a graph. */
function graph(imports: Record<string, string[]>) {
  return readGraph({
    modules: Object.entries(imports).map(([name, targets]) => ({
      specifier: `file:///p/${name}`,
      dependencies: targets.map((target) => {
        const path = target.replace("type ", "");
        const specifier = path.includes(":") ? path : `file:///p/${path}`;
        return { specifier: path, [target.startsWith("type ") ? "type" : "code"]: { specifier } };
      }),
    })),
  }, "file:///p/");
}

Deno.test("layerProblems() refuses imports across layers, types included", () => {
  assert.deepEqual(layerProblems(graph({ "core/a.ts": ["protocols/b.ts"] })), [
    "core/a.ts imports protocols/b.ts: core knows nothing of protocols",
  ]);
  assert.deepEqual(layerProblems(graph({ "meta/a.ts": ["mod.ts"] })), [
    "meta/a.ts imports mod.ts: meta knows nothing of it",
  ]);
  for (
    const [from, to] of [["core", "meta"], ["core", "governance"], ["protocols", "governance"], [
      "meta",
      "protocols",
    ]]
  ) {
    assert.equal(layerProblems(graph({ [`${from}/a.ts`]: [`type ${to}/b.ts`] })).length, 1, `${from} ${to}`);
  }
});

Deno.test("layerProblems() accepts what the layers allow", () => {
  const allowed = graph({
    "mod.ts": ["core/a.ts", "meta/b.ts"],
    "meta/b.ts": ["core/a.ts", "node:path", "npm:/hono@4.0.0"].map((name) => name),
    "core/a_test.ts": ["protocols/http/mod.ts"],
    "core/testdata/a.ts": ["protocols.ts"],
    "worker.ts": ["protocols/http/mod.ts", "core/a.ts"],
    "core/manifest/mod.ts": ["npm:/yaml@2.9.1"],
  });
  assert.deepEqual(layerProblems(allowed).filter((problem) => !problem.includes("by its name")), []);
});

Deno.test("layerProblems() shows how a child process comes to load the YAML parser", () => {
  const problems = layerProblems(graph({
    "worker.ts": ["core/worker/build.ts", "type core/manifest/mod.ts"],
    "core/worker/build.ts": ["core/manifest/unit.ts"],
    "core/manifest/unit.ts": ["core/manifest/schema.ts"],
  }));
  assert.deepEqual(problems, [
    "a child process loads a reader of manifests: worker.ts → core/worker/build.ts → " +
    "core/manifest/unit.ts → core/manifest/schema.ts",
  ]);
});

Deno.test("layerProblems() lets the governor alone read lists of endpoints in YAML, and no manifests", () => {
  const list = { "governance/discovery/endpoint_list.ts": ["npm:/yaml@2.9.1"] };
  const imports = ["governance/discovery/endpoint_list.ts"];
  const about = (problems: string[]) => problems.filter((problem) => problem.startsWith("a child process"));
  assert.deepEqual(about(layerProblems(graph({ ...list, "governor.ts": imports }))), []);
  assert.equal(about(layerProblems(graph({ ...list, "worker.ts": imports }))).length, 1);
  assert.equal(about(layerProblems(graph({ "governor.ts": ["core/manifest/mod.ts"] }))).length, 1);
});

Deno.test("layerProblems() refuses what does not come from npm by name", () => {
  for (const specifier of ["jsr:@std/yaml", "https://example.com/a.ts", "npm:yaml@2.9.1"]) {
    assert.equal(layerProblems(graph({ "tools/a.ts": [specifier] })).length, 1, specifier);
  }
});

Deno.test("pinProblems() refuses everything but one version of an npm package", () => {
  const imports = {
    a: "npm:a@1.2.3",
    b: "npm:@s/b@1.2.3-rc.1/deep",
    "c/": "npm:/c@1.2.3/",
    d: "npm:d@^1.2.3",
    e: "npm:e@1.2",
    f: "jsr:@s/f@1.2.3",
    g: "./g.ts",
  };
  assert.deepEqual(pinProblems(imports).map((problem) => problem.split(" ")[2]), ["d", "e", "f", "g"]);
});

Deno.test("pathProblems() finds the places of a machine", () => {
  const text = "see /home/anna/x\nand /opt/own/tree/a\nhttps://registry.example.com\n/users/home/x ./root/x";
  assert.deepEqual(pathProblems("a.md", text, ["/opt/own/tree/"]).map((problem) => problem.slice(0, 7)), [
    "a.md:1:",
    "a.md:2:",
    "a.md:3:",
  ]);
});

Deno.test("checkLayers() finds nothing wrong in this project", async () => {
  const { modules, problems } = await checkLayers(new URL("../", import.meta.url));
  assert.deepEqual(problems, []);
  assert.ok(modules > 50, `${modules} modules`);
});
