import assert from "node:assert/strict";
import type { StructSchema, ThriftType } from "../schema.ts";
import { loadIdl } from "../idl/load.ts";
import { BinaryReader, BinaryWriter } from "./binary_protocol.ts";
import { CompactReader, CompactWriter } from "./compact_protocol.ts";
import { structCodec } from "./struct_codec.ts";
import type { Reader, Writer } from "./wire.ts";
import { ValueError, WireError } from "./wire_error.ts";

const idl = loadIdl(new URL("../testdata/everything.thrift", import.meta.url).pathname);
const place = { file: "", line: 1, column: 1 };
const everything = (idl.named("Everything", place) as ThriftType & { kind: "struct" }).of;
const pairs: Array<[Writer, Reader]> = [[new BinaryWriter(), new BinaryReader()], [
  new CompactWriter(),
  new CompactReader(),
]];

function passed(value: unknown, from: StructSchema = everything, to: StructSchema = from): unknown[] {
  return pairs.map(([writer, reader]) => {
    writer.sink.clear();
    structCodec(from).write(writer, value);
    const bytes = writer.sink.copy();
    reader.open(bytes, 0, bytes.length);
    return structCodec(to).read(reader);
  });
}

function both(value: unknown, wanted: Record<string, unknown>): void {
  // `medium` has a default.
  for (const read of passed(value)) assert.deepEqual(read, { medium: 42, ...wanted });
}

function struct(...fields: Array<[number, string, ThriftType, ("required" | "default")?]>): StructSchema {
  return {
    name: "S",
    kind: "struct",
    fields: fields.map(([id, name, type, requiredness = "default"]) => ({
      id,
      name,
      type,
      requiredness,
      makeDefault: undefined,
    })),
  };
}

Deno.test("StructCodec takes what a caller would write", () => {
  both({ colour: "GREEN" }, { colour: 2 });
  both({ colour: 99 }, { colour: 99 });
  both({ large: 5n, medium: 3n, small: undefined, text: null }, { large: 5, medium: 3 });
  both({ bytes: "é" }, { bytes: new Uint8Array([0xc3, 0xa9]) });
  both({ words: ["a", "a"] }, { words: new Set(["a"]) });
  both({ numbers: new Set([1, 2]) }, { numbers: [1, 2] });
  both({ ids: { a: 1, b: 2n ** 60n } }, { ids: new Map<string, unknown>([["a", 1], ["b", 2n ** 60n]]) });
  both({ nested: { 7: [] } }, { nested: new Map([[7, []]]) });
  both({ choice: { text: "t" } }, { choice: { text: "t" } });
  both({ inner: { name: "n" } }, { inner: { name: "n", colour: 2 } });
});

Deno.test("StructCodec reads i64 as number where that is exact, as bigint where not", () => {
  const safe = Number.MAX_SAFE_INTEGER;
  for (const value of [0, -1, 63, -64, 2 ** 31, -(2 ** 31), 2 ** 48, -(2 ** 49), 2 ** 50, safe, -safe]) {
    both({ large: value }, { large: value });
    both({ large: BigInt(value) }, { large: value });
  }
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    both({ large: value }, { large: value });
  }
});

