/** Constants and defaults of an IDL as values of their types: what a handler would see if they came over the wire. */
import type { ThriftType } from "../schema.ts";
import { IdlError } from "./idl_error.ts";
import { integerOf } from "./parser.ts";
import type { IdlModule } from "./resolve.ts";
import type { ValueSyntax } from "./syntax.ts";

const widths: Record<string, bigint> = { i8: 7n, i16: 15n, i32: 31n, i64: 63n };
const encoder = new TextEncoder();

/** The value of type `type` that `value`, written in `home`, means. Throws IdlError where it is none. */
export function constantOf(value: ValueSyntax, type: ThriftType, home: IdlModule): unknown {
  if (value.kind === "name" && value.text !== "true" && value.text !== "false") {
    return named(value, type, home);
  }
  switch (type.kind) {
    case "bool":
      if (value.kind === "name") return value.text === "true";
      if (value.kind === "int" && /^[01]$/.test(value.text)) return value.text === "1";
      break;
    case "i8":
    case "i16":
    case "i32":
    case "i64":
      if (value.kind === "int") return integer(value, type.kind);
      break;
    case "double":
      if (value.kind === "int") return Number(integerOf(value.text));
      if (value.kind === "double") return Number(value.text);
      break;
    case "string":
    case "uuid":
      if (value.kind === "literal") return value.text;
      break;
    case "binary":
      if (value.kind === "literal") return encoder.encode(value.text);
      break;
    case "enum":
      if (value.kind === "int") return integer(value, "i32");
      break;
    case "list":
    case "set": {
      if (value.kind !== "list") break;
      const items = value.items.map((item) => constantOf(item, type.of, home));
      return type.kind === "list" ? items : new Set(items);
    }
    case "map":
      if (value.kind !== "map") break;
      return new Map(
        value.entries.map((
          [key, one],
        ) => [constantOf(key, type.key, home), constantOf(one, type.value, home)]),
      );
    case "struct":
      if (value.kind === "map") return struct(value, type, home);
  }
  throw new IdlError(value.place, `this is no ${nameOf(type)}`);
}

function named(
  value: ValueSyntax & { kind: "literal" | "name" },
  type: ThriftType,
  home: IdlModule,
): unknown {
  // A member of the enum that is wanted may be written without its name.
  const bare = type.kind === "enum" ? type.of.members.get(value.text) : undefined;
  const found = bare ?? home.constant(value.text, value.place);
  if (typeof found === "object") return constantOf(found.value, type, found.home);
  if (type.kind === "enum" || type.kind === "i32" || type.kind === "i64") return found;
  throw new IdlError(value.place, `\`${value.text}\` is no ${nameOf(type)}`);
}

function integer(
  value: ValueSyntax & { kind: "int" | "double" },
  kind: keyof typeof widths,
): number | bigint {
  const number = integerOf(value.text);
  const limit = 1n << widths[kind]!;
  if (number < -limit || number >= limit) {
    throw new IdlError(value.place, `${value.text} does not fit an ${kind}`);
  }
  return Number.isSafeInteger(Number(number)) ? Number(number) : number;
}

function struct(
  value: ValueSyntax & { kind: "map" },
  { of }: ThriftType & { kind: "struct" },
  home: IdlModule,
): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [key, one] of value.entries) {
    const field = key.kind === "literal" ? of.fields.find(({ name }) => name === key.text) : undefined;
    if (!field) throw new IdlError(key.place, `${of.name} has no such field`);
    made[field.name] = constantOf(one, field.type, home);
  }
  for (const { name, makeDefault } of of.fields) made[name] ??= makeDefault?.();
  return made;
}

/** How a type is called in error texts. */
export function nameOf(type: ThriftType): string {
  switch (type.kind) {
    case "enum":
    case "struct":
      return type.of.name;
    case "list":
    case "set":
      return `${type.kind}<${nameOf(type.of)}>`;
    case "map":
      return `map<${nameOf(type.key)}, ${nameOf(type.value)}>`;
    default:
      return type.kind;
  }
}
