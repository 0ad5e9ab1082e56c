/**
 * What every pair of implementations is asked, as data that all of them read: calls with what is sent and what must be
 * seen, by the server as by the caller. Values stand in a form that JSON can carry and that is compared literally:
 *
 * ```
 * i64              decimal digits
 * double           number, or "NaN" "Infinity" "-Infinity" "-0"
 * binary           hexadecimal digits
 * set              array in the order of the JSON of its elements
 * map              array of [key, value] in the order of the JSON of the keys
 * struct, union    object of the fields that are there
 * ```
 *
 * Servers do not send back what they read: they look it up among what may be seen and make the value anew, so that two
 * mistakes cannot cancel each other out.
 */

/** `["list", "i32"]`, `["map", "string", "i64"]`, `["struct", "Inner"]`; or the name of a plain type. */
export type TypeForm =
  | string
  | readonly ["struct", string]
  | readonly ["list" | "set", TypeForm]
  | readonly [
    "map",
    TypeForm,
    TypeForm,
  ];

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** One call. */
export interface Case {
  /** Column of the table. */
  readonly category: string;
  readonly method: string;
  readonly kind: "echo" | "returns" | "void" | "throws" | "oneway" | "unknown" | "error" | "who";
  /** Of the argument of an echo. */
  readonly type?: TypeForm;
  /** Arguments, as their types say; those of several and ordered are text, number, yes. */
  readonly sent: readonly Json[];
  /** What comes back, and what an echo sees; of an exception its fields. */
  readonly seen: Json;
  /** Name of the exception. */
  readonly throws?: string;
}

const point: TypeForm = ["struct", "Point"];
const inner: TypeForm = ["struct", "Inner"];
const ids: TypeForm = ["map", "string", "i64"];

/** Fields of the structs by name, in the order of the IDL. */
export const structs: Readonly<Record<string, Readonly<Record<string, TypeForm>>>> = {
  Point: { x: "i32", y: "i32" },
  Refused: { why: "string", code: "i32" },
  Inner: { name: "string", colour: "enum", points: ["list", point] },
  Choice: { text: "string", number: "i32", inner },
  Defaults: {
    number: "i32",
    word: "string",
    yes: "bool",
    numbers: ["list", "i32"],
    sizes: ["map", "string", "i32"],
    absent: "string",
    ratio: "double",
  },
  Everything: {
    yes: "bool",
    tiny: "i8",
    small: "i16",
    medium: "i32",
    large: "i64",
    real: "double",
    text: "string",
    bytes: "binary",
    numbers: ["list", "i32"],
    words: ["set", "string"],
    ids,
    colour: "enum",
    inner,
    choice: ["struct", "Choice"],
    nested: ["map", "i32", ["list", inner]],
    no: "bool",
  },
  Sparse: { near: "bool", far: "string", farther: "bool", farthest: "i64" },
  Mismatch: { seen: "string" },
  NotFound: { key: "string", code: "i32" },
};

const beyond = ["9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808"];
const words = ["", "plain", "Grüße, 世界", "🦊 \u{10ffff}", "a\u0000b", "x".repeat(300), "é".repeat(200)];
const origin = { x: 0, y: 0 };
const corner = { x: -2147483648, y: 2147483647 };
const full = { name: "Ülf", colour: 10, points: [origin, corner] };
const bare = { name: "", points: [] };
const bits = [true, false, false, true, true];
const numbers = [0, 1, -1, 127, 128, -32768, 2147483647, -2147483648];

const everything = {
  yes: true,
  tiny: -128,
  small: -32768,
  medium: 2147483647,
  large: "9007199254740993",
  real: 1.1,
  text: "Grüße 🦊",
  bytes: "00ff80c328",
  numbers,
  words: ["eins", "zwei"],
  ids: [["a", "-1"], ["b", "9223372036854775807"]],
  colour: 2,
  inner: full,
  choice: { inner: full },
  nested: [[1, [full, bare]], [7, []]],
  no: false,
};

const defaults = {
  number: 42,
  word: "eins",
  yes: true,
  numbers: [1, 2, 3],
  sizes: [["small", 1]],
  ratio: 0.5,
};

