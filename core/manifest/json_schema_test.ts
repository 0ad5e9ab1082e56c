/**
 * The JSON schema against a validator that this project did not write: on every valid manifest and on thousands of
 * wrong ones made from them, it and `compile` must agree, except for what a schema cannot say (below).
 */
import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { compile } from "./compile.ts";
import { compileCorpus, corpusFiles } from "./write_corpus.ts";
import { jsonSchema } from "./json_schema.ts";
import { compileValid, validFiles, validFolder, validOptions } from "./valid_manifests.ts";
import { schemaFile, schemaText } from "./write_schema.ts";

/** Problems that concern two places, a file, or the size of a quantity: `compile` alone can see them. */
const beyondSchema = [
  /which is not declared/,
  /does not exist/,
  /must be a (file|folder), but .* is/,
  /every listener needs its own/,
  /needs a `governance\.store`/,
  /leads in a circle/,
  /needs a `token`/,
  /needs a `(key|cert)` beside it/,
  /has no meaning (for|beside)/,
  /names no valid IP address/,
  /bits of network/,
  /which speaks/,
  /is declared twice/,
  /cannot be (declared|called)/,
  /names an empty file/,
  /makes a socket path of/,
  /must not be (longer than|above) /,
  /nobody could wait in it/,
  /must be `all` where `idempotent` is true/,
  /lines are JSON or plain bytes, and/,
  /is longer than the `deadline`/,
  /is shorter than `admit.wait`/,
  /must be at (least|most) [0-9]+(?:[A-Za-z]|d[0-9])/,
];

type Json = Record<string, unknown>;

function validator() {
  return new Ajv({ strict: false, allErrors: false }).compile(jsonSchema());
}

function plain(name: string): Json {
  return parse(Deno.readTextFileSync(`${validFolder}/${name}`), { merge: true });
}

Deno.test("service.schema.json is what the schema in code says", () => {
  assert.equal(
    Deno.readTextFileSync(schemaFile),
    schemaText(),
    "run: deno run -A core/manifest/write_schema.ts",
  );
});

Deno.test("jsonSchema() describes every key and gives every key that may be left out a default", () => {
  let keys = 0;
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null) return;
    const { properties, required = [] } = node as { properties?: Record<string, Json>; required?: string[] };
    // Only a map of its own has keys; conditions on keys of the map around them have no type.
    if (properties && (node as Json).type === "object") {
      const alternatives = ((node as Json).oneOf as { required: string[] }[] | undefined)?.flatMap((one) =>
        one.required ?? []
      );
      for (const [key, schema] of Object.entries(properties)) {
        keys++;
        assert.ok(String(schema.description ?? "").length > 3, `${path}.${key} has no description`);
        if (required.includes(key) || alternatives?.includes(key)) continue;
        assert.ok("default" in schema, `${path}.${key} has no default`);
      }
    }
    for (const [key, value] of Object.entries(node)) if (key !== "default") visit(value, `${path}.${key}`);
  };
  visit(jsonSchema(), "");
  assert.ok(keys > 250, `${keys}`);
});

Deno.test("jsonSchema() gives defaults that it accepts itself", () => {
  const root = jsonSchema();
  const ajv = new Ajv({ strict: false });
  let defaults = 0;
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("default" in node && !Array.isArray(node)) {
      defaults++;
      const accepts = ajv.compile({ ...node, definitions: root.definitions });
      assert.ok(accepts(node.default), JSON.stringify(node).slice(0, 300));
    }
    for (const [key, value] of Object.entries(node)) if (key !== "default") visit(value);
  };
  visit(root.properties);
  assert.ok(defaults > 200, `${defaults}`);
});

Deno.test("jsonSchema() and compile() accept every valid manifest", () => {
  const accepts = validator();
  for (const name of validFiles()) {
    assert.deepEqual(compileValid(name).diagnostics, [], name);
    assert.ok(accepts(plain(name)), `${name}: ${JSON.stringify(accepts.errors)}`);
  }
});

