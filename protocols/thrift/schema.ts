/**
 * What a Thrift IDL means, names resolved: what codecs are made from. Types only; read by idl/, compiled by
 * wire/struct_codec.ts.
 */

/** A type. Typedefs are gone. */
export type ThriftType =
  | { readonly kind: "bool" | "i8" | "i16" | "i32" | "i64" | "double" | "string" | "binary" | "uuid" }
  | { readonly kind: "list" | "set"; readonly of: ThriftType }
  | { readonly kind: "map"; readonly key: ThriftType; readonly value: ThriftType }
  | { readonly kind: "enum"; readonly of: EnumSchema }
  | { readonly kind: "struct"; readonly of: StructSchema };

/** An enum: numbers by name. */
export interface EnumSchema {
  readonly name: string;
  readonly members: ReadonlyMap<string, number>;
}

/** A field, an argument, or a way in which a method ends. */
export interface FieldSchema {
  readonly id: number;
  readonly name: string;
  readonly requiredness: "required" | "optional" | "default";
  readonly type: ThriftType;
  /** What it is where it is left out; undefined where nothing was declared. Made anew for each use. */
  readonly makeDefault: (() => unknown) | undefined;
}

/** A struct, union or exception; also the arguments and the result of a method. */
export interface StructSchema {
  readonly name: string;
  readonly kind: "struct" | "union" | "exception";
  /** In the order in which they are declared. */
  readonly fields: readonly FieldSchema[];
}

/** A method of a service. */
export interface MethodSchema {
  readonly name: string;
  readonly oneway: boolean;
  readonly args: StructSchema;
  /** Field 0, `success`, is what it returns; the others are the exceptions it declares. */
  readonly result: StructSchema;
}

/** A service with the methods of all it extends. */
export interface ServiceSchema {
  readonly name: string;
  readonly methods: ReadonlyMap<string, MethodSchema>;
}