/** In the order in which they are asked. */
export const cases: readonly Case[] = [
  ...echo("bool", "echoBool", "bool", [true, false]),
  ...echo("byte", "echoByte", "i8", [0, 1, -1, 127, -128]),
  ...echo("i16", "echoI16", "i16", [0, -1, 255, 256, 32767, -32768]),
  ...echo("i32", "echoI32", "i32", numbers),
  ...echo("i64", "echoI64", "i64", ["0", "1", "-1", "4294967296", "-9007199254740991", ...beyond]),
  ...echo("double", "echoDouble", "double", [
    ...[0, 1, -1.5, 0.1, 5e-324, 1.7976931348623157e308, "NaN", "Infinity", "-Infinity"],
  ]),
  ...echo("-0", "echoDouble", "double", ["-0"]),
  ...echo("string", "echoString", "string", words),
  ...echo("binary", "echoBinary", "binary", ["", "00", "ff", "c328", "80".repeat(300)]),
  ...echo("list", "echoNumbers", ["list", "i32"], [[], numbers, numbers.concat(numbers)]),
  ...echo("list", "echoWords", ["list", "string"], [[], words]),
  ...echo("bools", "echoBits", ["list", "bool"], [[], bits]),
  ...echo("set", "echoSet", ["set", "string"], [[], ["", "a", "b", "ß"]]),
  ...echo("map", "echoMap", ids, [[], [["", "0"], ["a", "-1"], ["ß", beyond[0]!]]]),
  ...echo("deep", "echoDeep", ["map", "i32", ["list", ["map", "string", ["set", "i64"]]]], [
    [],
    [[1, []], [7, [[["k", ["-1", "5"]], ["l", []]], []]]],
  ]),
  ...echo("enum", "echoEnum", "enum", [1, 2, 10]),
  ...echo("typedef", "echoTypedef", "i64", ["7", beyond[1]!]),
  ...echo("include", "echoIncluded", point, [origin, corner]),
  ...echo("struct", "echoStruct", inner, [full, { name: "n", points: [origin] }]),
  ...echo("optional", "echoStruct", inner, [bare]),
  ...echo("union", "echoUnion", ["struct", "Choice"], [{ text: "t" }, { number: 0 }, { inner: full }]),
  ...echo("default", "echoDefaults", ["struct", "Defaults"], [
    { ...defaults, absent: "here" },
    { number: 0, word: "", yes: false, numbers: [], sizes: [], ratio: 0 },
  ]),
  one(
    { category: "default", kind: "echo", method: "echoDefaults", type: ["struct", "Defaults"] },
    [{}],
    defaults,
  ),
  ...echo("sparse", "echoSparse", ["struct", "Sparse"], [
    {},
    { near: true, far: "off", farther: false, farthest: "-1" },
    { farther: true },
  ]),
  ...echo("all", "echoEverything", ["struct", "Everything"], [everything]),
  one({ category: "args", kind: "returns", method: "several" }, ["t", 5, true], "t 5 yes"),
  one({ category: "args", kind: "returns", method: "several" }, ["", -1, false], " -1 no"),
  one({ category: "order", kind: "returns", method: "ordered" }, ["t", 5, true], "t 5 yes"),
  one({ category: "throws", kind: "returns", method: "fail" }, ["fine"], "fine"),
  one({ category: "throws", kind: "throws", method: "fail", throws: "NotFound" }, ["missing"], {
    key: "k",
    code: 404,
  }),
  one({ category: "throws", kind: "throws", method: "fail", throws: "Refused" }, ["refused"], {
    why: "so",
    code: 8,
  }),
  one({ category: "throws", kind: "throws", method: "failVoid", throws: "NotFound" }, ["missing"], {
    key: "k",
    code: 404,
  }),
  one({ category: "void", kind: "void", method: "failVoid" }, ["fine"], null),
  one({ category: "void", kind: "void", method: "nop" }, [], null),
  one({ category: "extends", kind: "returns", method: "ping" }, [], "pong"),
  one({ category: "oneway", kind: "oneway", method: "shout" }, ["hey"], true),
  one({ category: "unknown", kind: "unknown", method: "ghost" }, [], null),
  one({ category: "unknown", kind: "returns", method: "ping" }, [], "pong"),
  one({ category: "tracking", kind: "who", method: "who" }, [], null),
  // Last: some servers close the connection.
  one({ category: "error", kind: "error", method: "fail" }, ["undeclared"], null),
];

function echo(category: string, method: string, type: TypeForm, values: readonly Json[]): Case[] {
  return values.map((value) => one({ category, kind: "echo", method, type }, [value], value));
}

function one(what: Omit<Case, "sent" | "seen">, sent: readonly Json[], seen: Json): Case {
  return { ...what, sent, seen };
}

/** The columns of the table, in order. */
export const categories: readonly string[] = [...new Set(cases.map(({ category }) => category))];
