/** The methods of a service, compiled: what both roles look messages up in. */
import type { MethodSchema, ServiceSchema } from "./schema.ts";
import { type StructCodec, structCodec } from "./wire/struct_codec.ts";

/** One method. */
export interface MethodCodec {
  readonly name: string;
  readonly oneway: boolean;
  readonly args: StructCodec;
  readonly result: StructCodec;
  /** Whether it returns something: whether its result has a field 0. */
  readonly returns: boolean;
  /** Names of declared exceptions, and the fields of the result that they are. */
  readonly throws: ReadonlyMap<string, string>;
  readonly schema: MethodSchema;
}

/** All methods by name. */
export interface ServiceCodec {
  readonly name: string;
  readonly methods: ReadonlyMap<string, MethodCodec>;
}

/** Compiles `schema`. */
export function serviceCodec({ name, methods }: ServiceSchema): ServiceCodec {
  return { name, methods: new Map([...methods].map(([name, method]) => [name, methodCodec(method)])) };
}

function methodCodec(schema: MethodSchema): MethodCodec {
  const { name, oneway, args, result } = schema;
  const throws = new Map<string, string>();
  for (const { id, name, type } of result.fields) {
    // The first of several of one type, as in other implementations.
    if (id !== 0 && type.kind === "struct" && !throws.has(type.of.name)) throws.set(type.of.name, name);
  }
  const returns = result.fields.some(({ id }) => id === 0);
  return { name, oneway, args: structCodec(args), result: structCodec(result), returns, throws, schema };
}