Deno.test("jsonSchema() and compile() agree on the corpus of wrong manifests", () => {
  const accepts = validator();
  let compared = 0;
  for (const name of corpusFiles()) {
    const { diagnostics } = compileCorpus(name);
    if (/_(yaml|env)_|_alias/.test(name)) continue;
    const value = parse(Deno.readTextFileSync(new URL(`./corpus/${name}`, import.meta.url)), { merge: true });
    const beyond = diagnostics.every(({ message }) => isBeyond(message));
    compared++;
    assert.equal(accepts(value), beyond, `${name}: ${diagnostics.map(({ message }) => message).join("; ")}`);
  }
  assert.ok(compared > 200, `${compared}`);
});

Deno.test("jsonSchema() and compile() agree on mutations of valid manifests", () => {
  const accepts = validator();
  const options = { ...validOptions, file: `${validFolder}/mutated.yaml` };
  let mutations = 0;
  let refused = 0;
  for (const name of validFiles()) {
    for (const { what, value } of mutate(plain(name))) {
      mutations++;
      const { diagnostics } = compile(value, options);
      const bySchema = accepts(value) as boolean;
      const byCompile = diagnostics.length === 0;
      if (!bySchema) refused++;
      const beyond = !byCompile && diagnostics.every(({ message }) => isBeyond(message));
      assert.equal(
        byCompile || beyond,
        bySchema,
        `${name}: ${what}: ${JSON.stringify(accepts.errors ?? diagnostics)}`,
      );
    }
  }
  assert.ok(mutations > 3000 && refused > mutations / 2, `${refused} of ${mutations}`);
});

function isBeyond(message: string): boolean {
  return beyondSchema.some((pattern) => pattern.test(message));
}

/** Every key renamed, every key removed, and every value replaced by ones of other types and other words. */
function* mutate(whole: Json): Generator<{ what: string; value: Json }> {
  for (const path of paths(whole)) {
    const key = path.at(-1)!;
    const root = around(whole, path);
    const text = path.join(".");
    yield {
      what: `rename ${text}`,
      value: changed(root, path, (map) => ({ ...without(map, key), [`${key}Zz`]: map[key] })),
    };
    yield { what: `remove ${text}`, value: changed(root, path, (map) => without(map, key)) };
    for (const other of [{}, [], { zz: 1 }, ["@@"], 7.5, -1, 0, true, null, "", "@@", "5"]) {
      yield {
        what: `${text} = ${JSON.stringify(other)}`,
        value: changed(root, path, (map) => ({ ...map, [key]: other })),
      };
    }
  }
}

/** The manifest cut down to the declaration that `path` leads into: the rest has nothing to say about it. */
function around(root: Json, [section, name]: readonly string[]): Json {
  const base = {
    service: "mutated",
    listeners: { web: { protocol: "http", listen: "127.0.0.1:1", handler: "./files/handler.ts" } },
  };
  if (name === undefined) return root;
  const named = ["listeners", "pools", "upstreams", "streams", "loops"].includes(section);
  return { ...base, [section]: named ? { [name]: (root[section] as Json)[name] } : root[section] };
}

function without(map: Json, key: string): Json {
  const { [key]: _, ...rest } = map;
  return rest;
}

/** Paths of all map keys; lists are walked, their indexes are parts. */
function* paths(node: unknown, around: string[] = []): Generator<string[]> {
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    if (around.length === 0 && key.startsWith("x-")) continue;
    if (!Array.isArray(node)) yield [...around, key];
    yield* paths(value, [...around, key]);
  }
}

function changed(root: Json, path: readonly string[], change: (map: Json) => Json): Json {
  const copy = structuredClone(root);
  let node: Json = copy;
  for (const key of path.slice(0, -2)) node = node[key] as Json;
  if (path.length === 1) return change(copy);
  const last = path[path.length - 2];
  node[last] = change(node[last] as Json);
  return copy;
}
