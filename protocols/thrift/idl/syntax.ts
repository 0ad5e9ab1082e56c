/** What a Thrift IDL file says, as it is written: names are not looked up yet. Types only. */
import type { IdlPlace } from "./idl_error.ts";

/** A type as written; a name where it is none of the built-in ones. */
export type TypeSyntax =
  | { readonly kind: "base"; readonly name: BaseName; readonly place: IdlPlace }
  | { readonly kind: "list" | "set"; readonly of: TypeSyntax; readonly place: IdlPlace }
  | { readonly kind: "map"; readonly key: TypeSyntax; readonly value: TypeSyntax; readonly place: IdlPlace }
  | { readonly kind: "name"; readonly name: string; readonly place: IdlPlace };

/** `byte` is another word for i8, `slist` for string. */
export type BaseName = "bool" | "i8" | "i16" | "i32" | "i64" | "double" | "string" | "binary" | "uuid";

/** A constant as written. */
export type ValueSyntax =
  | { readonly kind: "int" | "double"; readonly text: string; readonly place: IdlPlace }
  | { readonly kind: "literal" | "name"; readonly text: string; readonly place: IdlPlace }
  | { readonly kind: "list"; readonly items: readonly ValueSyntax[]; readonly place: IdlPlace }
  | {
    readonly kind: "map";
    readonly entries: ReadonlyArray<readonly [ValueSyntax, ValueSyntax]>;
    readonly place: IdlPlace;
  };

/** A field of a struct, an argument of a method, an exception that a method throws. */
export interface FieldSyntax {
  readonly id: number;
  readonly name: string;
  readonly requiredness: "required" | "optional" | "default";
  readonly type: TypeSyntax;
  readonly value: ValueSyntax | undefined;
  readonly place: IdlPlace;
}

/** A method of a service; `returns` is undefined for void. */
export interface MethodSyntax {
  readonly name: string;
  readonly oneway: boolean;
  readonly returns: TypeSyntax | undefined;
  readonly args: readonly FieldSyntax[];
  readonly throws: readonly FieldSyntax[];
  readonly place: IdlPlace;
}

/** A definition under a name. */
export type DefinitionSyntax =
  & { readonly name: string; readonly place: IdlPlace }
  & (
    | { readonly kind: "const"; readonly type: TypeSyntax; readonly value: ValueSyntax }
    | { readonly kind: "typedef"; readonly type: TypeSyntax }
    | { readonly kind: "enum"; readonly members: ReadonlyMap<string, number> }
    | { readonly kind: "struct" | "union" | "exception"; readonly fields: readonly FieldSyntax[] }
    | {
      readonly kind: "service";
      readonly parent: string | undefined;
      readonly methods: readonly MethodSyntax[];
    }
  );

/** One file. */
export interface DocumentSyntax {
  readonly file: string;
  readonly includes: ReadonlyArray<{ readonly path: string; readonly place: IdlPlace }>;
  readonly definitions: ReadonlyMap<string, DefinitionSyntax>;
}
