/**
 * Names of an IDL file and its includes looked up: typedefs disappear, structs may refer to each other in any order,
 * constants become values of the types they are declared with. Everything is resolved on first use, and then once.
 */
import { suggest } from "../../../core/manifest/suggest.ts";
import type {
  EnumSchema,
  FieldSchema,
  MethodSchema,
  ServiceSchema,
  StructSchema,
  ThriftType,
} from "../schema.ts";
import { constantOf } from "./constant.ts";
import { IdlError, type IdlPlace } from "./idl_error.ts";
import type {
  DefinitionSyntax,
  DocumentSyntax,
  FieldSyntax,
  MethodSyntax,
  TypeSyntax,
  ValueSyntax,
} from "./syntax.ts";

type Of<Kind extends DefinitionSyntax["kind"]> = Extract<DefinitionSyntax, { kind: Kind }>;

/** One file with the files it includes, by the name they are referred to. */
export class IdlModule {
  readonly document: DocumentSyntax;
  readonly includes: ReadonlyMap<string, IdlModule>;
  readonly #types = new Map<string, ThriftType>();
  readonly #services = new Map<string, ServiceSchema>();
  readonly #checked = new Map<string, boolean>();
  /** Names that are being resolved: one that meets itself goes in circles. */
  readonly #open = new Set<string>();

  constructor(document: DocumentSyntax, includes: ReadonlyMap<string, IdlModule>) {
    this.document = document;
    this.includes = includes;
  }

  /** Resolves everything, so that what is wrong is found even where nobody uses it. Throws IdlError. */
  check(): void {
    for (const definition of this.document.definitions.values()) {
      if (definition.kind === "service") {
        const { methods } = this.service(definition.name, definition.place);
        for (const { args } of methods.values()) makeDefaults(args, definition.place);
      } else if (definition.kind === "const") this.constant(definition.name, definition.place);
      else {
        const type = this.named(definition.name, definition.place);
        if (type.kind === "struct") makeDefaults(type.of, definition.place);
      }
    }
    for (const module of this.includes.values()) module.check();
  }

  /** The service `name`, which `place` asks for. Throws IdlError. */
  service(name: string, place: IdlPlace): ServiceSchema {
    const { home, definition } = this.find(name, place, "service");
    if (definition.kind !== "service") {
      throw new IdlError(place, `\`${name}\` is no service but a ${definition.kind}`);
    }
    return home.#own(home.#services, definition, () => home.#serviceOf(definition));
  }

