/** Random schemas, and random values that fit them, for property tests. */
import fc from "fast-check";
import type { FieldSchema, StructSchema, ThriftType } from "../schema.ts";

const members = new Map([["ONE", 1], ["TWO", 2], ["MINUS", -7]]);
const plain = ["bool", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid"] as const;

const keys: fc.Arbitrary<ThriftType> = fc.constantFrom("i8", "i32", "string", "i16").map((kind) => ({ kind }));

/** Any type, structs in structs included. */
export const anyType: fc.Arbitrary<ThriftType> = fc.letrec<{ type: ThriftType; struct: StructSchema }>((tie) => ({
  type: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...plain).map((kind): ThriftType => ({ kind })),
    fc.constant<ThriftType>({ kind: "enum", of: { name: "Number", members } }),
    fc.record({ kind: fc.constantFrom("list" as const, "set" as const), of: tie("type") }),
    fc.record({ kind: fc.constant("map" as const), key: keys, value: tie("type") }),
    tie("struct").map((of): ThriftType => ({ kind: "struct", of })),
  ),
  struct: fc.uniqueArray(
    fc.tuple(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: -5, max: 32767 })), tie("type")),
    { selector: ([id]) => id, maxLength: 6 },
  ).map((fields): StructSchema => ({
    name: "Any",
    kind: "struct",
    fields: fields.map(([id, type]): FieldSchema => ({
      id,
      name: `field${id}`.replace("-", "_"),
      requiredness: "default",
      type,
      makeDefault: undefined,
    })),
  })),
})).type;

/** A struct with fields of any types. */
export const anyStruct: fc.Arbitrary<StructSchema> = fc.array(anyType, { minLength: 1, maxLength: 6 }).map((types) => ({
  name: "Args",
  kind: "struct",
  fields: types.map((type, index): FieldSchema => ({
    id: index + 1,
    name: `arg${index + 1}`,
    requiredness: "default",
    type,
    makeDefault: undefined,
  })),
}));

/** A value as reading it gives it. */
export function anyValue(type: ThriftType): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "bool":
      return fc.boolean();
    case "i8":
      return fc.integer({ min: -128, max: 127 });
    case "i16":
      return fc.integer({ min: -32768, max: 32767 });
    case "i32":
    case "enum":
      return fc.integer();
    case "i64":
      return fc.oneof(
        fc.maxSafeInteger(),
        fc.integer(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((one) =>
          Number.isSafeInteger(Number(one)) ? Number(one) : one
        ),
      ).map((one) => Object.is(one, -0) ? 0 : one);
    case "double":
      return fc.double();
    case "string":
      return fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ minLength: 20, maxLength: 300 }));
    case "binary":
      return fc.uint8Array({ maxLength: 200 }).map((bytes) => new Uint8Array(bytes));
    case "uuid":
      return fc.uuid();
    case "list":
      return fc.array(anyValue(type.of), { maxLength: 20 });
    case "set":
      return fc.array(anyValue(type.of), { maxLength: 5 }).map((items) => new Set(items));
    case "map":
      return fc.array(fc.tuple(anyValue(type.key), anyValue(type.value)), { maxLength: 5 })
        .map((entries) => new Map(entries));
    case "struct":
      return fc.record(
        Object.fromEntries(type.of.fields.map(({ name, type }) => [name, anyValue(type)])),
        { requiredKeys: [], noNullPrototype: true },
      );
  }
}

/** A struct and a value of it. */
export const anyMessage = anyStruct.chain((of) =>
  anyValue({ kind: "struct", of }).map((value) => ({ struct: of, value: value as Record<string, unknown> }))
);
