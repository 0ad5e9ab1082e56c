import assert from "node:assert/strict";
import { replyMeta } from "./reply_meta.ts";
import { digits, hex, open, settled } from "./testdata/test_host.ts";
import { vectors } from "./testdata/vectors.ts";
import { ThriftException } from "./thrift_exception.ts";
import type { Context } from "../../core/context.ts";

const hello = ({ name }: { name: string }) => `hi ${name}`;
const plain = (text: string) => text.replaceAll(" ", "");

/** What is answered to `sent`, one text of hex digits each. */
async function answers(
  sent: readonly string[],
  methods: Record<string, unknown> = { hello, nop() {} },
  plan: Parameters<typeof open>[1] = {},
) {
  const { stream, host, connection } = await open(methods, plan);
  const received: string[] = [];
  for (const bytes of sent) {
    const before = stream.output.length;
    stream.feed(hex(bytes));
    await settled();
    received.push(digits(stream.output.slice(before)));
  }
  return { received, host, connection, stream };
}

Deno.test("a listener shakes hands and speaks headers as the golden vectors do", async () => {
  const { handshake, upgraded, header, nop, nopReply, noMeta, hello: call, helloReply, meta } = vectors;
  const { received, host } = await answers([handshake, header + call, header + nop], {
    hello({ name }: { name: string }, context: Context) {
      replyMeta(context).k = "v";
      return `hi ${name}`;
    },
    nop() {},
  });
  assert.deepEqual(received, [plain(upgraded), plain(meta + helloReply), plain(noMeta + nopReply)]);
  assert.deepEqual(host.seen[0], { id: "rid-1", rpcId: "1", meta: {}, client: "" });
});

Deno.test("a listener speaks the lower of both versions, and says which (none, 1, 2, 3)", async () => {
  const { handshakeOf, upgradedTo, header, nop, nopReply, noMeta } = vectors;
  for (const [theirs, ours, reply] of [[0, 1, 0], [1, 1, 1], [2, 2, 2], [3, 2, 2], [7, 2, 2]] as const) {
    const { received } = await answers([handshakeOf(theirs), header + nop]);
    assert.deepEqual(
      received,
      [plain(upgradedTo(reply)), plain((ours === 2 ? noMeta : "") + nopReply)],
      `${theirs}`,
    );
  }
});

Deno.test("a listener takes a late handshake, and none after that", async () => {
  const { hello: call, helloReply, handshake, upgraded, header, nop, nopReply, noMeta } = vectors;
  const late = await answers([call, handshake, header + nop]);
  assert.deepEqual(late.received, [plain(helloReply), plain(upgraded), plain(noMeta + nopReply)]);
  const twice = await answers([handshake, handshake]);
  assert.equal(twice.received[1], "");
  assert.deepEqual(twice.host.refusals.map(([reason]) => reason), ["protocol_error"]);
  assert.ok(twice.stream.writeClosed);
});

Deno.test("a listener puts the header before exceptions too, and the link stays usable (unknown method)", async () => {
  const { handshake, header, nobody, nop, nopReply, noMeta } = vectors;
  const { received } = await answers([handshake, header + nobody, header + nop]);
  assert.match(received[1]!, /^0080010003000000066e6f626f6479000000000b0001.*08000200000001 ?00$/);
  assert.equal(received[2], plain(noMeta + nopReply));
});

Deno.test("a listener puts the header before declared exceptions, and forgets meta with its request", async () => {
  const { handshake, header, nop, nopReply, noMeta } = vectors;
  const fail = "80010001 00000004 6661696c 00000000 0b0001 00000001 61 00";
  const shout = "80010004 00000005 73686f7574 00000000 0b0001 00000001 61 00";
  const set = (context: Context) => replyMeta(context).left = "over";
  const { received, host } = await answers([
    handshake,
    header + fail,
    header + nop,
    header + shout,
    header + nop,
  ], {
    fail(_: unknown, context: Context) {
      set(context);
      throw new ThriftException("NotFound", { key: "k" });
    },
    shout: (_: unknown, context: Context) => set(context),
    nop() {},
  });
  assert.match(
    received[1]!,
    /^0d00010b0b00000001000000046c656674000000046f766572 ?0080010002000000046661696c/,
  );
  assert.equal(received[2], plain(noMeta + nopReply));
  assert.equal(received[3], "", "a oneway call is not answered");
  assert.equal(received[4], plain(noMeta + nopReply));
  assert.equal(host.seen.length, 4);
});

Deno.test("header and message stand in one frame", async () => {
  const { handshake, upgraded, header, nop, nopReply, noMeta } = vectors;
  const framed = (text: string) => (plain(text).length / 2).toString(16).padStart(8, "0") + plain(text);
  const { received } = await answers([framed(handshake), framed(header + nop)]);
  assert.deepEqual(received, [framed(upgraded), framed(noMeta + nopReply)]);
});

Deno.test("a listener without tracking knows no such method", async () => {
  const { handshake, nop, nopReply } = vectors;
  const { received } = await answers([handshake, nop], undefined, { tracking: false });
  assert.match(received[0]!, /^80010003.*08000200000001 ?00$/);
  assert.equal(received[1], plain(nopReply));
});

Deno.test("requests at once have each their own meta", async () => {
  const { handshake, header } = vectors;
  const wait = (ms: string) => `${header} 80010001 00000004 77616974 00000000 08 0001 ${ms} 00`;
  const gates: Array<() => void> = [];
  const { stream } = await answers([handshake + wait("00000001") + wait("00000002")], {
    async wait({ ms }: { ms: number }, context: Context) {
      replyMeta(context).ms = `${ms}`;
      await new Promise<void>((resolve) => gates.push(resolve));
      return "x";
    },
  });
  gates[1]!();
  await settled();
  gates[0]!();
  await settled();
  const output = digits(stream.output);
  const metas = [...output.matchAll(/000000026d730000000(\d)3(\d)/g)].map(([, , digit]) => digit);
  assert.deepEqual(metas, ["1", "2"], "in the order of the calls");
});

Deno.test("a trace of W3C travels as meta, and is no meta of the handler", async () => {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const text = (value: string) =>
    value.length.toString(16).padStart(8, "0") + digits(new TextEncoder().encode(value));
  const header = `0d0003 0b0b 00000002 ${text("traceparent")}${text(trace)}${text("tenant")}${
    text("seven")
  } 00`;
  const { host } = await answers([vectors.handshake, header + vectors.nop]);
  assert.deepEqual(host.seen[0], { meta: { tenant: "seven" }, trace, client: "" });
});