  /** The type under a name. */
  named(name: string, place: IdlPlace): ThriftType {
    const { home, definition } = this.find(name, place, "type");
    if (definition.kind === "service" || definition.kind === "const") {
      throw new IdlError(place, `\`${name}\` is no type but a ${definition.kind}`);
    }
    if (definition.kind === "typedef") {
      return home.#own(home.#types, definition, () => home.type(definition.type));
    }
    const known = home.#types.get(definition.name);
    if (known) return known;
    if (definition.kind === "enum") {
      const of: EnumSchema = { name: definition.name, members: definition.members };
      home.#types.set(definition.name, { kind: "enum", of });
      return { kind: "enum", of };
    }
    const of = new LazyStruct(definition.name, definition.kind, () => home.#fields(definition.fields));
    home.#types.set(definition.name, { kind: "struct", of });
    return { kind: "struct", of };
  }

  type(syntax: TypeSyntax): ThriftType {
    switch (syntax.kind) {
      case "base":
        return { kind: syntax.name };
      case "name":
        return this.named(syntax.name, syntax.place);
      case "map":
        return { kind: "map", key: this.type(syntax.key), value: this.type(syntax.value) };
      default:
        return { kind: syntax.kind, of: this.type(syntax.of) };
    }
  }

  /** The constant `name` with its declared type; a member of an enum is its number. */
  constant(name: string, place: IdlPlace): { value: ValueSyntax; home: IdlModule } | number {
    const dot = name.lastIndexOf(".");
    if (dot > 0) {
      const found = this.#lookUp(name.slice(0, dot));
      const member = found?.definition.kind === "enum" && found.definition.members.get(name.slice(dot + 1));
      if (typeof member === "number") return member;
    }
    const { home, definition } = this.find(name, place, "constant");
    if (definition.kind !== "const") {
      throw new IdlError(place, `\`${name}\` is no constant but a ${definition.kind}`);
    }
    home.#own(home.#checked, definition, () => {
      constantOf(definition.value, home.type(definition.type), home);
      return true;
    });
    return { value: definition.value, home };
  }

  /** Throws IdlError where there is nothing under that name. */
  find(name: string, place: IdlPlace, what: string): { home: IdlModule; definition: DefinitionSyntax } {
    const found = this.#lookUp(name);
    if (found) return found;
    const near = suggest(name, this.document.definitions.keys());
    throw new IdlError(place, `there is no ${what} \`${name}\`${near ? `; did you mean \`${near}\`?` : ""}`);
  }

  #lookUp(name: string): { home: IdlModule; definition: DefinitionSyntax } | undefined {
    const definition = this.document.definitions.get(name);
    if (definition) return { home: this, definition };
    for (let dot = name.indexOf("."); dot > 0; dot = name.indexOf(".", dot + 1)) {
      const home = this.includes.get(name.slice(0, dot));
      const found = home?.document.definitions.get(name.slice(dot + 1));
      if (home && found) return { home, definition: found };
    }
  }

  #own<Value>(known: Map<string, Value>, { name, place }: DefinitionSyntax, make: () => Value): Value {
    const value = known.get(name);
    if (value !== undefined) return value;
    if (this.#open.has(name)) throw new IdlError(place, `\`${name}\` refers to itself`);
    this.#open.add(name);
    const made = make();
    this.#open.delete(name);
    known.set(name, made);
    return made;
  }

  #fields(fields: readonly FieldSyntax[]): FieldSchema[] {
    return fields.map(({ id, name, requiredness, type, value }) => {
      const resolved = this.type(type);
      return { id, name, requiredness, type: resolved, makeDefault: this.#default(value, resolved) };
    });
  }

  /** Structs that a default is made of may not be complete yet: it is made on first use. */
  #default(value: ValueSyntax | undefined, type: ThriftType): (() => unknown) | undefined {
    if (value === undefined) return undefined;
    if (type.kind === "struct" || type.kind === "list" || type.kind === "set" || type.kind === "map") {
      return () => constantOf(value, type, this);
    }
    const plain = constantOf(value, type, this);
    return () => plain;
  }

  #serviceOf({ name, parent, methods, place }: Of<"service">): ServiceSchema {
    const all = new Map(parent === undefined ? [] : this.service(parent, place).methods);
    for (const method of methods) all.set(method.name, this.#method(method, name));
    return { name, methods: all };
  }

  #method({ name, oneway, returns, args, throws }: MethodSyntax, service: string): MethodSchema {
    const success: FieldSchema[] = returns
      ? [{
        id: 0,
        name: "success",
        requiredness: "optional",
        type: this.type(returns),
        makeDefault: undefined,
      }]
      : [];
    const thrown = this.#fields(throws);
    for (const [index, { type }] of thrown.entries()) {
      if (type.kind === "struct" && type.of.kind === "exception") continue;
      throw new IdlError(throws[index]!.place, `\`${throws[index]!.name}\` is no exception`);
    }
    return {
      name,
      oneway,
      args: { name: `${service}.${name}`, kind: "struct", fields: this.#fields(args) },
      result: { name: `${service}.${name} result`, kind: "struct", fields: [...success, ...thrown] },
    };
  }
}

/** Once, so that a default that cannot be made is found now. */
function makeDefaults({ name, fields }: StructSchema, place: IdlPlace): void {
  try {
    for (const { makeDefault } of fields) makeDefault?.();
  } catch (error) {
    if (error instanceof IdlError || !(error instanceof RangeError)) throw error;
    throw new IdlError(place, `a default of \`${name}\` contains itself`);
  }
}

/** A struct whose fields may be of types that are being resolved, its own included. */
class LazyStruct implements StructSchema {
  readonly name: string;
  readonly kind: StructSchema["kind"];
  #make: () => FieldSchema[];
  #fields: FieldSchema[] | undefined;

  constructor(name: string, kind: StructSchema["kind"], make: () => FieldSchema[]) {
    this.name = name;
    this.kind = kind;
    this.#make = make;
  }

  get fields(): readonly FieldSchema[] {
    return this.#fields ??= this.#make();
  }
}
