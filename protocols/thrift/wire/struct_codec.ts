/**
 * Structs compiled: for every type one object that reads and writes its values, built once, so that nothing of the IDL is
 * looked at while messages pass.
 *
 * What values are in JavaScript, read · also taken when written:
 *
 * ```
 * bool, string       boolean, string
 * i8, i16, i32       number
 * i64                number where it is a safe integer, bigint where not · either
 * double             number
 * binary             Uint8Array (a copy) · string, as UTF-8
 * uuid               string of 36 characters
 * list               Array · any iterable
 * set                Set · any iterable
 * map                Map · plain object; its keys become numbers where they have to
 * enum               number, also one that the IDL does not know · name of a member
 * struct             plain object; fields that are left out are not there, or their default
 * union              plain object with one field
 * ```
 *
 * Reading passes over fields that the IDL does not know, or knows with another type, and refuses structs without their
 * required fields. Writing refuses what is not of its type with a {@link ValueError}; undefined and null are left out.
 */
import type { FieldSchema, StructSchema, ThriftType } from "../schema.ts";
import { TType } from "./ttype.ts";
import { formatUuid, parseUuid } from "./uuid.ts";
import type { Reader, Writer } from "./wire.ts";
import { ValueError, WireError } from "./wire_error.ts";

/** Reads and writes the values of one type. */
export interface Codec {
  readonly type: number;
  read(reader: Reader): unknown;
  /** Throws ValueError. */
  write(writer: Writer, value: unknown): void;
}

/** A struct as an object of fields by name. */
export type Fields = Record<string, unknown>;

interface Field extends Pick<FieldSchema, "id" | "name" | "makeDefault"> {
  readonly codec: Codec;
  readonly type: number;
  readonly isBool: boolean;
  readonly required: boolean;
}

const structs = new WeakMap<StructSchema, StructCodec>();
/** Field numbers up to this are looked up in an array. */
const mostDirect = 1024;

/** The codec of `struct`; the same one every time. */
export function structCodec(struct: StructSchema): StructCodec {
  let codec = structs.get(struct);
  if (!codec) structs.set(struct, codec = new StructCodec(struct));
  return codec;
}

/** See the module's header. */
export class StructCodec implements Codec {
  readonly type = TType.struct;
  readonly schema: StructSchema;
  #fields: readonly Field[] | undefined;
  readonly #direct: Array<Field | undefined> = [];
  readonly #others = new Map<number, Field>();
  /** Fields that have to be looked after once the struct was read. */
  #owed: readonly Field[] = [];

  constructor(schema: StructSchema) {
    this.schema = schema;
  }

  /** On first use: structs contain themselves. */
  get fields(): readonly Field[] {
    return this.#fields ??= this.#compile();
  }

  #compile(): readonly Field[] {
    const fields = this.schema.fields.map((field): Field => {
      const codec = codecOf(field.type);
      const { id, name, makeDefault } = field;
      const required = field.requiredness === "required";
      return { id, name, makeDefault, codec, type: codec.type, isBool: codec.type === TType.bool, required };
    });
    for (const field of fields) {
      if (field.id >= 0 && field.id <= mostDirect) this.#direct[field.id] = field;
      else this.#others.set(field.id, field);
    }
    this.#owed = fields.filter(({ required, makeDefault }) => required || makeDefault);
    return fields;
  }

  read(reader: Reader): Fields {
    if (this.#fields === undefined) this.#fields = this.#compile();
    const made: Fields = {};
    reader.enter();
    const state = reader.structBegin();
    let count = 0;
    for (let type = reader.fieldBegin(); type !== TType.stop; type = reader.fieldBegin()) {
      const field = this.#direct[reader.fieldId] ?? this.#others.get(reader.fieldId);
      if (field === undefined || field.type !== type) {
        reader.skip(type);
        continue;
      }
      made[field.name] = field.codec.read(reader);
      count++;
    }
    reader.structEnd(state);
    reader.leave();
    const owed = this.#owed;
    for (let index = 0; index < owed.length; index++) {
      const { name, required, makeDefault } = owed[index]!;
      if (made[name] !== undefined) continue;
      if (required) throw new WireError(`${this.schema.name} lacks its required field ${name}`);
      if (this.schema.kind !== "union") made[name] = makeDefault!();
    }
    if (count > 1 && this.schema.kind === "union") {
      throw new WireError(`${this.schema.name} has more than one field`);
    }
    return made;
  }

  write(writer: Writer, value: unknown): void {
    if (typeof value !== "object" || value === null) throw wanted(`a ${this.schema.name}`, value);
    const fields = this.fields;
    const state = writer.structBegin();
    const union = this.schema.kind === "union";
    let count = 0;
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index]!;
      let given = (value as Fields)[field.name];
      if (given === undefined || given === null) {
        if (field.required) throw new ValueError("is required", field.name);
        if (field.makeDefault === undefined || union) continue;
        given = field.makeDefault();
      }
      count++;
      this.#writeField(writer, field, given);
    }
    if (union && count !== 1) throw new ValueError(`a union has exactly one field, not ${count}`);
    writer.stop();
    writer.structEnd(state);
  }

  #writeField(writer: Writer, field: Field, value: unknown): void {
    try {
      if (field.isBool) {
        if (typeof value !== "boolean") throw wanted("true or false", value);
        return writer.boolField(field.id, value);
      }
      writer.fieldBegin(field.type, field.id);
      field.codec.write(writer, value);
    } catch (error) {
      throw error instanceof ValueError ? error.within(field.name) : error;
    }
  }
}

