import assert from "node:assert/strict";
import { AttributeNames, type AttributeValue, compileCondition } from "./condition.ts";
import { YamlSource } from "./yaml_source.ts";

function meets(when: string, user: Record<string, AttributeValue>): boolean {
  const source = new YamlSource(when, "when.yaml");
  assert.ok(source.root);
  const names = new AttributeNames();
  const condition = compileCondition(source, source.root, names);
  assert.deepEqual(source.report(), []);
  return condition(names.list().map((name) => user[name]));
}

function problems(when: string): string[] {
  const source = new YamlSource(when, "when.yaml");
  compileCondition(source, source.root!, new AttributeNames());
  return source.report();
}

Deno.test("compileCondition() compares as each operator says", () => {
  const cases: Array<[string, Record<string, AttributeValue>, boolean]> = [
    ["country: RU", { country: "RU" }, true],
    ["country: RU", { country: "ru" }, false],
    ["country: RU", {}, false],
    ["country: { eq: RU }", { country: "RU" }, true],
    ["kids: true", { kids: true }, true],
    ["kids: true", { kids: "true" }, true],
    ["kids: true", { kids: "1" }, false],
    ["age: 18", { age: "18" }, true],
    ["age: 18", { age: 18 }, true],
    ["age: 18", { age: true }, false],
    ['zip: "018"', { zip: "18" }, false],
    ["country: [RU, KZ]", { country: "KZ" }, true],
    ["country: { in: [RU, KZ] }", { country: "BY" }, false],
    ["age: [18, 21]", { age: "21" }, true],
    ["age: { gt: 18 }", { age: "18" }, false],
    ["age: { gte: 18 }", { age: "18" }, true],
    ["age: { lt: 18.5 }", { age: 18 }, true],
    ["age: { lte: 17 }", { age: 18 }, false],
    ["age: { gte: 18, lt: 65 }", { age: 65 }, false],
    ["age: { gte: 18 }", { age: "many" }, false],
    ["age: { gte: 0 }", { age: " " }, false],
    ["app: { version: { gte: 2.10 } }", { app: "2.9.4" }, false],
    ["app: { version: { gte: 2.10 } }", { app: "2.10" }, true],
    ["app: { version: { gte: 2.10, lt: 3 } }", { app: "3.0.0" }, false],
    ["app: { version: { lt: 3 } }", { app: "3.0.0-beta" }, true],
    ["app: { version: { lt: 3 } }", { app: "latest" }, false],
    ["device: { glob: tv-* }", { device: "tv-lg" }, true],
    ["device: { glob: tv-* }", { device: "phone" }, false],
    ["plan: { exists: true }", { plan: "" }, true],
    ["plan: { exists: true }", {}, false],
    ["plan: { exists: false }", {}, true],
    ["user: { glob: qa-* }", { user: "qa-1" }, true],
    ["tag: kids", { tag: ["adult", "kids"] }, true],
    ["tag: [a, b]", { tag: ["c", "b"] }, true],
    ["tag: { exists: true }", { tag: [] }, true],
    ["tag: kids", { tag: [] }, false],
  ];
  for (const [when, user, expected] of cases) {
    assert.equal(meets(when, user), expected, `${when} with ${JSON.stringify(user)}`);
  }
});

Deno.test("compileCondition() combines with all, any and not", () => {
  const cases: Array<[string, Record<string, AttributeValue>, boolean]> = [
    ["{ a: 1, b: 2 }", { a: 1, b: 2 }, true],
    ["{ a: 1, b: 2 }", { a: 1, b: 3 }, false],
    ["any: [{ a: 1 }, { b: 2 }]", { b: 2 }, true],
    ["any: [{ a: 1 }, { b: 2 }]", {}, false],
    ["all: [{ a: 1 }, { b: 2 }]", { a: 1 }, false],
    ["not: { a: 1 }", { a: 1 }, false],
    ["not: { a: 1 }", {}, true],
    ["{ a: 1, any: [{ b: 2 }, { not: { c: 3 } }] }", { a: 1, c: 3 }, false],
    ["{ a: 1, any: [{ b: 2 }, { not: { c: 3 } }] }", { a: 1, c: 4 }, true],
    ["{}", {}, true],
  ];
  for (const [when, user, expected] of cases) {
    assert.equal(meets(when, user), expected, `${when} with ${JSON.stringify(user)}`);
  }
});

Deno.test("compileCondition() complains with the place of the mistake", () => {
  const cases: Array<[string, string]> = [
    ["country: { startsWith: R }", "when.yaml:1:12: unknown operator `startsWith`"],
    ["country: {}", "when.yaml:1:1: country needs an operator"],
    ["country: []", "when.yaml:1:10: `in` needs at least one value"],
    ["country:", "when.yaml:1:9: `eq` takes"],
    ["country: [[RU]]", "when.yaml:1:11: `in` takes texts"],
    ["age: { gte: 18y }", "when.yaml:1:13: `gte` takes a number"],
    ["app: { version: { gte: new } }", "when.yaml:1:24: `new` is no version"],
    ["app: { version: { above: 1 } }", "when.yaml:1:19: unknown operator `above` of a version"],
    ["plan: { exists: yes }", "when.yaml:1:17: `exists` is true or false"],
    ["any: []", "when.yaml:1:6: `any` needs at least one condition"],
    ["any: RU", "when.yaml:1:6: `any` must be a list"],
    ["not: 1", "when.yaml:1:6: a condition must be a mapping"],
    ["constructor: { constructor: 1 }", "when.yaml:1:16: unknown operator `constructor`"],
    ["a: &loop { any: [1] }\nnot: &deep { not: *deep }", "when.yaml:2:19: conditions may be nested 16 deep"],
  ];
  for (const [when, expected] of cases) {
    assert.ok(problems(when).some((problem) => problem.startsWith(expected)), `${when}: ${problems(when)}`);
  }
});
