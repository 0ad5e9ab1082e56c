/**
 * Targeting rules: a `when` of the experiments file becomes one function over the user's attributes. Compiled once per
 * reload; asking it allocates nothing. Every operator is false for an attribute that the user does not have, so
 * `not: { country: RU }` holds for a user without a country. For a list attribute an operator holds when it holds for
 * one of its elements.
 *
 * ```yaml
 * when:                              # all of these
 *   country: [RU, KZ]                # in; a single value is eq
 *   app: { version: { gte: 2.14 } }  # semver-like; gt, gte, lt, lte, eq
 *   age: { gte: 18, lt: 65 }
 *   device: { glob: "tv-*" }
 *   subscription: { exists: true }
 *   any: [{ tag: kids }, { not: { tag: adult } }]   # likewise all
 * ```
 */
import type { Node } from "yaml";
import { matchesGlob } from "./glob.ts";
import { compareVersions, isVersion } from "./version.ts";
import type { YamlSource } from "./yaml_source.ts";

/** One value, or one element of a list. */
export type Plain = string | number | boolean;

/** What a user may have under a name. */
export type AttributeValue = Plain | readonly Plain[];

/** Attributes by the index that {@link AttributeNames} gave their name. */
export type Attributes = ReadonlyArray<AttributeValue | undefined>;

/** Whether a user is meant. */
export type Condition = (attributes: Attributes) => boolean;

type Test = (value: Plain) => boolean;

/** The attributes that some rule asks for; everything else a caller sends is ignored. Index 0 is the user's id. */
export class AttributeNames {
  readonly #indexes = new Map<string, number>([["user", 0]]);

  get size(): number {
    return this.#indexes.size;
  }

  /** The index of `name`, or undefined where no rule asks for it. */
  indexOf(name: string): number | undefined {
    return this.#indexes.get(name);
  }

  /** The index of `name`, made on first use. */
  add(name: string): number {
    const index = this.#indexes.get(name) ?? this.#indexes.size;
    this.#indexes.set(name, index);
    return index;
  }