/** The codec of `type`. */
export function codecOf(type: ThriftType): Codec {
  switch (type.kind) {
    case "struct":
      return structCodec(type.of);
    case "list":
      return listCodec(TType.list, codecOf(type.of));
    case "set":
      return listCodec(TType.set, codecOf(type.of));
    case "map":
      return mapCodec(codecOf(type.key), codecOf(type.value), keyOf(type.key));
    case "enum":
      return enumCodec(type.of.name, type.of.members);
    default:
      return plain[type.kind];
  }
}

function integerCodec(
  type: number,
  bits: number,
  read: Codec["read"],
  write: (writer: Writer, value: number) => void,
): Codec {
  const most = 2 ** (bits - 1) - 1;
  return {
    type,
    read,
    write(writer, value) {
      const number = typeof value === "bigint" ? Number(value) : value;
      if (!Number.isInteger(number) || (number as number) > most || (number as number) < -most - 1) {
        throw wanted(`an integer of ${bits} bits`, value);
      }
      write(writer, number as number);
    },
  };
}

const encoder = new TextEncoder();
const least = -(2n ** 63n);

const plain: Record<Exclude<ThriftType["kind"], "struct" | "list" | "set" | "map" | "enum">, Codec> = {
  bool: {
    type: TType.bool,
    read: (reader) => reader.bool(),
    write(writer, value) {
      if (typeof value !== "boolean") throw wanted("true or false", value);
      writer.bool(value);
    },
  },
  i8: integerCodec(TType.i8, 8, (reader) => reader.i8(), (writer, value) => writer.i8(value)),
  i16: integerCodec(TType.i16, 16, (reader) => reader.i16(), (writer, value) => writer.i16(value)),
  i32: integerCodec(TType.i32, 32, (reader) => reader.i32(), (writer, value) => writer.i32(value)),
  i64: {
    type: TType.i64,
    read: (reader) => reader.i64(),
    write(writer, value) {
      if (typeof value === "bigint" ? value < least || value >= -least : !Number.isSafeInteger(value)) {
        throw wanted("an integer of 64 bits, a bigint where it is no safe integer", value);
      }
      writer.i64(value as number | bigint);
    },
  },
  double: {
    type: TType.double,
    read: (reader) => reader.double(),
    write(writer, value) {
      if (typeof value !== "number") throw wanted("a number", value);
      writer.double(value);
    },
  },
  string: {
    type: TType.string,
    read: (reader) => reader.string(),
    write(writer, value) {
      if (typeof value !== "string") throw wanted("a string", value);
      writer.string(value);
    },
  },
  binary: {
    type: TType.string,
    read: (reader) => reader.binary(),
    write(writer, value) {
      if (typeof value === "string") writer.binary(encoder.encode(value));
      else if (value instanceof Uint8Array) writer.binary(value);
      else throw wanted("a Uint8Array", value);
    },
  },
  uuid: {
    type: TType.uuid,
    read: (reader) => formatUuid(reader.bytes, reader.take(16)),
    write(writer, value) {
      const bytes = typeof value === "string" ? parseUuid(value) : undefined;
      if (!bytes) throw wanted("a UUID", value);
      writer.sink.raw(bytes);
    },
  },
};

