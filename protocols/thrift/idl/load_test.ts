import assert from "node:assert/strict";
import fc from "fast-check";
import { IdlError } from "./idl_error.ts";
import { loadIdl, loadService } from "./load.ts";

/** Files that are nowhere; the first one is loaded. */
function service(files: Record<string, string> | string, name?: string) {
  const texts: Record<string, string> = typeof files === "string" ? { "a.thrift": files } : files;
  const read = (path: string) =>
    texts[path.replace("/idl/", "")] ?? (() => {
      throw new Error("no such file");
    })();
  return loadService(`/idl/${Object.keys(texts)[0]}`, name, read);
}

const everything = new URL("../testdata/everything.thrift", import.meta.url).pathname;

Deno.test("loadService() takes methods of all that a service extends, over includes", () => {
  const { name, methods } = loadService(everything);
  assert.equal(name, "Test");
  assert.deepEqual([...methods.keys()].slice(0, 4), ["ping", "nop", "echo", "hello"]);
  const shout = methods.get("shout")!;
  assert.ok(shout.oneway);
  const { fields } = methods.get("fail")!.result;
  assert.deepEqual(fields.map(({ id, name }) => [id, name]), [[0, "success"], [1, "missing"], [
    2,
    "refused",
  ]]);
  assert.deepEqual(methods.get("add")!.args.fields[1]!.makeDefault!(), 5);
});

Deno.test("loadService() reads what the language has", () => {
  const { methods } = service(
    `
    # a comment
    namespace java com.example
    namespace * example (a = "b")
    cpp_include "<x>"
    const double PI = 3.14e0; const i64 BIG = 0x7fffffffffffffff
    const list<string> WORDS = ["a", 'b';]
    typedef map<string, list<Later>> Index (cpp.type = "x")
    senumless
    `.replace("senumless", "") + `
    enum E { A, B = 5, C (note = "x"), D = -1; }
    struct Later { optional string name = "x\\n", 2: required E e = E.B, 3: Index index, -7: byte old }
    union U { 1: i32 number 2: string text }
    exception Oops {}
    service Parent { void ping() }
    service S extends Parent {
      Index get(1: set<binary> keys, 2: list<string> words = WORDS, 3: double pi = PI, 4: i64 big = BIG, 5: E e = C) throws (1: Oops oops) (a = "b"),
      async void go(1: U u);
      oneway void away(),
      Later later(1: Later given = { "name": "y", "e": E.A }) /* last */
    }`,
  );
  assert.deepEqual([...methods.keys()], ["ping", "get", "go", "away", "later"]);
  const defaults = methods.get("get")!.args.fields.map(({ makeDefault }) => makeDefault?.());
  assert.deepEqual(defaults, [undefined, ["a", "b"], 3.14, 2n ** 63n - 1n, 6]);
  const { type, makeDefault } = methods.get("later")!.args.fields[0]!;
  assert.ok(type.kind === "struct");
  assert.deepEqual(type.of.fields.map(({ id, name, requiredness }) => [id, name, requiredness]), [
    [-1, "name", "optional"],
    [2, "e", "required"],
    [3, "index", "default"],
    [-7, "old", "default"],
  ]);
  const made = makeDefault!() as Record<string, unknown>;
  assert.deepEqual([made.name, made.e], ["y", 0]);
  assert.equal(type.of.fields[0]!.makeDefault!(), "x\n");
});

