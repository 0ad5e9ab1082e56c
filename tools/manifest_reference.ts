/**
 * `docs/manifest.md` as text, from the schema of the manifest alone: structure, defaults and sentences come from its JSON
 * schema, units from the schema itself, what cannot run yet from the table of unavailable.ts. Keys are never named here.
 */
import { jsonSchema } from "../core/manifest/json_schema.ts";
import { withResolution } from "../core/manifest/resolution.ts";
import { manifest } from "../core/manifest/schema.ts";
import { kindOf, step, unwrap } from "../core/manifest/schema_walk.ts";
import { missingParts } from "../core/manifest/unavailable.ts";
import { unitPatterns } from "../core/manifest/unit.ts";
import { manifestExamples } from "./manifest_examples.ts";
import { code, table } from "./markdown.ts";

type Json = Record<string, unknown>;
type Schemas = ReturnType<typeof unwrap>;

interface Key {
  /** From the root: `listeners.http.routes[].match`; `*` for what several protocols share. */
  path: string;
  value: string;
  fallback: string;
  text: string;
}

interface Section {
  /** Of the table of unavailable.ts. */
  path: string;
  title: string;
  text: string;
  keys: Key[];
  level: number;
}

const head = `<!-- Written by \`deno task docs\` from core/manifest/schema.ts. -->

# Manifest reference

Every key of a manifest. \`service.schema.json\` says the same to editors, and the command \`explain\` what is in force.

An unknown key is an error; only top-level keys that begin with \`x-\` are free, to hold YAML anchors. Any value may be
written as \`\${NAME}\` or \`\${NAME:-default}\` (environment; \`$\${\` is a literal \`\${\`). Relative paths start from the
manifest's folder.

${
  table(["word", "means"], [
    ["duration", "`250us`, `50ms`, `2s`, `1m30s`, `24h`, `7d`; `0` needs no unit; at most 24 days"],
    ["size", "`512B`, `64KiB`, `10MB`, `1GiB`: KiB, MiB, GiB, TiB count in 1024, kB, MB, GB, TB in 1000"],
    ["rate", "`100/s`, `600/m`, `10/h`, `5/d`"],
    ["share", "`20%`, `0.5%`"],
    ["address", "`host:port`, `:port`, `[::1]:port`, `unix:./path`"],
    ["handler", "`./file.ts` for its default export, `./file.ts#name` for a named one"],
    ["path", "a file or a folder"],
    ["secret", "the text itself, or `{ fromFile: ./path }`; hidden on pages, in dumps and in logs"],
    ["name", "letters, digits, `-` and `_`, a letter first"],
    ["off", "does nothing unless it is given"],
  ])
}`;

/** The whole page. Throws when a part of the table of unavailable.ts is no part of the manifest. */
export function manifestReference(): string {
  const sections = neutral(manifestSections);
  const notYet = missingByPlace();
  const known = new Set(sections.flatMap(({ path, keys }) => [path, ...keys.map((key) => key.path)]));
  for (const at of notYet.keys()) {
    if (!known.has(at)) throw new Error(`Cannot document: ${at} is no part of a manifest`);
  }
  const list = missingParts.map(({ what, at }) => `- ${what.replace(/ (is|are)$/, "")} (${code(at)})`);
  return [
    head,
    "## Not available yet\n",
    "`check` and `explain` know these parts; a start refuses them and says so. They are marked *not yet*.\n",
    list.join("\n") + "\n",
    ...sections.map((section) => sectionText(section, notYet)),
  ].join("\n");
}

/** What cannot run yet, by place: the values of that key, or none where all of it cannot. */
function missingByPlace(): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const { at, value } of missingParts) {
    places.set(at, [...places.get(at) ?? [], ...(value === undefined ? [] : [value])]);
  }
  return places;
}

/** What stands before the text of a key. */
function mark(values: readonly string[] | undefined): string {
  if (values === undefined) return "";
  return values.length === 0 ? "*Not yet.* " : `*Not yet: ${values.map(code).join(", ")}.* `;
}

function sectionText(
  { path, title, text, keys, level }: Section,
  notYet: ReadonlyMap<string, readonly string[]>,
): string {
  const whole = notYet.has(path);
  const example = manifestExamples[path];
  const rows = keys.map((key) => [
    code(key.path.slice(path === "" ? 0 : path.length + 1).replace(/^<name>\./, "")),
    key.value,
    key.fallback,
    (whole ? "" : mark(notYet.get(key.path))) + key.text,
  ]);
  return [
    `${"#".repeat(level)} ${title}\n`,
    ...(whole ? ["*Not available yet.*\n"] : []),
    ...(text === "" ? [] : [text + "\n"]),
    ...(example === undefined ? [] : ["```yaml\n" + example + "```\n"]),
    ...(rows.length === 0 ? [] : [table(["key", "value", "default", "meaning"], rows)]),
  ].join("\n");
}

/** All sections, in the order of the schema; what stands alone at the top comes first. */
function manifestSections(): Section[] {
  const root = jsonSchema();
  const schemas = unwrap(manifest);
  const sections: Section[] = [{ path: "", title: "Service", text: "", keys: [], level: 2 }];
  for (const [key, schema] of Object.entries(root.properties as Record<string, Json>)) {
    const inner = step(schemas, key);
    if (objectOf(schema) === undefined) {
      sections[0]!.keys.push(keyOf(key, key, schema, root, inner));
      continue;
    }
    const item = schema.additionalProperties as Json | undefined;
    const section = (keys: Key[]): Section => ({
      path: key,
      title: code(item ? `${key}.<name>` : key),
      text: String(schema.description),
      keys,
      level: 2,
    });
    const variants = (item?.oneOf ?? []) as Json[];
    if (item && variants.length > 1 && variants.every((variant) => variant.type === "object")) {
      sections.push(
        section([discriminator(key, variants)]),
        ...variantSections(key, variants, step(inner, "name")),
      );
    } else if (item) {
      sections.push(section(keysBelow(`${key}.<name>`, item, step(inner, "name"))));
    } else sections.push(section(keysBelow(key, schema, inner)));
  }
  return sections;
}

/** The key that tells variants apart, with the constant of each. */
function discriminator(path: string, variants: readonly Json[]): Key {
  const kinds = variants.map((variant) => constantOf(variant.properties as Record<string, Json>));
  return {
    path: `${path}.<name>.${kinds[0]!.key}`,
    value: kinds.map(({ value }) => code(value)).join(", "),
    fallback: "required",
    text: "Which kind it is; the other keys follow from it.",
  };
}

function constantOf(properties: Record<string, Json>): { key: string; value: string } {
  const [key, own] = Object.entries(properties).find(([, schema]) => "const" in schema)!;
  return { key, value: String(own.const) };
}

/** One section for what several variants share word by word, then one for each with what is its own. */
function variantSections(path: string, variants: readonly Json[], schemas: Schemas): Section[] {
  const users = new Map<string, string[]>();
  const idOf = (key: string, schema: unknown) => key + JSON.stringify(schema);
  const named = variants.map((variant) => {
    const properties = variant.properties as Record<string, Json>;
    const { key: kind, value: name } = constantOf(properties);
    return { variant, properties, kind, name };
  });
  for (const { properties, name } of named) {
    for (const [key, schema] of Object.entries(properties)) {
      users.set(idOf(key, schema), [...users.get(idOf(key, schema)) ?? [], name]);
    }
  }
  const shared: Section = {
    path: `${path}.*`,
    title: `${code(`${path}.<name>`)}: keys of several kinds`,
    text: "",
    keys: [],
    level: 3,
  };
  const seen = new Set<string>();
  const sections = named.map(({ variant, properties, kind, name }): Section => {
    const keys: Key[] = [];
    for (const [key, schema] of Object.entries(properties)) {
      const id = idOf(key, schema);
      const names = users.get(id)!;
      const at = names.length > 1 ? `${path}.*` : `${path}.${name}`;
      if (seen.has(id) || key === kind) continue;
      seen.add(id);
      const found = keysAt(`${at}.${key}`, key, schema, variant, step(schemas, key));
      if (names.length === 1) keys.push(...found);
      else {
        const only = names.length === named.length ? "" : ` (${names.join(", ")})`;
        shared.keys.push({ ...found[0]!, text: found[0]!.text + only }, ...found.slice(1));
      }
    }
    return {
      path: `${path}.${name}`,
      title: code(`${kind}: ${name}`),
      text: String(properties[kind]!.description),
      keys,
      level: 3,
    };
  });
  return [shared, ...sections];
}

/** The keys of a map, each followed by the keys below it. */
function keysBelow(path: string, schema: Json, schemas: Schemas): Key[] {
  const map = objectOf(schema);
  const properties = (map?.properties ?? {}) as Record<string, Json>;
  return Object.entries(properties).flatMap(([key, inner]) =>
    keysAt(path === "" ? key : `${path}.${key}`, key, inner, map!, step(schemas, key))
  );
}

function keysAt(path: string, key: string, schema: Json, around: Json, schemas: Schemas): Key[] {
  const self = keyOf(path, key, schema, around, schemas);
  if (kindOf(schemas) === "secret") return [self];
  const below = keysBelow(path, schema, schemas);
  const list = alternatives(schema).find(({ type }) => type === "array")?.items as Json | undefined;
  if (list) below.push(...keysBelow(`${path}[]`, list, step(schemas, 0)));
  const named = objectOf(schema)?.additionalProperties;
  if (typeof named === "object") {
    below.push(...keysBelow(`${path}.<name>`, named as Json, step(schemas, "name")));
  }
  return [self, ...below];
}

function keyOf(path: string, key: string, schema: Json, around: Json, schemas: Schemas): Key {
  return {
    path,
    value: valueText(schema, schemas),
    fallback: fallbackText(key, schema, around),
    text: String(schema.description ?? ""),
  };
}

function fallbackText(key: string, schema: Json, around: Json): string {
  const oneOf = (around.oneOf ?? []) as { required?: string[] }[];
  if (oneOf.some(({ required }) => required?.includes(key))) return "one of these";
  if (!("default" in schema)) return "required";
  if (schema.default === null) return "off";
  const isMap = typeof schema.default === "object" && !Array.isArray(schema.default);
  if (isMap) return "";
  if (schema.default === "") return "empty";
  const flow = (value: unknown): string =>
    Array.isArray(value)
      ? `[${value.map(flow).join(", ")}]`
      : /^\*/.test(String(value))
      ? `"${value}"`
      : `${value}`;
  return code(flow(schema.default));
}

/** What may be written, in words. */
function valueText(schema: Json, schemas: Schemas): string {
  const kind = kindOf(schemas);
  if (kind === "secret") return "secret";
  const words = alternatives(schema).flatMap((one) => wordOf(one, kind, schemas));
  return [...new Set(words)].join(" or ");
}

function wordOf(schema: Json, kind: string | undefined, schemas: Schemas): string[] {
  if ("const" in schema) return schema.const === 0 || schema.const === "" ? [] : [code(String(schema.const))];
  if (Array.isArray(schema.enum)) return [schema.enum.map((value) => code(String(value))).join(", ")];
  switch (schema.type) {
    case "object":
      return ["map"];
    case "array":
      return [`list of ${plural(valueText(schema.items as Json, step(schemas, 0)))}`];
    case "integer":
      return [integerText(schema)];
    case "string":
      return [stringText(schema, kind)];
    default:
      return [String(schema.type)];
  }
}

function plural(words: string): string {
  return words.replace(/\b(address|map|name|path|text)$/, (word) => word + (word.endsWith("s") ? "es" : "s"));
}

function integerText({ minimum, maximum }: Json): string {
  if (minimum === undefined) return "integer";
  return maximum === undefined ? `integer ≥ ${minimum}` : `integer ${minimum} to ${maximum}`;
}

function stringText({ pattern }: Json, kind: string | undefined): string {
  if (kind === "path") return kind;
  if (pattern === undefined) return "text";
  for (const [unit, own] of Object.entries(unitPatterns)) {
    if (pattern === own) return unit;
    if (pattern === own.replace("^(?:0|", "^(?=.*[1-9])(?:")) return `${unit} > 0`;
  }
  if (pattern === "^[A-Za-z][A-Za-z0-9_-]*$") return "name";
  return kind === "address" || kind === "handler" ? kind : "text";
}

/** The forms of a value, without "nothing" and "from the environment". */
function alternatives(schema: Json): Json[] {
  const any = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  const isChoice = any !== undefined && schema.type === undefined;
  const all = isChoice ? any.flatMap(alternatives) : [schema];
  return all.filter((one) => one.type !== "null" && !("$ref" in one));
}

function objectOf(schema: Json): Json | undefined {
  return alternatives(schema).find(({ type }) => type === "object");
}

/** The schema asks for the platform and the cores where it has defaults of them. */
function neutral<T>(make: () => T): T {
  const place = {
    directory: "/",
    platform: "linux",
    cores: 1,
    readFile: () => "",
    stat: () => null,
  } as const;
  return withResolution(place, make);
}
