/**
 * Everything that is tried against a server of Test, as a handler: `/?upstream=name&tracked=2` answers with what went
 * well, by name, "ok" or what was wrong.
 */
import assert from "node:assert/strict";
import type { Context, Upstream } from "../../../core/context.ts";
import { ApplicationException } from "../application_exception.ts";
import { ThriftException } from "../thrift_exception.ts";

const inner = { name: "i", colour: 1, children: [{ name: "c", colour: 2, children: [] }] };

/** One of every type, as reading gives it. */
export const everything = {
  yes: true,
  tiny: -3,
  small: -300,
  medium: 7,
  large: 2n ** 60n + 1n,
  real: -1.5,
  text: "h\u00e9llo \u2603",
  bytes: new Uint8Array([0, 255, 128]),
  numbers: [1, -2, 2147483647, -2147483648],
  words: new Set(["a", "b"]),
  ids: new Map<string, number | bigint>([["x", 2 ** 40], ["y", -1], ["z", -(2n ** 63n)]]),
  colour: 10,
  inner,
  choice: { number: 4 },
  bits: [true, false, true],
  nested: new Map([[-1, [inner]], [70000, []]]),
  no: false,
  far: "far",
  deep: [new Map([["z", new Set([1, 2 ** 50])]]), new Map()],
};

async function battery(upstream: Upstream, tracked: number, node: boolean, id: string): Promise<Record<string, string>> {
  const results: Record<string, string> = {};
  const check = async (name: string, test: () => Promise<unknown>) => {
    try {
      await test();
      results[name] = "ok";
    } catch (error) {
      results[name] = String(error).slice(0, 600);
    }
  };
  const equal = async (call: Promise<unknown>, wanted: unknown) => assert.deepEqual(await call, wanted);
  await check("hello", () => equal(upstream.call("hello", { name: "bob" }), "hi bob"));
  await check("inherited", () => equal(upstream.call("ping"), "pong"));
  await check("void", () => equal(upstream.call("nop"), undefined));
  await check("every type", async () => {
    // Apache Thrift for Node: bools of compact lists are read as false, numbers of 64 bits beyond doubles come as text.
    const value = node ? { ...everything, bits: [], deep: [], ids: new Map([["x", 2 ** 40]]) } : everything;
    await equal(upstream.call("echo", { value }), value);
  });
  await check("names and objects", async () => {
    const value = { colour: "GREEN", ids: { a: 1 }, words: ["w"], nested: { 3: [] }, children: undefined };
    const got = await upstream.call<typeof everything>("echo", { value });
    assert.deepEqual([got.colour, got.ids, got.words, got.nested, got.medium], [
      2,
      new Map([["a", 1]]),
      new Set(["w"]),
      new Map([[3, []]]),
      42,
    ]);
  });
  await check("i64", () => equal(upstream.call("add", { left: 2n ** 62n, right: 1 }), 2n ** 62n + 1n));
  await check("default", () => equal(upstream.call("add", { left: 1 }), 6));
  await check("list", () => equal(upstream.call("split", { text: "a,b,c", by: "," }), ["a", "b", "c"]));
  await check("binary", () =>
    equal(upstream.call("reverse", { bytes: new Uint8Array([1, 200, 3]) }), new Uint8Array([3, 200, 1])));
  await check("declared exception", () =>
    assert.rejects(upstream.call("fail", { how: "missing" }), (error: ThriftException) => {
      assert.ok(error instanceof ThriftException);
      assert.deepEqual([error.name, error.fields.key, (error.fields.inner as { name: string }).name], ["NotFound", "k", "n"]);
      return true;
    }));
  await check("included exception", () =>
    assert.rejects(upstream.call("fail", { how: "refused" }), (error: ThriftException) => {
      assert.deepEqual([error.name, error.fields], ["Refused", { why: "so", code: 7 }]);
      return true;
    }));
  await check("oneway", () => upstream.call("shout", { text: "loud" }));
  await check("after oneway", async () => {
    // Servers with a thread per connection do both in order, but the second call may take another connection.
    for (let n = 0; n < 50 && await upstream.call("heard") !== "loud"; n++);
    await equal(upstream.call("heard"), "loud");
  });
  await check("large", async () => {
    const reply = await upstream.call<string>("hello", { name: "x".repeat(300_000) });
    assert.equal(reply.length, 300_003);
  });
  await check("pipelined", async () => {
    const calls = Array.from({ length: 200 }, (_, index) => upstream.call("hello", { name: `${index}` }));
    await equal(Promise.all(calls), Array.from({ length: 200 }, (_, index) => `hi ${index}`));
  });
  await check("unknown method", async () => {
    await assert.rejects(upstream.call("nobody"), (error: ApplicationException) => {
      assert.ok(error instanceof ApplicationException, String(error));
      // Apache Thrift for Node leaves the number of its errors out.
      assert.equal(error.kind, node ? "unknown" : "unknownMethod");
      return true;
    });
    await equal(upstream.call("hello", { name: "again" }), "hi again");
  });
  if (tracked > 0) {
    await check("tracking", async () => {
      const seen = await upstream.call<Map<string, string>>("who");
      assert.equal(seen.get("id"), id);
      assert.match(seen.get("rpcId")!, /^1\.[0-9]+$/);
      assert.equal(seen.get("client"), "interop");
      assert.equal(seen.get("tenant"), "seven");
    });
  }
  if (tracked > 1) {
    await check("reply meta", async () => {
      let meta: unknown;
      await upstream.call("wait", { ms: 1 }, { onReplyMeta: (given) => meta = given });
      assert.deepEqual(meta, { waited: "1" });
    });
  }
  return results;
}

export default {
  async fetch(request: Request, ctx: Context): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const upstream = ctx.upstream(searchParams.get("upstream")!);
    const tracked = Number(searchParams.get("tracked"));
    const node = searchParams.get("peer") === "node";
    return Response.json(await battery(upstream, tracked, node, ctx.request.id));
  },
};