Deno.test("loadIdl() says what is wrong, and where", () => {
  const wrong: Array<[string, string]> = [
    ["struct A { 1: strin a }", "1:15: there is no type `strin`"],
    ["struct Point {}\nstruct A {\n  1: Piont a }", "3:6: there is no type `Piont`; did you mean `Point`?"],
    ["struct A { 1: i32 a, 1: i32 b }", "1:22: the number 1 is `a`'s already"],
    ["struct A { 1: i32 a, 2: i32 a }", "1:29: `a` stands twice"],
    ["struct A { 1: i32 __proto__ }", "1:19: `__proto__` cannot be the name of a field"],
    ["struct A { 99999: i32 a }", "1:12: 99999 is not between -32768 and 32767"],
    ["struct A {} struct A {}", "1:20: `A` is defined twice"],
    ["struct A { 1: i32 a", "1:20: expected a type, found the end of the file"],
    ["struct A { 1: i32 a = 'x' }", "1:23: this is no i32"],
    ["struct A { 1: byte a = 128 }", "1:24: 128 does not fit an i8"],
    ["struct A { 1: A a = {} }", "1:8: a default of `A` contains itself"],
    ["typedef A B typedef B A", "1:11: `B` refers to itself"],
    ["const i32 A = B const i32 B = A", "1:11: `A` refers to itself"],
    ["enum E { A, A }", "1:13: `A` stands twice in enum E"],
    ["service S { void a() void a() }", "1:27: `a` stands twice in service S"],
    ["service S extends T {}", "1:9: there is no service `T`"],
    ["struct T {} service S extends T {}", "1:21: `T` is no service but a struct"],
    ["service S extends S {}", "1:9: `S` refers to itself"],
    ["struct E {} service S { void a() throws (1: E e) }", "1:47: `e` is no exception"],
    ["service S { oneway i32 a() }", "1:24: `a` is oneway: it can neither return nor throw anything"],
    ["structure A {}", "1:1: expected a definition such as struct, enum or service, found `structure`"],
    ["struct A.B {}", "1:8: `A.B` cannot be the name of a struct: it has a dot"],
    ["$", "1:1: `$` means nothing here"],
    ["/* never ends", "1:1: `/` means nothing here"],
    [`struct A { 1: ${"list<".repeat(70)}i32${">".repeat(70)} a }`, "nested deeper than 64"],
    [`include "none.thrift"`, "1:1: cannot include /idl/none.thrift: no such file"],
    [`include "a.thrift"`, "1:1: /idl/a.thrift includes itself"],
  ];
  for (const [text, message] of wrong) {
    assert.throws(
      () =>
        service(
          `${text}\nservice Last {}`.replace("struct A { 1: i32 a\nservice Last {}", "struct A { 1: i32 a"),
        ),
      (error: Error) => {
        assert.ok(error instanceof IdlError, `${text}: ${error}`);
        assert.ok(error.message.startsWith("/idl/a.thrift:"), error.message);
        assert.ok(error.message.includes(message), `${text}: ${error.message}`);
        return true;
      },
    );
  }
  assert.throws(() => service("struct A {}"), /no service is declared here/);
  assert.throws(
    () => service("service Users {}", "Uesrs"),
    /there is no service `Uesrs`; did you mean `Users`\?/,
  );
});

Deno.test("loadIdl() reads includes relative to the file that names them, each once, and not without end", () => {
  const { methods } = service({
    "a.thrift": `include "deep/b.thrift" include "c.thrift" service S extends b.T { void own(1: c.Id id) }`,
    "deep/b.thrift": `include "../c.thrift" service T { c.Id theirs() }`,
    "c.thrift": `typedef i64 Id`,
  });
  assert.deepEqual([...methods.keys()], ["theirs", "own"]);
  const read = (path: string) => `include "${Number(/(\d+)/.exec(path)![1]) + 1}.thrift"`;
  assert.throws(() => loadIdl("/idl/1.thrift", read), /more than 256 files are included/);
});

Deno.test("loadIdl() gives nothing but IdlError for texts that were changed", () => {
  const text = Deno.readTextFileSync(everything);
  const read = (path: string) =>
    path === "/idl/a.thrift"
      ? changed
      : `${Deno.readTextFileSync(everything.replace("everything", "shared"))}`;
  let changed = "";
  let refused = 0;
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.nat(20), fc.string({ maxLength: 3 }), (at, cut, put) => {
      changed = text.slice(0, at) + put + text.slice(at + cut);
      try {
        loadIdl("/idl/a.thrift", read);
      } catch (error) {
        if (!(error instanceof IdlError)) throw error;
        refused++;
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(refused > 50, `${refused}`);
});
