/**
 * Thrift IDL by recursive descent (thrift.apache.org/docs/idl): includes, consts, typedefs, enums, structs, unions,
 * exceptions, services. Namespaces, annotations and what only code generators look at are read over. Nesting is bounded.
 */
import { IdlError, type IdlPlace } from "./idl_error.ts";
import { type Token, tokensOf } from "./lexer.ts";
import type {
  BaseName,
  DefinitionSyntax,
  DocumentSyntax,
  FieldSyntax,
  MethodSyntax,
  TypeSyntax,
  ValueSyntax,
} from "./syntax.ts";

/** Types within types, and constants within constants. */
const deepest = 64;
const baseNames = new Map<string, BaseName>(
  ["bool", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid"].map((
    name,
  ) => [name, name as BaseName]),
).set("byte", "i8").set("slist", "string");

/** What `text` says. Throws IdlError at the first thing that is wrong. */
export function parseIdl(text: string, file: string): DocumentSyntax {
  return new Parser(tokensOf(text, file), file).document();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], file: string) {
    this.#tokens = tokens;
    this.#file = file;
  }

  document(): DocumentSyntax {
    const includes: Array<{ path: string; place: IdlPlace }> = [];
    const definitions = new Map<string, DefinitionSyntax>();
    while (this.#next.kind !== "end") {
      const place = this.#next;
      if (this.#takes("include")) includes.push({ path: this.#literal("a path"), place });
      else if (this.#takes("cpp_include")) this.#literal("a path");
      else if (this.#takes("namespace")) this.#namespace();
      else {
        const definition = this.#definition();
        if (definitions.has(definition.name)) {
          throw new IdlError(definition.place, `\`${definition.name}\` is defined twice`);
        }
        definitions.set(definition.name, definition);
      }
    }
    return { file: this.#file, includes, definitions };
  }

  #namespace(): void {
    if (!this.#takes("*")) this.#word("a language");
    if (this.#next.kind === "literal") this.#literal("a name");
    else this.#word("a name");
    this.#annotations();
  }

  #definition(): DefinitionSyntax {
    const kind = this.#next;
    const definition = this.#body(kind);
    this.#annotations();
    this.#separator();
    return definition;
  }

  #body(kind: Token): DefinitionSyntax {
    this.#at++;
    switch (kind.kind === "word" ? kind.text : "") {
      case "const": {
        const type = this.#type();
        const place = this.#next;
        const name = this.#name("a constant");
        this.#expect("=");
        return { kind: "const", name, place, type, value: this.#value() };
      }
      case "typedef": {
        const type = this.#type();
        const place = this.#next;
        return { kind: "typedef", name: this.#name("a type"), place, type };
      }
      case "enum":
        return this.#enumeration();
      case "struct":
      case "union":
      case "exception": {
        const place = this.#next;
        const name = this.#name(`a ${kind.text}`);
        this.#takes("xsd_all");
        this.#expect("{");
        const fields = this.#fields("}", kind.text === "union");
        return { kind: kind.text as "struct", name, place, fields };
      }
      case "service":
        return this.#service();
      default:
        throw this.#unexpected(kind, "a definition such as struct, enum or service");
    }
  }

  #enumeration(): DefinitionSyntax {
    const place = this.#next;
    const name = this.#name("an enum");
    const members = new Map<string, number>();
    this.#expect("{");
    let following = 0;
    while (!this.#takes("}")) {
      const member = this.#next;
      const text = this.#name("a member of the enum");
      if (this.#takes("=")) following = this.#integer(-(2 ** 31), 2 ** 31 - 1);
      if (members.has(text)) throw new IdlError(member, `\`${text}\` stands twice in enum ${name}`);
      members.set(text, following++);
      this.#annotations();
      this.#separator();
    }
    return { kind: "enum", name, place, members };
  }

  #service(): DefinitionSyntax {
    const place = this.#next;
    const name = this.#name("a service");
    const parent = this.#takes("extends") ? this.#word("a service") : undefined;
    const methods: MethodSyntax[] = [];
    this.#expect("{");
    while (!this.#takes("}")) {
      const method = this.#method();
      if (methods.some((other) => other.name === method.name)) {
        throw new IdlError(method.place, `\`${method.name}\` stands twice in service ${name}`);
      }
      methods.push(method);
    }
    return { kind: "service", name, place, parent, methods };
  }

  #method(): MethodSyntax {
    const oneway = this.#takes("oneway") || this.#takes("async");
    const returns = this.#takes("void") ? undefined : this.#type();
    const place = this.#next;
    const name = this.#name("a method");
    this.#expect("(");
    const args = this.#fields(")", false);
    const throws = this.#takes("throws") ? (this.#expect("("), this.#fields(")", true)) : [];
    this.#annotations();
    this.#separator();
    if (oneway && (returns || throws.length > 0)) {
      throw new IdlError(place, `\`${name}\` is oneway: it can neither return nor throw anything`);
    }
    return { name, oneway, returns, args, throws, place };
  }

  #fields(end: string, optional: boolean): FieldSyntax[] {
    const fields: FieldSyntax[] = [];
    // Without a number of their own, fields get negative ones, as the Apache compiler gives them.
    let implicit = -1;
    while (!this.#takes(end)) {
      const first = this.#next;
      let id = implicit;
      if (first.kind === "int") {
        id = this.#integer(-32768, 32767);
        this.#expect(":");
      } else implicit--;
      const written = this.#takes("required") ? "required" : this.#takes("optional") ? "optional" : "default";
      const type = this.#type();
      this.#takes("&");
      const place = this.#next;
      const name = this.#name("a field");
      const value = this.#takes("=") ? this.#value() : undefined;
      this.#takes("xsd_optional");
      this.#takes("xsd_nillable");
      this.#annotations();
      this.#separator();
      for (const other of fields) {
        if (other.id === id) throw new IdlError(first, `the number ${id} is \`${other.name}\`'s already`);
        if (other.name === name) throw new IdlError(place, `\`${name}\` stands twice`);
      }
      if (name === "__proto__") throw new IdlError(place, "`__proto__` cannot be the name of a field");
      fields.push({ id, name, type, value, place, requiredness: optional ? "optional" : written });
    }
    return fields;
  }

  #type(): TypeSyntax {
    this.#deeper();
    const place = this.#next;
    const name = this.#word("a type");
    let type: TypeSyntax;
    if (name === "list" || name === "set") {
      this.#cppType();
      this.#expect("<");
      const of = this.#type();
      this.#expect(">");
      type = { kind: name, of, place };
    } else if (name === "map") {
      this.#cppType();
      this.#expect("<");
      const key = this.#type();
      this.#expect(",");
      const value = this.#type();
      this.#expect(">");
      type = { kind: "map", key, value, place };
    } else {
      const base = baseNames.get(name);
      type = base ? { kind: "base", name: base, place } : { kind: "name", name, place };
    }
    this.#cppType();
    this.#annotations();
    this.#depth--;
    return type;
  }

  #cppType(): void {
    if (this.#takes("cpp_type")) this.#literal("a type of C++");
  }

  #value(): ValueSyntax {
    this.#deeper();
    const place = this.#next;
    const { kind, text } = place;
    this.#at++;
    let value: ValueSyntax;
    if (kind === "int" || kind === "double" || kind === "literal") value = { kind, text, place };
    else if (kind === "word") value = { kind: "name", text, place };
    else if (text === "[") {
      const items: ValueSyntax[] = [];
      while (!this.#takes("]")) {
        items.push(this.#value());
        this.#separator();
      }
      value = { kind: "list", items, place };
    } else if (text === "{") {
      const entries: Array<[ValueSyntax, ValueSyntax]> = [];
      while (!this.#takes("}")) {
        const key = this.#value();
        this.#expect(":");
        entries.push([key, this.#value()]);
        this.#separator();
      }
      value = { kind: "map", entries, place };
    } else throw this.#unexpected(place, "a value");
    this.#depth--;
    return value;
  }

  #annotations(): void {
    if (!this.#takes("(")) return;
    while (!this.#takes(")")) {
      this.#word("an annotation");
      if (this.#takes("=")) this.#literal("text");
      this.#separator();
    }
  }

  #separator(): void {
    if (!this.#takes(",")) this.#takes(";");
  }

  // ---- tokens

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #takes(text: string): boolean {
    const { kind, text: written } = this.#next;
    if (written !== text || (kind !== "sign" && kind !== "word")) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) throw this.#unexpected(this.#next, `\`${text}\``);
  }

  #word(what: string): string {
    const { kind, text } = this.#next;
    if (kind !== "word") throw this.#unexpected(this.#next, what);
    this.#at++;
    return text;
  }

  /** A word without dots. */
  #name(what: string): string {
    const token = this.#next;
    const text = this.#word(`the name of ${what}`);
    if (text.includes(".")) {
      throw new IdlError(token, `\`${text}\` cannot be the name of ${what}: it has a dot`);
    }
    return text;
  }

  #literal(what: string): string {
    const { kind, text } = this.#next;
    if (kind !== "literal") throw this.#unexpected(this.#next, `${what} in quotes`);
    this.#at++;
    return text;
  }

  #integer(least: number, most: number): number {
    const token = this.#next;
    if (token.kind !== "int") throw this.#unexpected(token, "a number");
    this.#at++;
    const value = Number(integerOf(token.text));
    if (value >= least && value <= most) return value;
    throw new IdlError(token, `${token.text} is not between ${least} and ${most}`);
  }

  #deeper(): void {
    if (++this.#depth > deepest) throw new IdlError(this.#next, `nested deeper than ${deepest}`);
  }

  #unexpected(token: Token, wanted: string): IdlError {
    const written = token.kind === "end" ? token.text : `\`${token.text}\``;
    return new IdlError(token, `expected ${wanted}, found ${written}`);
  }
}

/** The number that an `int` token is. */
export function integerOf(text: string): bigint {
  const [, sign, digits] = /^([+-]?)(.*)$/.exec(text)!;
  const value = BigInt(digits!);
  return sign === "-" ? -value : value;
}
