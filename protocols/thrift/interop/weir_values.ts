/** Values of the matrix: from the form of cases.ts to what handlers and callers of this project use, and back. */
import { structs, type TypeForm } from "./cases.ts";

/** What a handler or a caller passes. */
export function native(type: TypeForm, form: unknown): unknown {
  if (typeof type === "string") {
    if (type === "i64") return BigInt(form as string);
    if (type === "double") return Number(form);
    return type === "binary" ? Uint8Array.fromHex(form as string) : form;
  }
  const items = form as unknown[];
  switch (type[0]) {
    case "list":
      return items.map((one) => native(type[1], one));
    case "set":
      return new Set(items.map((one) => native(type[1], one)));
    case "map":
      return new Map(
        (items as [unknown, unknown][]).map((
          [key, one],
        ) => [native(type[1], key), native(type[2], one)]),
      );
    default: {
      const types = structs[type[1]]!;
      return Object.fromEntries(
        Object.entries(form as object).map(([name, one]) => [name, native(types[name]!, one)]),
      );
    }
  }
}

/** What a handler or a caller gets, as a form; of a value that is of another type than it should be, what it is. */
export function formOf(type: TypeForm, value: unknown): unknown {
  if (typeof type === "string") return plainForm(type, value);
  switch (type[0]) {
    case "list":
      return Array.isArray(value) ? value.map((one) => formOf(type[1], one)) : wrong(value);
    case "set":
      return value instanceof Set ? [...value].map((one) => formOf(type[1], one)).sort(byText) : wrong(value);
    case "map":
      return value instanceof Map
        ? [...value].map(([key, one]) => [formOf(type[1], key), formOf(type[2], one)])
          .sort(([one], [other]) => byText(one, other))
        : wrong(value);
    default:
      return structForm(structs[type[1]]!, value as Record<string, unknown>);
  }
}

function plainForm(type: string, value: unknown): unknown {
  if (type === "i64") {
    return typeof value === "bigint" || typeof value === "number" ? `${value}` : wrong(value);
  }
  if (type === "binary") return value instanceof Uint8Array ? value.toHex() : wrong(value);
  if (type === "double" && typeof value === "number") {
    return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? value : `${value}`;
  }
  const { name } = type === "bool" ? Boolean : type === "string" ? String : Number;
  return typeof value === "object" || value?.constructor.name !== name ? wrong(value) : value;
}

function structForm(types: Readonly<Record<string, TypeForm>>, value: Record<string, unknown>): unknown {
  const form: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(types)) {
    if (value[name] !== undefined) form[name] = formOf(type, value[name]);
  }
  for (const name of Object.keys(value)) if (!Object.hasOwn(types, name)) form[name] = "unknown field";
  return form;
}

function wrong(value: unknown): string {
  return `${typeof value} ${value?.constructor?.name}`;
}

function byText(one: unknown, other: unknown): number {
  const [left, right] = [JSON.stringify(one), JSON.stringify(other)] as [string, string];
  return left < right ? -1 : left > right ? 1 : 0;
}
