import assert from "node:assert/strict";
import { ExperimentsError, parseExperiments } from "./experiment_set.ts";
import { listing } from "./listing.ts";

function problems(text: string): readonly string[] {
  try {
    parseExperiments(text, "e.yaml");
  } catch (error) {
    assert.ok(error instanceof ExperimentsError);
    return error.problems;
  }
  return [];
}

const experiment = (fields: string) => `layers:\n  a:\n    experiments:\n      x: ${fields}\n`;

Deno.test("parseExperiments() reads the file of this example", async () => {
  const text = await Deno.readTextFile(new URL("experiments.yaml", import.meta.url));
  const set = parseExperiments(text, "experiments.yaml");
  assert.deepEqual(set.layers.map((layer) => layer.experiments.map((experiment) => experiment.name)), [
    ["skip-intro", "sharper-seek"],
    ["rows-order"],
    ["first-month", "old-banner"],
  ]);
  assert.deepEqual(set.names.list(), [
    "user",
    "country",
    "app",
    "device",
    "memory",
    "subscription",
    "age",
    "tag",
  ]);
  const [player] = (listing(set) as { layers: Array<Record<string, unknown>> }).layers;
  assert.equal(player.free, "50%");
});

Deno.test("parseExperiments() gives every slot to its owner", () => {
  const text = experiment("{ share: [0%..0.5%, 99.99%..100%], groups: { a: 100% } }");
  const [layer] = parseExperiments(text, "e.yaml").layers;
  const owned = layer.slots.flatMap((owner, slot) => owner ? [slot] : []);
  assert.deepEqual(owned, [...Array(50).keys(), 9999]);
});

Deno.test("parseExperiments() locates every mistake", () => {
  const cases: Array<[string, string]> = [
    ["", "e.yaml:1:1: the file must be a mapping"],
    ["excluded: []", "e.yaml:1:1: the file needs `layers`"],
    ["layer: {}\nlayers: {}", "e.yaml:1:1: unknown key `layer` in the file"],
    ["layers:\n  a: {}", "e.yaml:2:3: layer a needs `experiments`"],
    ["layers:\n\ta: 1", "e.yaml:2:1: "],
    [experiment("{ groups: { a: 100% } }"), "e.yaml:4:7: experiment x needs `share`"],
    [experiment("{ share: 10% }"), "e.yaml:4:7: experiment x needs `groups`"],
    [experiment("{ share: 10, groups: { a: 100% } }"), "e.yaml:4:19: a share is written"],
    [experiment("{ share: 101%, groups: { a: 100% } }"), "e.yaml:4:19: a share is written"],
    [
      experiment("{ share: 50%, from: 60%, groups: { a: 100% } }"),
      "e.yaml:4:19: `from` and `share` reach 110%",
    ],
    [experiment("{ share: [20%..10%], groups: { a: 100% } }"), "e.yaml:4:20: a range is written like"],
    [experiment("{ share: [1%..2%], from: 1%, groups: { a: 100% } }"), "e.yaml:4:29: `from` has no meaning"],
    [experiment("{ share: 1%, groups: { a: 50%, b: 40% } }"), "e.yaml:4:23: the groups of x add up to 90%"],
    [experiment("{ share: 1%, groups: { a: { params: {} } } }"), "e.yaml:4:33: group a needs `share`"],
    [
      experiment("{ share: 1%, groups: { a: 100% }, enabled: maybe }"),
      "e.yaml:4:53: `enabled` is true or false",
    ],
    [
      experiment("{ share: 1%, groups: { a: 100% }, when: RU }"),
      "e.yaml:4:50: a condition must be a mapping",
    ],
    [
      experiment("{ share: 1%, groups: { a: 100% }, overrides: { b: [q] } }"),
      "e.yaml:4:57: experiment x has no group b",
    ],
    [
      experiment("{ share: 1%, groups: { a: 50%, b: 50% }, overrides: { a: [q], b: [q] } }"),
      "e.yaml:4:72: user q is overridden twice in x",
    ],
    [
      experiment("{ share: 30%, groups: { a: 100% } }\n      y: { share: 10%, groups: { a: 100% } }"),
      "e.yaml:5:7: y overlaps x, which has 0%..30%; set `from`",
    ],
    [
      "layers:\n  a: { experiments: {} }\n  b: { salt: a, experiments: {} }",
      "e.yaml:3:3: another layer has the salt a",
    ],
  ];
  for (const [text, expected] of cases) {
    assert.ok(
      problems(text).some((problem) => problem.startsWith(expected)),
      `${text}: ${problems(text).join("\n")}`,
    );
  }
});

Deno.test("parseExperiments() reports all mistakes of a file at once, in its order", () => {
  const text = experiment("{ shrae: 1%, groups: { a: 10 } }") + "  b: 1\n";
  assert.deepEqual(problems(text).map((problem) => problem.slice(0, 12)), [
    "e.yaml:4:7: ",
    "e.yaml:4:12:",
    "e.yaml:4:23:",
    "e.yaml:4:36:",
    "e.yaml:5:3: ",
    "e.yaml:5:6: ",
  ]);
});

Deno.test("parseExperiments() ends on aliases that multiply", () => {
  const bomb = ["&a0 { x: 1 }"];
  for (let i = 1; i < 9; i++) bomb.push(`&a${i} { any: [${Array(9).fill(`*a${i - 1}`).join(", ")}] }`);
  const text = experiment(`{ share: 1%, groups: { a: 100% }, when: { all: [${bomb.join(", ")}] } }`);
  assert.ok(
    problems(text).some((problem) => problem.includes("more than 100000 nodes")),
    problems(text).join("\n"),
  );
});