Deno.test("StructCodec says what is wrong with a value, and where", () => {
  const wrong: Array<[unknown, RegExp]> = [
    [{ yes: 1 }, /^yes: must be true or false, not 1$/],
    [{ tiny: 128 }, /^tiny: must be an integer of 8 bits, not 128$/],
    [{ small: 1.5 }, /^small: must be an integer of 16 bits, not 1.5$/],
    [{ medium: 2 ** 31 }, /^medium: must be an integer of 32 bits/],
    [{ large: 2 ** 53 }, /^large: must be an integer of 64 bits, a bigint where it is no safe integer/],
    [{ large: 2n ** 63n }, /^large: must be/],
    [{ real: "1" }, /^real: must be a number, not string$/],
    [{ text: 5 }, /^text: must be a string, not 5$/],
    [{ bytes: [1] }, /^bytes: must be a Uint8Array, not an array$/],
    [{ numbers: [1, "2"] }, /^numbers\[1\]: must be an integer of 32 bits, not string$/],
    [{ numbers: "12" }, /^numbers: must be an array, not string$/],
    [{ colour: "PINK" }, /^colour: must be a member of Colour, not string$/],
    [{ ids: { a: "x" } }, /^ids\[a\]: must be an integer of 64 bits/],
    [{ nested: { x: [] } }, /^nested\[key\]: must be an integer of 32 bits/],
    [{ inner: {} }, /^inner\.name: is required$/],
    [
      { inner: { name: "a", children: [{ name: "b" }, { name: 1 }] } },
      /^inner\.children\[1\]\.name: must be a string/,
    ],
    [{ inner: 5 }, /^inner: must be a Inner, not 5$/],
    [{ choice: {} }, /^choice: a union has exactly one field, not 0$/],
    [{ choice: { text: "a", number: 1 } }, /^choice: a union has exactly one field, not 2$/],
    [null, /must be a Everything, not null/],
  ];
  for (const [value, message] of wrong) {
    for (const [writer] of pairs) {
      assert.throws(() => structCodec(everything).write(writer, value), (error: Error) => {
        assert.ok(error instanceof ValueError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
  }
});

Deno.test("StructCodec passes over fields that it does not know, and those of another type", () => {
  const from = struct(
    [1, "a", { kind: "list", of: { kind: "map", key: { kind: "i32" }, value: { kind: "bool" } } }],
    [2, "b", { kind: "bool" }],
    [3, "c", { kind: "struct", of: everything }],
    [4, "d", { kind: "uuid" }],
    [5, "kept", { kind: "string" }],
    [6, "changed", { kind: "bool" }],
  );
  const to = struct([5, "kept", { kind: "string" }], [6, "changed", { kind: "i32" }]);
  const value = {
    a: [new Map([[1, true]])],
    b: true,
    c: { numbers: [1], deep: [{ a: [1] }], real: 1 },
    d: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    kept: "x",
    changed: false,
  };
  for (const read of passed(value, from, to)) assert.deepEqual(read, { kept: "x" });
});

Deno.test("StructCodec refuses to read structs without their required fields, and unions of two", () => {
  const to = struct([1, "a", { kind: "string" }, "required"]);
  assert.throws(
    () => passed({}, struct(), to),
    (error) => error instanceof WireError && /lacks .* a$/.test(error.message),
  );
  const union: StructSchema = {
    ...struct([1, "a", { kind: "i32" }], [2, "b", { kind: "i32" }]),
    kind: "union",
  };
  assert.throws(() => passed({ a: 1, b: 2 }, { ...union, kind: "struct" }, union), WireError);
  assert.deepEqual(passed({ b: 2 }, union)[0], { b: 2 });
});

Deno.test("readers refuse what is nested too deep, and what would be much larger in memory", () => {
  for (const [writer, reader] of pairs) {
    writer.sink.clear();
    for (let n = 0; n < 100; n++) writer.fieldBegin(12, 1);
    for (let n = 0; n <= 100; n++) writer.stop();
    const deep = writer.sink.copy();
    reader.open(deep, 0, deep.length);
    assert.throws(() => structCodec(struct()).read(reader), /nested deeper than 64/);
    writer.sink.clear();
    writer.fieldBegin(15, 1);
    writer.listBegin(12, 100_000);
    for (let n = 0; n <= 100_000; n++) writer.stop();
    const many = writer.sink.copy();
    reader.open(many, 0, many.length);
    assert.throws(
      () =>
        structCodec(struct([1, "a", { kind: "list", of: { kind: "struct", of: struct() } }])).read(reader),
      (error) => error instanceof WireError && error.tooLarge,
    );
    writer.sink.clear();
    writer.fieldBegin(15, 1);
    writer.listBegin(8, 2 ** 31 - 1);
    writer.stop();
    const huge = writer.sink.copy();
    reader.open(huge, 0, huge.length);
    assert.throws(() => structCodec(everything).read(reader), WireError);
  }
});

Deno.test("defaults are made anew for each reader", () => {
  const type: ThriftType = { kind: "list", of: { kind: "i32" } };
  const schema: StructSchema = {
    name: "S",
    kind: "struct",
    fields: [{ id: 1, name: "a", type, requiredness: "optional", makeDefault: () => [1] }],
  };
  const [one, other] = passed({}, struct(), schema) as Array<{ a: number[] }>;
  one!.a.push(2);
  assert.deepEqual(other, { a: [1] });
});