function enumCodec(name: string, members: ReadonlyMap<string, number>): Codec {
  return {
    type: TType.i32,
    read: (reader) => reader.i32(),
    write(writer, value) {
      const number = typeof value === "string" ? members.get(value) : value;
      if (typeof number !== "number" || (number | 0) !== number) throw wanted(`a member of ${name}`, value);
      writer.i32(number);
    },
  };
}

function listCodec(type: typeof TType.list | typeof TType.set, element: Codec): Codec {
  const readItems = (reader: Reader) => {
    reader.enter();
    const size = reader.listBegin();
    if (size > 0 && reader.elementType !== element.type) throw new WireError("a list of another type");
    const items: unknown[] = [];
    for (let index = 0; index < size; index++) items.push(element.read(reader));
    reader.leave();
    return items;
  };
  return {
    type,
    read: type === TType.list ? readItems : (reader) => new Set(readItems(reader)),
    write(writer, value) {
      const items = itemsOf(value, type);
      writer.listBegin(element.type, items.length);
      for (let index = 0; index < items.length; index++) writeItem(writer, element, items[index], index);
    },
  };
}

function itemsOf(value: unknown, type: number): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value === "object" && value !== null && Symbol.iterator in value) {
    return [...value as Iterable<unknown>];
  }
  throw wanted(type === TType.list ? "an array" : "a Set or an array", value);
}

function mapCodec(keys: Codec, values: Codec, keyOfText: (text: string) => unknown): Codec {
  return {
    type: TType.map,
    read(reader) {
      reader.enter();
      const size = reader.mapBegin();
      if (size > 0 && (reader.keyType !== keys.type || reader.elementType !== values.type)) {
        throw new WireError("a map of other types");
      }
      const made = new Map<unknown, unknown>();
      for (let index = 0; index < size; index++) made.set(keys.read(reader), values.read(reader));
      reader.leave();
      return made;
    },
    write(writer, value) {
      if (value instanceof Map) {
        writer.mapBegin(keys.type, values.type, value.size);
        for (const [key, one] of value) writeEntry(writer, keys, values, key, one);
        return;
      }
      if (typeof value !== "object" || value === null || Symbol.iterator in value) {
        throw wanted("a Map or an object", value);
      }
      const entries = Object.entries(value);
      writer.mapBegin(keys.type, values.type, entries.length);
      for (const [text, one] of entries) writeEntry(writer, keys, values, keyOfText(text), one);
    },
  };
}

function writeEntry(writer: Writer, keys: Codec, values: Codec, key: unknown, value: unknown): void {
  writeItem(writer, keys, key, "key");
  writeItem(writer, values, value, typeof key === "string" || typeof key === "number" ? key : "value");
}

function writeItem(writer: Writer, codec: Codec, value: unknown, step: string | number): void {
  try {
    codec.write(writer, value);
  } catch (error) {
    throw error instanceof ValueError ? error.within(`[${step}]`) : error;
  }
}

/** How the key of an object, always a string, becomes one of the map's. */
function keyOf({ kind }: ThriftType): (text: string) => unknown {
  switch (kind) {
    case "bool":
      return (text) => text === "true" ? true : text === "false" ? false : text;
    case "i8":
    case "i16":
    case "i32":
    case "double":
      return (text) => text.trim() === "" ? text : Number(text);
    case "i64":
      return (text) => /^-?[0-9]{1,20}$/.test(text) ? BigInt(text) : text;
    case "enum":
      return (text) => /^-?[0-9]+$/.test(text) ? Number(text) : text;
    default:
      return (text) => text;
  }
}

function wanted(what: string, value: unknown): ValueError {
  const type = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  const shown = typeof value === "number" || typeof value === "bigint" ? `${value}` : type;
  return new ValueError(`must be ${what}, not ${shown}`);
}
