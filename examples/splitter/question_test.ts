import assert from "node:assert/strict";
import fc from "fast-check";
import { AttributeNames } from "./condition.ts";
import { BadQuestion, questionOfJson, questionOfQuery } from "./question.ts";

const names = new AttributeNames();
names.add("country");
names.add("tag");
names.add("__proto__");

const refusal = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof BadQuestion) return error.message;
    throw error;
  }
  return "";
};

Deno.test("questionOfQuery() keeps the user and what rules ask for", () => {
  assert.deepEqual(questionOfQuery("user=42&country=RU&unknown=1", names), {
    user: "42",
    attributes: ["42", "RU", undefined, undefined],
  });
  assert.deepEqual(questionOfQuery("tag=a&user=1&tag=b+c&&tag=%D0%B0&country", names).attributes, [
    "1",
    "",
    ["a", "b c", "а"],
    undefined,
  ]);
  assert.deepEqual(questionOfQuery("us%65r=a=b&__proto__=1", names).attributes, [
    "a=b",
    undefined,
    undefined,
    "1",
  ]);
});

Deno.test("questionOfQuery() says what is wrong", () => {
  const cases: Array<[string, string]> = [
    ["", "parameter `user` is missing"],
    ["user=", "parameter `user` is missing"],
    ["user=1&user=2", "parameter `user` is given twice"],
    ["user=" + "u".repeat(257), "parameter `user` has more than 256 characters"],
    ["user=%ff", "the query is not percent-encoded UTF-8 at `%ff`"],
    ["user=1&country=" + "c".repeat(1025), "`country` has more than 1024 characters"],
    ["user=1" + "&a=1".repeat(64), "more than 64 parameters"],
  ];
  for (const [query, expected] of cases) assert.equal(refusal(() => questionOfQuery(query, names)), expected);
});

Deno.test("questionOfQuery() agrees with URLSearchParams on any parameters", () => {
  const parameters = fc.array(
    fc.tuple(fc.constantFrom("country", "tag", "other"), fc.string({ unit: "grapheme" })),
    {
      maxLength: 5,
    },
  );
  fc.assert(fc.property(parameters, (parameters) => {
    const search = new URLSearchParams([["user", "1"], ...parameters]);
    const { attributes } = questionOfQuery(search.toString(), names);
    for (const name of ["country", "tag"]) {
      const given = search.getAll(name);
      const expected = given.length === 0 ? undefined : given.length === 1 ? given[0] : given;
      assert.deepEqual(attributes[names.indexOf(name)!], expected);
    }
  }));
});

Deno.test("questionOfJson() keeps the user and what rules ask for", () => {
  const body =
    '{"user": 42, "attributes": {"country": null, "tag": ["a", 1, true], "x": 1, "__proto__": "p"}}';
  assert.deepEqual(questionOfJson(body, names), {
    user: "42",
    attributes: ["42", undefined, ["a", 1, true], "p"],
  });
  assert.deepEqual(questionOfJson('{"user": "7", "attributes": {"user": "8"}}', names).attributes[0], "7");
});

Deno.test("questionOfJson() says what is wrong", () => {
  const many = JSON.stringify({
    user: "1",
    attributes: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [i, 1])),
  });
  const cases: Array<[string, RegExp]> = [
    ["", /^the body is no JSON: /],
    ["{", /^the body is no JSON: /],
    ["[]", /^the body must be a JSON object$/],
    ["null", /^the body must be a JSON object$/],
    ["{}", /^`user` is missing$/],
    ['{"user": true}', /^`user` must be a text$/],
    ['{"user": "1", "country": "RU"}', /^unknown key "country"; there are user and attributes$/],
    ['{"user": "1", "attributes": []}', /^`attributes` must be an object$/],
    ['{"user": "1", "attributes": {"a": {}}}', /^attribute "a" must be/],
    ['{"user": "1", "attributes": {"a": [[]]}}', /^attribute "a" must be/],
    [JSON.stringify({ user: "1", attributes: { a: "x".repeat(1025) } }), /^attribute "a" must be/],
    [many, /^more than 64 attributes$/],
  ];
  for (const [body, expected] of cases) {
    assert.match(refusal(() => questionOfJson(body, names)), expected, body);
  }
});
