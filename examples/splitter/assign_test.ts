import assert from "node:assert/strict";
import { answerOf, decisionOf, groupsOf } from "./assign.ts";
import { type ExperimentSet, parseExperiments } from "./experiment_set.ts";

interface Answer {
  user: string;
  version: string;
  experiments: Array<{ layer: string; experiment: string; group: string; params?: unknown }>;
}

function ask(set: ExperimentSet, user: string, attributes: Record<string, string> = {}): Answer {
  const values = set.names.list().map((name) => name === "user" ? user : attributes[name]);
  return JSON.parse(answerOf(set, user, groupsOf(set, user, values)));
}

const parse = (text: string) => parseExperiments(text, "e.yaml");
const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);

Deno.test("groupsOf() is the same every time and for every instance of the file", () => {
  const text = "layers: { a: { experiments: { x: { share: 50%, groups: { c: 50%, d: 50% } } } } }";
  const [one, two] = [parse(text), parse(text)];
  for (const user of users.slice(0, 500)) assert.deepEqual(ask(one, user), ask(two, user));
});

Deno.test("groupsOf() keeps the assignments that were handed out before", () => {
  // Fixed for good: a change of hash, seeds or slots would silently move every user of a running experiment.
  const text = "layers: { a: { experiments: { x: { share: 50%, groups: { c: 50%, d: 50% } } } } }";
  const groups = users.slice(0, 16).map((user) => ask(parse(text), user).experiments[0]?.group ?? "-").join(
    "",
  );
  assert.equal(groups, "dcccd--c-c-cddd-");
});

Deno.test("groupsOf() puts as many users into experiments and groups as the shares say", () => {
  const set = parse("layers: { a: { experiments: { x: { share: 20%, groups: { c: 75%, d: 25% } } } } }");
  const counts: Record<string, number> = { c: 0, d: 0 };
  for (const user of users) for (const { group } of ask(set, user).experiments) counts[group]++;
  assert.ok(Math.abs(counts.c - 3000) < 200, JSON.stringify(counts));
  assert.ok(Math.abs(counts.d - 1000) < 120, JSON.stringify(counts));
});

Deno.test("groupsOf() moves nobody who was in when a share grows", () => {
  const text = (x: string, y: string) =>
    `layers: { a: { experiments: { x: { share: ${x}, groups: { c: 50%, d: 50% } }, ` +
    `y: { share: ${y}, from: 60%, groups: { c: 50%, d: 50% } } } } }`;
  const [before, after] = [parse(text("10%", "10%")), parse(text("35%", "40%"))];
  let added = 0;
  for (const user of users) {
    const [was] = ask(before, user).experiments;
    const [is] = ask(after, user).experiments;
    if (was) assert.deepEqual(is, was);
    else if (is) added++;
  }
  assert.ok(Math.abs(added - users.length * 0.55) < 400, String(added));
});

Deno.test("groupsOf() puts a user into one experiment of a layer at most", () => {
  const set = parse(
    "layers: { a: { experiments: { x: { share: 50%, groups: { c: 100% } }, y: { share: 50%, from: 50%, groups: { c: 100% } } } } }",
  );
  for (const user of users.slice(0, 2000)) assert.equal(ask(set, user).experiments.length, 1);
});

Deno.test("groupsOf() decides layers, and groups within them, independently", () => {
  const set = parse(
    "layers:\n" +
      "  a: { experiments: { x: { share: 50%, groups: { c: 50%, d: 50% } } } }\n" +
      "  b: { experiments: { x: { share: 50%, groups: { c: 50%, d: 50% } } } }\n",
  );
  // 3 × 3 outcomes (out, c, d) of two layers: chi-square against the product of the shares, 8 degrees of freedom.
  const counts = new Map<string, number>();
  for (const user of users) {
    const { experiments } = ask(set, user);
    const outcome = (layer: string) => experiments.find((found) => found.layer === layer)?.group ?? "-";
    const key = outcome("a") + outcome("b");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const share: Record<string, number> = { "-": 0.5, c: 0.25, d: 0.25 };
  let chiSquare = 0;
  for (const a of "-cd") {
    for (const b of "-cd") {
      const expected = share[a] * share[b] * users.length;
      chiSquare += ((counts.get(a + b) ?? 0) - expected) ** 2 / expected;
    }
  }
  assert.ok(chiSquare < 26.1, `chi-square ${chiSquare}`);
});

Deno.test("groupsOf() follows rules, overrides, enabled and excluded", () => {
  const set = parse(`
excluded: [robot]
layers:
  a:
    experiments:
      x:
        share: 100%
        when: { country: RU }
        groups: { c: 100%, d: { share: 0%, params: { size: 3 } } }
        overrides: { d: [anna, robot] }
  b:
    experiments:
      off: { enabled: false, share: 50%, groups: { c: 100% }, overrides: { c: [boris] } }
      on: { share: 50%, from: 50%, groups: { c: 100% } }
`);
  const seen = (user: string, attributes = {}) =>
    ask(set, user, attributes).experiments.map((found) => found.experiment);
  assert.ok(seen("u", { country: "RU" }).includes("x"));
  assert.ok(!seen("u", { country: "KZ" }).includes("x"));
  assert.deepEqual(ask(set, "anna").experiments[0], {
    layer: "a",
    experiment: "x",
    group: "d",
    params: { size: 3 },
  });
  assert.deepEqual(seen("boris"), ["off"]);
  assert.deepEqual(seen("robot", { country: "RU" }), []);
  assert.ok(users.slice(0, 200).every((user) => !seen(user).includes("off")));
});

Deno.test("answerOf() takes any text as a user id", () => {
  const set = parse("layers: { a: { experiments: { x: { share: 100%, groups: { c: 100% } } } } }");
  for (const user of ['"', "\\", "Анна", "💫", "\ud800", "x".repeat(256), "\u0000"]) {
    assert.equal(ask(set, user).experiments.length, 1);
  }
});

Deno.test("decisionOf() says who got what, by which version and when", () => {
  const set = parse("layers: { a: { experiments: { x: { share: 100%, groups: { c: 100% } } } } }");
  const groups = groupsOf(set, "u", []);
  const expected = { time: 5, user: "u", version: set.version, groups: ["a/x/c"] };
  assert.deepEqual(decisionOf(set, "u", groups, 5), expected);
});