  /** All names in the order of their indexes. */
  list(): string[] {
    return [...this.#indexes.keys()];
  }
}

const maxDepth = 16;

/** Compiles the `when` at `node`; complains to `source` and answers a condition that nobody meets where it is wrong. */
export function compileCondition(
  source: YamlSource,
  node: Node,
  names: AttributeNames,
  depth = 0,
): Condition {
  if (depth > maxDepth) {
    source.fail(node, `conditions may be nested ${maxDepth} deep`);
    return never;
  }
  const inner = (child: Node) => compileCondition(source, child, names, depth + 1);
  const parts = source.entries(node, "a condition").map(({ key, at, value }): Condition => {
    switch (key) {
      case "all":
        return all(listOf(source, value, key).map(inner));
      case "any":
        return any(listOf(source, value, key).map(inner));
      case "not": {
        const condition = inner(value);
        return (attributes) => !condition(attributes);
      }
      default:
        return compileAttribute(source, at, value, names.add(key), key);
    }
  });
  return all(parts);
}

function never(): boolean {
  return false;
}

function listOf(source: YamlSource, node: Node, key: string): Node[] {
  const items = source.items(node, `\`${key}\``);
  if (items.length === 0) source.fail(node, `\`${key}\` needs at least one condition`);
  return items;
}

function all(conditions: Condition[]): Condition {
  if (conditions.length === 1) return conditions[0];
  return (attributes) => {
    for (let i = 0; i < conditions.length; i++) if (!conditions[i](attributes)) return false;
    return true;
  };
}

function any(conditions: Condition[]): Condition {
  return (attributes) => {
    for (let i = 0; i < conditions.length; i++) if (conditions[i](attributes)) return true;
    return false;
  };
}

function compileAttribute(source: YamlSource, at: Node, node: Node, index: number, name: string): Condition {
  if (source.isList(node)) return has(index, operators.in(source, node));
  if (!source.isMapping(node)) return has(index, operators.eq(source, node));
  const entries = source.entries(node, name);
  if (entries.length === 0) source.fail(at, `${name} needs an operator: ${operatorNames}`);
  return all(entries.map(({ key, at, value }) => {
    if (key === "exists") {
      const wanted = source.scalar(value);
      if (typeof wanted !== "boolean") source.fail(value, "`exists` is true or false");
      return (attributes) => (attributes[index] !== undefined) === wanted;
    }
    if (Object.hasOwn(operators, key)) {
      return has(index, operators[key as keyof typeof operators](source, value));
    }
    source.fail(at, `unknown operator \`${key}\`; there are ${operatorNames}`);
    return never;
  }));
}

function has(index: number, test: Test): Condition {
  return (attributes) => {
    const value = attributes[index];
    if (value === undefined) return false;
    if (typeof value !== "object") return test(value);
    for (let i = 0; i < value.length; i++) if (test(value[i])) return true;
    return false;
  };
}

const operators = {
  eq(source, node) {
    const operand = source.scalar(node);
    if (operand === undefined) source.fail(node, "`eq` takes a text, a number, true or false");
    // Attributes of a query string are texts, so a number is compared as a number and the rest as texts.
    if (typeof operand === "number") return (value) => numberOf(value) === operand;
    const text = String(operand);
    return (value) => String(value) === text;
  },
  in(source, node) {
    const items = source.items(node, "`in`");
    if (items.length === 0) source.fail(node, "`in` needs at least one value");
    const texts = new Set<string>();
    const numbers = new Set<number>();
    for (const item of items) {
      const operand = source.scalar(item);
      if (operand === undefined) source.fail(item, "`in` takes texts, numbers, true and false");
      else if (typeof operand === "number") numbers.add(operand);
      else texts.add(String(operand));
    }
    if (numbers.size === 0) return (value) => texts.has(String(value));
    return (value) => numbers.has(numberOf(value)) || texts.has(String(value));
  },
  gt: (source, node) => ordered(source, node, "gt"),
  gte: (source, node) => ordered(source, node, "gte"),
  lt: (source, node) => ordered(source, node, "lt"),
  lte: (source, node) => ordered(source, node, "lte"),
  glob(source, node) {
    const pattern = source.text(node);
    if (pattern === undefined) source.fail(node, "`glob` takes a text with `*` and `?`");
    else if (pattern.length > 256) source.fail(node, "a glob has at most 256 characters");
    return (value) => matchesGlob(pattern ?? "", String(value));
  },
  version(source, node) {
    const tests = source.entries(node, "`version`").map(({ key, at, value }): Test => {
      const operand = source.text(value) ?? "";
      if (!isVersion(operand)) source.fail(value, `\`${operand}\` is no version; write it like 2.14.0`);
      if (!Object.hasOwn(orders, key)) {
        source.fail(
          at,
          `unknown operator \`${key}\` of a version; there are ${Object.keys(orders).join(", ")}`,
        );
        return never;
      }
      const order = orders[key as keyof typeof orders];
      return (value) => order(compareVersions(String(value), operand));
    });
    return (value) => {
      for (let i = 0; i < tests.length; i++) if (!tests[i](value)) return false;
      return true;
    };
  },
} satisfies Record<string, (source: YamlSource, node: Node) => Test>;

const operatorNames = [...Object.keys(operators), "exists"].join(", ");

/** What `left - right`, or a comparison of two versions, says; NaN is none of them. */
const orders = {
  eq: (order: number) => order === 0,
  gt: (order: number) => order > 0,
  gte: (order: number) => order >= 0,
  lt: (order: number) => order < 0,
  lte: (order: number) => order <= 0,
};

function ordered(source: YamlSource, node: Node, name: keyof typeof orders): Test {
  const operand = source.scalar(node);
  if (typeof operand !== "number") {
    source.fail(node, `\`${name}\` takes a number; versions are compared with \`version: { ${name}: … }\``);
  }
  const order = orders[name];
  return (value) => order(numberOf(value) - Number(operand));
}

function numberOf(value: Plain): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
}
